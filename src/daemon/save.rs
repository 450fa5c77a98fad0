//! From a reference to an archive.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use super::engine::Engine;
use crate::error::{Class, Error, IoContext, Result};
use crate::image::{AnalysedBlobs, AnalysisOptions, Image, analyse, export};
use crate::manifest::engine_ref::EngineRef;
use crate::manifest::{Artifact, Limits};
use crate::progress::Meter;
use crate::room;
use crate::staged_file::StagedFile;

/// Writes the archive of the image that the engine has as `reference` to `out`: for the artifact's platform, under its own
/// name. What the engine sends lies in the folder of `place` meanwhile, under a name that is like that.
///
/// # Errors
/// There is no engine, it does not answer, has no such image or none for the platform, there is no room, or `out` fails.
pub fn save(
    artifact: &Artifact,
    reference: &EngineRef,
    place: &Path,
    meter: &dyn Meter,
    out: &mut dyn Write,
) -> Result<()> {
    let engine = Engine::find()?;
    let known = engine.look_up(reference)?;
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What the engine sends, and the archive that is made of it.
    room::check(known.size.saturating_mul(2), folder, "free some room, or begin the manifest on another disk")?;
    let mut sent = StagedFile::create_in(folder, place)?;
    meter.expect(known.size);
    let mut size = 0u64;
    engine.save(reference, &known, &mut |bytes| {
        size += bytes.len() as u64;
        if size > Limits::DEFAULT.artifact_bytes {
            return Err(Error::failed("the image is larger than an artifact may be")
                .fact("image", reference.reference())
                .fact("limit", format_args!("{} bytes", Limits::DEFAULT.artifact_bytes))
                .hint("split what is in it over several images"));
        }
        meter.add(bytes.len() as u64);
        sent.file().write_all(bytes).doing("write", place)
    })?;
    meter.retract(size);
    meter.expect(size);
    let options = AnalysisOptions { platform: artifact.id.platform, originals: false, ..AnalysisOptions::default() };
    let analysis = analyse(sent.path(), artifact.id.name.as_str(), true, &options, meter).map_err(|error| {
        let wanted = artifact.id.platform.filter(|wanted| wanted.as_str() != known.platform);
        let error = error.fact("engine", engine.program());
        match (error.class(), wanted) {
            (Class::Failed, Some(platform)) => error.hint(format_args!(
                "the engine has it for {}: {} pull --platform {platform} {}, or correct the artifact's platform",
                known.platform,
                engine.program(),
                reference.reference()
            )),
            _ => error,
        }
    })?;
    let [image] = &analysis.images[..] else {
        return Err(Error::failed("the container engine sent another number of images than one")
            .fact("image", reference.reference())
            .fact("found", analysis.images.len())
            .hint(format_args!("pull or build it again: {} pull {}", engine.program(), reference.reference())));
    };
    let image = Image { tags: vec![reference.name()], ..image.clone() };
    export(&[image], &AnalysedBlobs::of([&analysis]), &HashSet::new(), out)
}
