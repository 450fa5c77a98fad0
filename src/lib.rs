//! `pack` carries a product across an air gap.
//!
//! # Life of a bundle
//!
//! ```text
//! manifest.json ─lock─▶ pinned manifest ─download─▶ folder ─bundle─▶ x.run ═USB═▶ sh x.run ─▶ run script
//! ```
//!
//! # The five nouns
//!
//! * [`manifest::Manifest`]: which artifacts make up a version, where they are, what their bytes are.
//! * [`manifest::Artifact`]: one file of the product.
//! * [`release::Folder`]: where artifacts lie, each under its final name only when verified.
//! * [`bundle::Bundle`]: a smaller encoding of the folder, which gives every byte back.
//! * [`bundle::Frame`]: a piece of a bundle that is checked, then unpacked, without the rest.
//!
//! # The floors
//!
//! Imports run downward only; `tests/it/house/floors.rs` holds this.
//!
//! ```text
//! cli                     the only one that prints
//! fetch        site       the network (async) │ what happens on site
//! release  cache  image  bundle
//! manifest     signature  stack
//! digest path platform image_ref progress error own_file staged_file scratch workers
//! ```

pub mod bundle;
pub mod cache;
pub mod cli;
pub mod digest;
pub mod error;
pub mod fetch;
pub mod image;
pub mod image_ref;
pub mod manifest;
pub mod own_file;
pub mod path;
pub mod platform;
pub mod progress;
pub mod release;
pub mod scratch;
pub mod signature;
pub mod site;
pub mod stack;
pub mod staged_file;
pub mod workers;

/// The bodies of the fuzz targets in `fuzz/`: each takes any bytes, and panics where a promise is broken.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::bundle::fuzzing::index;
    pub use crate::image::fuzzing::{archive, inflate, recipe, tar};
    pub use crate::manifest::fuzzing::manifest;
}
