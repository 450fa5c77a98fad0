//! The small files of a version: its manifest, what the product is, the stack template, the hooks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::place::{Place, make_folder};
use crate::bundle::{BundleAccess, extract};
use crate::error::{Error, IoContext, Result};
use crate::image_ref::ImageRef;
use crate::manifest::{Artifact, FILE_NAME, Kind, Limits, Manifest, SIGNATURE_NAME};
use crate::path::RelPath;
use crate::platform::Platform;
use crate::product::{HookVerb, Product};
use crate::progress::Silent;
use crate::site::is_unpacked;
use crate::small_file;
use crate::stack;
use crate::staged_file::sync_folder_of;

/// A version's small files, read.
#[derive(Debug)]
pub struct VersionFiles {
    root: PathBuf,
    manifest: Manifest,
    product: Product,
    template: Value,
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
                Error::failed("a file of an installed version is missing")
                    .fact("path", path.display())
                    .hint("install that version again from its bundle")
            })?;
            String::from_utf8(bytes).map_err(|cause| {
                Error::failed("a file of an installed version is not text")
                    .fact("path", path.display())
                    .fact("cause", cause)
            })
        };
        let origin = |name: &str| root.join(name).display().to_string();
        let manifest = Manifest::parse(text(FILE_NAME, Limits::DEFAULT.manifest_bytes)?, &origin(FILE_NAME))?;
        let platform = Platform::host();
        let artifact = platform.and_then(|platform| product_artifact(&manifest, platform));
        let artifact = artifact.cloned().ok_or_else(|| {
            Error::failed("the manifest has no artifact of kind 'product' for this platform")
                .fact("path", root.join(FILE_NAME).display())
                .hint("take the bundle for this platform: see 'uname -m'")
        })?;
        let product = Product::parse(&text(artifact.as_str(), Product::LARGEST)?, &origin(artifact.as_str()))?;
        let stack = product.stack.as_str();
        let template = stack::read(&text(stack, 1 << 20)?, &origin(stack))?;
        let has_script = |script: &RelPath| root.join(script.as_str()).is_file();
        product.check_against(&template, &has_script, &origin(artifact.as_str()))?;
        Ok(VersionFiles { root: root.to_owned(), manifest, product, template })
    }

    /// Takes the small files of a bundle into the new folder `root`, and reads them.
    ///
    /// # Errors
    /// The bundle is damaged, there is no room, or a file is not valid.
    pub fn copy(access: &BundleAccess<'_>, root: &Path) -> Result<Self> {
        let index = access.index();
        make_folder(root, 0o700)?;
        let small = |path: &RelPath| index.artifact(path.as_str()).is_some_and(|artifact| is_unpacked(index, artifact));
        extract(access, |path| small(path) || matches!(path.as_str(), FILE_NAME | SIGNATURE_NAME), root, &Silent)?;
        Self::open(root)
    }

    /// As [`VersionFiles::copy`], into the product's folder, under their version.
    ///
    /// # Errors
    /// As [`VersionFiles::copy`].
    pub fn keep(access: &BundleAccess<'_>, place: &Place) -> Result<Self> {
        let index = access.index();
        let staged = place.versions().join(".new");
        remove_folder(&staged)?;
        Self::copy(access, &staged)?;
        let target = place.version(&index.version);
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
