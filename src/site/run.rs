//! Running the product's script from a bundle that was just verified.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use super::Signals;
use crate::bundle::{BundleAccess, CarriedArtifact, extract};
use crate::error::{Error, IoContext, Result};
use crate::manifest::{FILE_NAME, Kind, SIGNATURE_NAME};
use crate::path::{RelPath, shell_word};
use crate::progress::Silent;

/// Unpacks everything but the large things, images and engines, into `home`, runs the product's script there
/// with `args`, and gives its exit code: 128 and the signal's number when a signal ended it, as shells do.
///
/// The script finds `PACK` (the runtime's path), `PACK_BUNDLE`, `PACK_NAME`, `PACK_VERSION` and `PACK_PWD`
/// (the caller's folder: paths in `args` are meant from there) in its environment, its artifacts beside it, the
/// images with `"$PACK" load "$PACK_BUNDLE" NAME`, and an engine, which most sites have already, with
/// `"$PACK" cat --decompress "$PACK_BUNDLE" NAME`.
///
/// # Errors
/// The bundle has no script, is damaged, or the script cannot be started.
pub fn run(access: &BundleAccess<'_>, home: &Path, args: &[OsString], signals: Signals) -> Result<u8> {
    let bundle = access.bundle();
    let index = bundle.index();
    let Some(run) = &index.run else {
        return Err(Error::failed("this bundle has nothing to run").fact("path", bundle.path().display()).hint(
            format_args!("take its files out with: sh {} pack extract {}", shell_word(bundle.path()), index.name),
        ));
    };
    let files = home.join("files");
    fs::DirBuilder::new().mode(0o700).create(&files).doing("create the folder", &files)?;
    let small = |path: &RelPath| index.artifact(path.as_str()).is_some_and(is_unpacked);
    extract(access, |path| small(path) || matches!(path.as_str(), FILE_NAME | SIGNATURE_NAME), &files, &Silent)?;
    let script = run.below(&files);
    fs::set_permissions(&script, Permissions::from_mode(0o700)).doing("set the mode of", &script)?;
    let mut command = command(&script)?;
    command
        .args(args)
        .current_dir(&files)
        .envs(std::env::current_dir().map(|here| ("PACK_PWD", here)))
        .env("PACK", home.join("pack"))
        .env("PACK_BUNDLE", bundle.path())
        .env("PACK_NAME", &index.name)
        .env("PACK_VERSION", index.version.to_string());
    let mut child = signals.spawn(&mut command).doing("start the script", &script)?;
    let status = signals.wait(&mut child).doing("wait for the script", &script)?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Whether [`run`] unpacks an artifact.
pub fn is_unpacked(artifact: &CarriedArtifact) -> bool {
    !matches!(artifact.kind, Kind::Image | Kind::Engine)
}

/// The script by its own `#!` line; one without any is for `sh`, as a shell would have it.
fn command(script: &Path) -> Result<Command> {
    let mut head = Vec::new();
    fs::File::open(script).and_then(|file| file.take(2).read_to_end(&mut head)).doing("read the script", script)?;
    if head == b"#!" {
        return Ok(Command::new(script));
    }
    let mut command = Command::new("sh");
    command.arg(script);
    Ok(command)
}
