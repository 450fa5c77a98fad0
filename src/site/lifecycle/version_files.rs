//! The small files of a version: its manifest, what the product is, the stack template, the hooks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::delivery::Delivery;
use super::place::{Place, make_folder};
use super::reserve;
use super::state::{read_document, write_document};
use crate::error::{Error, IoContext, Result};
use crate::image_ref::ImageRef;
use crate::in_order::InOrder;
use crate::language::tr;
use crate::manifest::{Artifact, FILE_NAME, Kind, Limits, Manifest};
use crate::path::RelPath;
use crate::platform::Platform;
use crate::product::{HookVerb, Product};
use crate::small_file;
use crate::stack;
use crate::staged_file::{sync_folder_of, sync_tree};

/// A version's small files, read.
#[derive(Debug)]
pub struct VersionFiles {
    root: PathBuf,
    manifest: Manifest,
    product: Product,
    template: Value,
}

/// The file among them that says what was loaded for the version.
const LOADED: &str = ".loaded.json";

/// What was loaded: it goes with the version's files, whether or not that ever ran.
#[derive(Default, Serialize, Deserialize)]
struct Loaded {
    /// The engine's image IDs.
    images: BTreeSet<String>,
}

/// The engine's image IDs of what was loaded for the version whose files lie in `root`, as far as that can be read.
pub(super) fn loaded_for(root: &Path) -> BTreeSet<String> {
    read_document::<Loaded>(&root.join(LOADED), "").ok().flatten().unwrap_or_default().images
}

/// The artifact that says what the product is, if `manifest` has one for this platform.
fn product_artifact(manifest: &Manifest, platform: Platform) -> Option<&RelPath> {
    let is_one = |artifact: &&Artifact| artifact.kind == Kind::Product && artifact.id.is_for(platform);
    let found = manifest.artifacts().iter().find(is_one);
    found.map(|artifact| &artifact.id.name)
}

impl VersionFiles {
    /// Reads what lies in the folder `root`.
    ///
    /// # Errors
    /// A file is missing or not valid.
    pub fn open(root: &Path) -> Result<Self> {
        let text = |name: &str, limit: u64| -> Result<String> {
            let path = root.join(name);
            let bytes = small_file::read_if_there(&path, limit)?.ok_or_else(|| {
                Error::failed(tr!("a file of an installed version is missing"))
                    .fact("path", path.display())
                    .hint(tr!("install that version again from its bundle"))
            })?;
            String::from_utf8(bytes).map_err(|cause| {
                Error::failed(tr!("a file of an installed version is not text"))
                    .fact("path", path.display())
                    .fact("cause", cause)
            })
        };
        let origin = |name: &str| root.join(name).display().to_string();
        let manifest = Manifest::parse(text(FILE_NAME, Limits::DEFAULT.manifest_bytes)?, &origin(FILE_NAME))?;
        let platform = Platform::host();
        let artifact = platform.and_then(|platform| product_artifact(&manifest, platform));
        let artifact = artifact.cloned().ok_or_else(|| {
            Error::failed(tr!("the manifest has no artifact of kind 'product' for this platform"))
                .fact("path", root.join(FILE_NAME).display())
                .hint(tr!("take the bundle for this platform: see 'uname -m'"))
        })?;
        let product = Product::parse(&text(artifact.as_str(), Product::LARGEST)?, &origin(artifact.as_str()))?;
        let stack = product.stack.as_str();
        let template = stack::read(&text(stack, stack::LARGEST)?, &origin(stack))?;
        // An engine is no small file: the manifest says whether there is one.
        let has = |kind: Kind, name: &RelPath| match kind {
            Kind::Engine => manifest.artifacts().iter().any(|one| one.kind == kind && one.id.name == *name),
            _ => root.join(name.as_str()).is_file(),
        };
        product.check_against(&template, &has, &origin(artifact.as_str()))?;
        Ok(VersionFiles { root: root.to_owned(), manifest, product, template })
    }

    /// Takes the small files that come with a version into the new folder `root`, and reads them.
    ///
    /// # Errors
    /// The bundle is damaged, there is no room, or a file is not valid.
    pub fn copy(delivery: &Delivery<'_>, root: &Path) -> Result<Self> {
        make_folder(root, 0o700)?;
        delivery.copy_small(root)?;
        Self::open(root)
    }

    /// As [`VersionFiles::copy`], into the product's folder, under their version.
    ///
    /// # Errors
    /// As [`VersionFiles::copy`].
    pub fn keep(delivery: &Delivery<'_>, place: &Place) -> Result<Self> {
        let staged = place.versions().join(".new");
        remove_folder(&staged)?;
        // Without room for a change there is none for its files.
        reserve::check(&place.var())?;
        Self::copy(delivery, &staged)?;
        sync_tree(&staged)?;
        let target = place.version(delivery.version());
        let before = place.versions().join(".old");
        remove_folder(&before)?;
        if target.exists() {
            fs::rename(&target, &before).doing("set aside", &target)?;
        }
        fs::rename(&staged, &target).doing("put in place", &target)?;
        sync_folder_of(&target)?;
        remove_folder(&before)?;
        Self::open(&target)
    }

    /// Writes down the engine's IDs of the images that were loaded for it.
    ///
    /// # Errors
    /// An I/O error.
    pub fn note_loaded<'a>(&self, images: impl Iterator<Item = &'a String>) -> Result<()> {
        let images = images.cloned().chain(loaded_for(&self.root)).in_order();
        write_document(&self.root.join(LOADED), &Loaded { images }, 0o600)
    }

    /// The images that the stack asks for.
    ///
    /// # Errors
    /// A service has no literal image.
    pub fn images(&self) -> Result<Vec<ImageRef>> {
        let named = stack::images_of(&self.template, self.product.stack.as_str())?;
        let mut images: BTreeMap<String, ImageRef> = BTreeMap::new();
        images.extend(named.into_iter().map(|found| (found.image.to_string(), found.image)));
        Ok(images.into_values().collect())
    }

    /// The script that does `verb`, where there is one.
    pub(super) fn hook(&self, verb: HookVerb) -> Option<PathBuf> {
        self.product.hooks.get(&verb).map(|script| script.below(&self.root))
    }

    /// Where they lie.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the product is.
    pub fn product(&self) -> &Product {
        &self.product
    }

    /// The stack template.
    pub(super) fn template(&self) -> &Value {
        &self.template
    }
}

/// Removes a folder of ours, if it is there.
pub(super) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).doing("remove", path),
        _ => Ok(()),
    }
}
