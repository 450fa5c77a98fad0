//! `pack` carries a product across an air gap.
//!
//! # Life of a bundle
//!
//! ```text
//! manifest.json ─lock─▶ pinned manifest ─download─▶ folder ─bundle─▶ x.run ═USB═▶ sh x.run ─▶ run script
//! ```
//!
//! A publisher lists what makes up a version and pins each file by size and digest ([`task::lock`]), and signs that
//! ([`task::sign`]). On a machine with a network exactly those bytes are downloaded ([`task::download`]) and packed into
//! one file ([`task::bundle`]). On a site without a network that file checks itself ([`task::verify`]) and runs the
//! product's script ([`task::run_on_site`]).
//!
//! # Where to begin
//!
//! | to | begin with |
//! | --- | --- |
//! | do what a command of `pack` does | a module of [`task`]: typed options in, a typed report out |
//! | read what a publisher lists | [`manifest::Manifest`], which has [`manifest::Artifact`]s |
//! | look into a folder of artifacts | [`release::Folder`]: each lies under its final name only when verified |
//! | read a bundle | [`bundle::Bundle`], a smaller encoding of the folder that gives every byte back |
//! | fetch something else | [`fetch::Fetcher`] |
//! | take an image archive apart | [`image::analyse`] |
//! | watch the work | [`progress::Progress`]; [`progress::Silent`] watches nothing |
//! | tell somebody what went wrong | [`error::Error`]: a title, facts, and a hint that says what to type next |
//!
//! A small product from its sources into a bundle, and the bundle verified:
//!
//! ```
//! use pack::task::{bundle, download, lock, manifest_url::manifest_url, trust::Trust, verify};
//! use pack::{bundle::Preset, fetch, progress::Silent};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let place = std::env::temp_dir().join(format!("pack-example-{}", std::process::id()));
//! # std::fs::create_dir_all(&place)?;
//! let source = place.join("manifest.json");
//! std::fs::write(place.join("hello.sh"), "#!/bin/sh\necho hello\n")?;
//! std::fs::write(
//!     &source,
//!     r#"{"schemaVersion": 1, "name": "hello", "version": "1.0.0", "run": "hello.sh",
//!         "artifacts": [{"name": "hello.sh", "kind": "script", "urls": ["hello.sh"]}]}"#,
//! )?;
//! let network = fetch::Options::default();
//! lock::run(&lock::Options { manifest: source.clone(), update: lock::Update::No, set_version: None, network: network.clone(), trust: Trust::default() }, &Silent)?;
//!
//! let downloaded = download::run(
//!     &download::Options {
//!         manifest: manifest_url(Some(source.as_os_str()))?,
//!         dir: Some(place.join("hello-portable")),
//!         platform: None,
//!         allow_downgrade: false,
//!         trust: Trust::default(),
//!         network,
//!     },
//!     &Silent,
//! )?;
//! assert_eq!(downloaded.artifacts[0].name, "hello.sh");
//! let folder = pack::release::Folder::at(downloaded.folder.root());
//! drop(downloaded); // it keeps the folder locked
//!
//! let bundled = bundle::run(
//!     &bundle::Options {
//!         source: bundle::BundleSource::Folder(folder),
//!         output: Some(place.join("hello.run")),
//!         platform: None,
//!         preset: Preset::Fast,
//!         originals: true,
//!         detached: false,
//!         runtime: Some("/proc/self/exe".into()), // a bundle carries a static program for its site
//!         cores: None,
//!         signer: None,
//!         parity: None,
//!         volume_size: None,
//!         trust: Trust::default(),
//!     },
//!     &Silent,
//! )?;
//! let report = verify::bundle(&bundled.path, &Trust::default(), &Silent)?;
//! assert!(report.damage.is_empty());
//! # std::fs::remove_dir_all(&place)?;
//! # Ok(())
//! # }
//! ```
//!
//! # The floors
//!
//! Imports run downward only; `tests/it/house/floors.rs` holds this.
//!
//! ```text
//! cli                     what can be typed and seen; the only one that prints
//! task                    the use cases, one file each; policy
//! fetch  daemon  site     the network (async) │ an engine to take images from │ what happens on site
//! release  cache  image  bundle  parity  medium
//! manifest     signature  stack  product
//! digest path platform image_ref in_order progress error language own_file staged_file small_file scratch room workers yaml
//! ```

pub mod bundle;
pub mod cache;
pub mod cli;
pub mod daemon;
pub mod digest;
pub mod error;
pub mod fetch;
pub mod image;
pub mod image_ref;
mod in_order;
pub mod language;
pub mod manifest;
pub mod medium;
pub mod own_file;
pub mod parity;
pub mod path;
pub mod platform;
pub mod product;
pub mod progress;
pub mod release;
pub mod room;
pub mod scratch;
pub mod signature;
pub mod site;
pub mod small_file;
pub mod stack;
pub mod staged_file;
pub mod task;
pub mod workers;
pub mod yaml;

/// The bodies of the fuzz targets in `fuzz/`: each takes any bytes, and panics where a promise is broken.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::bundle::fuzzing::index;
    pub use crate::image::fuzzing::{archive, inflate, recipe, tar};
    pub use crate::manifest::fuzzing::manifest;
}
