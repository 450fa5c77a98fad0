//! The tests of everything together, in one program that is linked once: a module for each idea, and in `support`
//! what they share.
//!
//! `cargo test --test it download::ranges` runs the tests of one file. They run side by side in one process: a test
//! that changes what belongs to its process runs in one of its own, by `support::bounded` or as a command.

mod bundle;
mod cli;
mod crash;
mod download;
mod folder;
mod fuzzing;
mod house;
mod image;
mod init;
mod lock;
mod manifest;
mod parity;
mod portable;
mod registry;
mod signatures;
mod site;
mod support;
mod transfer;
mod upgrade;
mod volumes;
