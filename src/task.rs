//! The use cases: what `pack` does, one file each, for any front end.
//!
//! ```text
//! publisher       init  add  gather  lock  from_engine  image_signature  check_pins  keygen  sign  diff
//! with a network  download  bundle  volumes  cache  parity  cut  transfer
//! on site         verify  damage_map  repair  inspect  extract  cat  load  run_on_site
//! on the host     site: install  rollback  restore  recover  upkeep  look
//! policy          trust  trusted_manifest  signed  verify_signature  upgrade  locate  manifest_url
//! what to type    commands  sign_again  whole_bundle
//! ```
//!
//! A use case takes typed options and a [`Progress`](crate::progress::Progress), and returns a typed report. It prints
//! nothing, asks nothing and knows no terminal. Which signature, date or version is good enough is decided here.
//!
//! Every module is reached by its own path, and nothing is exported from here, so that a program links only what it
//! uses: those on site reach no network code.

pub mod add;
pub mod bundle;
mod bundle_room;
pub mod cache;
pub mod cat;
pub mod check_pins;
pub mod commands;
pub mod cut;
pub mod damage_map;
pub mod diff;
pub mod download;
mod download_room;
pub mod extract;
mod from_engine;
pub mod gather;
mod image_signature;
pub mod init;
pub mod inspect;
pub mod keygen;
pub mod load;
pub mod locate;
pub mod lock;
pub mod manifest_url;
pub mod parity;
pub mod repair;
mod replace_manifest;
pub mod run_on_site;
pub mod sign;
mod sign_again;
pub mod signed;
pub mod site;
pub mod transfer;
pub mod trust;
pub mod trusted_manifest;
pub mod upgrade;
pub mod verify;
pub mod verify_signature;
pub mod volumes;
mod whole_bundle;
