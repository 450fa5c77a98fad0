//! From a folder to what a bundle is made of: images taken apart, everything else as it is.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::images::Form;
use super::index::CarriedArtifact;
use super::payload::{Content, Source};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::folder::Folder;
use crate::image::{self, Analysis, AnalysisOptions, Image, Representation, analyse, layout};
use crate::image_ref::ImageRef;
use crate::manifest::{FILE_NAME, Kind, Manifest, Pinned, SIGNATURE_NAME};
use crate::path::RelPath;
use crate::progress::Progress;

/// What a folder gives to a bundle.
pub struct Gathered {
    /// The files of the payload, in its order.
    pub sources: Vec<Source>,
    /// The artifacts that the payload's files give back.
    pub artifacts: Vec<CarriedArtifact>,
    /// The container images in them, each once.
    pub images: Vec<Image>,
}

/// Reads every artifact of `selection`, which is `manifest`'s, in `folder` and finds out how each is carried.
///
/// # Errors
/// An artifact is missing or not what was pinned; an image archive is bad, or for another platform.
pub fn gather(
    folder: &Folder,
    manifest: &Manifest,
    selection: &[Pinned<'_>],
    options: &AnalysisOptions,
    progress: &dyn Progress,
) -> Result<Gathered> {
    let mut artifacts = selection.iter().map(|pinned| carried(folder, pinned)).collect::<Result<Vec<_>>>()?;
    let worth: Vec<&mut CarriedArtifact> =
        artifacts.iter_mut().filter(|artifact| artifact.kind == Kind::Image || artifact.kind == Kind::Engine).collect();
    progress.plan(worth.len(), Some(worth.iter().map(|artifact| artifact.size).sum()));
    let mut analyses = Vec::new();
    for artifact in worth {
        let meter = progress.start(artifact.name.as_str(), Some(artifact.size));
        let path = folder.path_of(&artifact.name);
        let holds_images = artifact.kind == Kind::Image;
        let analysis = analyse(&path, artifact.name.as_str(), holds_images, options, meter.as_ref())?;
        if analysis.file.digest != artifact.digest {
            return Err(Error::integrity("an artifact in the folder is not what the manifest pins")
                .fact("path", path.display())
                .fact("expected", artifact.digest)
                .fact("actual", format_args!("{} ({} bytes)", analysis.file.digest, analysis.file.size))
                .hint("get what is missing or wrong with 'pack download', then pack again"));
        }
        describe(artifact, &analysis);
        meter.done("read");
        analyses.push(analysis);
    }
    let entries = layout(&analyses)?;
    let images = image::distinct(&analyses);
    for artifact in &mut artifacts {
        let usual =
            |(id, tags): (&Digest, &Vec<ImageRef>)| images.iter().any(|image| image.id == *id && image.tags == *tags);
        if artifact.images.iter().zip(&artifact.tags).all(usual) {
            artifact.tags = Vec::new();
        }
    }
    let paths: HashSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    let is_no_layer = |blob: &Digest| paths.contains(image::other_blob_path(blob).as_str());
    artifacts.iter_mut().for_each(|artifact| artifact.blobs.retain(is_no_layer));
    let mut sources = own_files(folder, manifest)?;
    let file = |kinds: &[Kind]| -> Vec<Source> {
        let chosen = artifacts.iter().filter(|artifact| artifact.form == Form::File && kinds.contains(&artifact.kind));
        chosen.map(|artifact| from_folder(folder, artifact)).collect()
    };
    sources.extend(file(&[Kind::Script, Kind::Unit, Kind::Stack, Kind::File]));
    sources.extend(file(&[Kind::Engine]));
    for entry in entries {
        let path: RelPath = entry.path.parse().map_err(Error::failed)?;
        let content = match entry.content {
            image::LayoutContent::Bytes(bytes) => Content::Bytes(bytes),
            image::LayoutContent::Blob(blob) => Content::Stream(Box::new(move || blob.open())),
        };
        sources.push(Source {
            path,
            mode: 0o644,
            size: entry.descriptor.size,
            digest: entry.descriptor.digest,
            content,
        });
    }
    sources.extend(file(&[Kind::Image]));
    Ok(Gathered { sources, artifacts, images })
}

/// The artifact as it lies in the folder now. Its content is compared with the pin while it is packed.
fn carried(folder: &Folder, pinned: &Pinned<'_>) -> Result<CarriedArtifact> {
    let path = folder.path_of(pinned.name());
    let hint = "get what is missing or wrong with 'pack download', then pack again";
    let metadata = fs::metadata(&path).doing("read the artifact", &path).map_err(|error| error.hint(hint))?;
    if !metadata.is_file() || pinned.pin.size.is_some_and(|size| size != metadata.len()) {
        return Err(Error::integrity("an artifact in the folder is not what the manifest pins")
            .fact("path", path.display())
            .fact("expected", pinned.pin.size.map_or("a file".to_owned(), |size| format!("{size} bytes")))
            .fact("actual", format_args!("{} bytes", metadata.len()))
            .hint(hint));
    }
    Ok(CarriedArtifact {
        name: pinned.name().clone(),
        kind: pinned.artifact.kind,
        size: metadata.len(),
        mode: metadata.permissions().mode() & 0o777,
        digest: pinned.pin.digest,
        form: Form::File,
        kept: None,
        images: Vec::new(),
        tags: Vec::new(),
        blobs: Vec::new(),
    })
}

fn describe(artifact: &mut CarriedArtifact, analysis: &Analysis) {
    artifact.images = analysis.images.iter().map(|image| image.id).collect();
    artifact.tags = analysis.images.iter().map(|image| image.tags.clone()).collect();
    artifact.form = match &analysis.representation {
        Representation::Rebuilt(recipe) => {
            artifact.blobs = recipe.blobs();
            Form::Rebuilt
        }
        Representation::Exported => Form::Exported,
        Representation::AsIs(why) => {
            artifact.kept = Some(why.clone());
            Form::File
        }
    };
}

/// Manifest and signature: what a site reads first.
fn own_files(folder: &Folder, manifest: &Manifest) -> Result<Vec<Source>> {
    // The very text that was checked, whatever became of the file since.
    let mut own = vec![(FILE_NAME, manifest.text().as_bytes().to_vec())];
    let signature = folder.root().join(SIGNATURE_NAME);
    if signature.exists() {
        own.push((SIGNATURE_NAME, fs::read(&signature).doing("read", &signature)?));
    }
    let mut sources = Vec::new();
    for (name, content) in own {
        let path: RelPath = name.parse().map_err(Error::failed)?;
        let (size, digest) = (content.len() as u64, Digest::of(&content));
        sources.push(Source { path, mode: 0o644, size, digest, content: Content::Bytes(content) });
    }
    Ok(sources)
}

fn from_folder(folder: &Folder, artifact: &CarriedArtifact) -> Source {
    Source {
        path: artifact.name.clone(),
        mode: artifact.mode,
        size: artifact.size,
        digest: artifact.digest,
        content: Content::File(folder.path_of(&artifact.name)),
    }
}
