//! What a bundle is made of: the images of a folder taken apart, everything else as it is.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::carried::{Carried, CarriedArtifact};
use super::payload::{FileContent, PayloadFile};
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, IoContext, Result};
use crate::image::{self, Analysis, AnalysisOptions, Image, Representation, analyse, layout, with_command};
use crate::image_ref::ImageRef;
use crate::manifest::{FILE_NAME, Kind, Manifest, Pinned, SIGNATURE_NAME};
use crate::path::RelPath;
use crate::progress::Progress;
use crate::release::Folder;
use crate::signature::LIMIT;
use crate::small_file::read_if_there;

/// What a bundle is made of.
pub struct Contents {
    /// The files of the payload, in its order.
    pub files: Vec<PayloadFile>,
    /// The artifacts that are rebuilt from the payload's files.
    pub artifacts: Vec<CarriedArtifact>,
    /// The container images in them, each once.
    pub images: Vec<Image>,
}

impl Contents {
    /// Reads every artifact of `selection`, which is `manifest`'s, in `folder` and finds out how each is carried.
    ///
    /// # Errors
    /// An artifact is missing or not what was pinned; an image archive is bad, or for another platform.
    pub fn read(
        folder: &Folder,
        manifest: &Manifest,
        selection: &[Pinned<'_>],
        options: &AnalysisOptions,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let signature = read_if_there(&folder.root().join(SIGNATURE_NAME), LIMIT)?;
        let is_signed = signature.is_some();
        let mut artifacts =
            selection.iter().map(|pinned| carried(folder, pinned, is_signed)).collect::<Result<Vec<_>>>()?;
        let archives: Vec<&mut CarriedArtifact> = artifacts
            .iter_mut()
            .filter(|artifact| artifact.kind == Kind::Image || artifact.kind == Kind::Engine)
            .collect();
        progress.plan(archives.len(), Some(archives.iter().map(|artifact| artifact.size).sum()));
        let mut analyses = Vec::new();
        let mut options = *options;
        for artifact in archives {
            let meter = progress.start(artifact.name.as_str(), Some(artifact.size));
            let path = folder.path_of(&artifact.name);
            let holds_images = artifact.kind == Kind::Image;
            let name = artifact.name.as_str();
            let analysis = analyse(&path, name, holds_images, &options, meter.as_ref())
                .map_err(|error| with_command(error, name, &folder.pin_again()))?;
            if analysis.file.check(artifact.descriptor()).is_err() {
                return Err(Error::integrity("an artifact in the folder is not what the manifest pins")
                    .fact("path", path.display())
                    .fact("expected", artifact.digest)
                    .fact("actual", format_args!("{} ({} bytes)", analysis.file.digest, analysis.file.size))
                    .hint(format_args!(
                        "get what is missing or wrong, then pack again: {}",
                        folder.get_again(&[name])
                    )));
            }
            describe(artifact, &analysis);
            meter.done("read");
            analysis.remarks.iter().for_each(|remark| progress.note(&format!("{}: {remark}", artifact.name)));
            options.limits = options.limits.beside(&analysis);
            analyses.push(analysis);
        }
        let images = image::distinct(&analyses);
        let entries = layout(analyses)?;
        let tags: HashMap<&Digest, &Vec<ImageRef>> = images.iter().map(|image| (&image.id, &image.tags)).collect();
        let paths: HashSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        for artifact in &mut artifacts {
            if artifact.images.iter().zip(&artifact.tags).all(|(id, own)| tags.get(id).is_some_and(|all| *all == own)) {
                artifact.tags = Vec::new();
            }
            if let Carried::Rebuilt { blobs } = &mut artifact.carried {
                // Layers are found by their images.
                blobs.retain(|blob| paths.contains(image::other_blob_path(blob).as_str()));
            }
        }
        let mut files = own_files(manifest, signature)?;
        let file = |kinds: &[Kind]| -> Vec<PayloadFile> {
            let chosen =
                artifacts.iter().filter(|artifact| artifact.carried.is_file() && kinds.contains(&artifact.kind));
            chosen.map(|artifact| from_folder(folder, artifact)).collect()
        };
        files.extend(file(&[Kind::Script, Kind::Unit, Kind::Stack, Kind::Product, Kind::File]));
        files.extend(file(&[Kind::Engine]));
        for entry in entries {
            let path: RelPath = entry.path.parse().map_err(Error::failed)?;
            let content = match entry.content {
                image::LayoutContent::Bytes(bytes) => FileContent::Bytes(bytes),
                image::LayoutContent::Blob(blob) => FileContent::Stream(Box::new(move || blob.open())),
            };
            files.push(PayloadFile { path, mode: 0o644, descriptor: entry.descriptor, content });
        }
        files.extend(file(&[Kind::Image]));
        Ok(Contents { files, artifacts, images })
    }

    /// Leaves out what a site does not need as a file before it does anything else: images, engines, what is large. A
    /// site takes it from the folder where the bundle lies.
    pub fn detach(&mut self, folder: &Folder, manifest: &Manifest, selection: &[Pinned<'_>]) {
        let run = manifest.run();
        for (artifact, pinned) in self.artifacts.iter_mut().zip(selection) {
            if !artifact.is_small(run) {
                artifact.carried = Carried::Detached { url: folder.url_to_show(&pinned.artifact.locations()) };
                artifact.images = Vec::new();
                artifact.tags = Vec::new();
            }
        }
        self.images = Vec::new();
        let stays: HashSet<&str> = self
            .artifacts
            .iter()
            .filter(|artifact| artifact.carried.is_file())
            .map(|artifact| artifact.name.as_str())
            .chain([FILE_NAME, SIGNATURE_NAME])
            .collect();
        self.files.retain(|file| stays.contains(file.path.as_str()));
    }
}

/// The artifact as it lies in the folder now. Its content is compared with the pin while it is packed. With a signed
/// manifest, its mode is that of its kind, which the signature covers; without, that of the file.
fn carried(folder: &Folder, pinned: &Pinned<'_>, is_signed: bool) -> Result<CarriedArtifact> {
    let path = folder.path_of(pinned.name());
    let again = || folder.get_again(&[pinned.name().as_str()]);
    let hint = || format!("get what is missing or wrong, then pack again: {}", again());
    let metadata = fs::metadata(&path).doing("read the artifact", &path).map_err(|error| error.hint(hint()))?;
    if !metadata.is_file() || pinned.pin.size.is_some_and(|size| size != metadata.len()) {
        return Err(Error::integrity("an artifact in the folder is not what the manifest pins")
            .fact("path", path.display())
            .fact("expected", pinned.pin.size.map_or("a file".to_owned(), |size| format!("{size} bytes")))
            .fact("actual", format_args!("{} bytes", metadata.len()))
            .hint(hint()));
    }
    Ok(CarriedArtifact {
        name: pinned.name().clone(),
        kind: pinned.artifact.kind,
        size: metadata.len(),
        mode: if is_signed { pinned.artifact.kind.mode() } else { metadata.permissions().mode() & 0o777 },
        digest: pinned.pin.digest,
        carried: Carried::File { reason: None },
        images: Vec::new(),
        tags: Vec::new(),
    })
}

fn describe(artifact: &mut CarriedArtifact, analysis: &Analysis) {
    artifact.images = analysis.images.iter().map(|image| image.id).collect();
    artifact.tags = analysis.images.iter().map(|image| image.tags.clone()).collect();
    artifact.carried = match &analysis.representation {
        Representation::Rebuilt(recipe) => Carried::Rebuilt { blobs: recipe.blobs() },
        Representation::Exported => Carried::Exported,
        Representation::AsIs(why) => Carried::File { reason: Some(why.clone()) },
    };
}

/// Manifest and signature: what a site reads first.
fn own_files(manifest: &Manifest, signature: Option<Vec<u8>>) -> Result<Vec<PayloadFile>> {
    // The text that was checked, also when the file has changed since.
    let mut own = vec![(FILE_NAME, manifest.text().as_bytes().to_vec())];
    own.extend(signature.map(|signature| (SIGNATURE_NAME, signature)));
    let mut files = Vec::new();
    for (name, content) in own {
        let path: RelPath = name.parse().map_err(Error::failed)?;
        let descriptor = Descriptor::of(&content);
        files.push(PayloadFile { path, mode: 0o644, descriptor, content: FileContent::Bytes(content) });
    }
    Ok(files)
}

fn from_folder(folder: &Folder, artifact: &CarriedArtifact) -> PayloadFile {
    PayloadFile {
        path: artifact.name.clone(),
        mode: artifact.mode,
        descriptor: artifact.descriptor(),
        content: FileContent::File(folder.path_of(&artifact.name)),
    }
}
