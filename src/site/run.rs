//! Running the product's script from a bundle that was just verified.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use super::Signals;
use super::home::Home;
use crate::bundle::{BundleAccess, CarriedArtifact, Index, Interpreter, VOLUMES_VARIABLE, extract, volumes_variable};
use crate::error::{Error, IoContext, Result};
use crate::language::spoken;
use crate::language::tr;
use crate::manifest::{FILE_NAME, SIGNATURE_NAME};
use crate::path::{RelPath, shell_word};
use crate::platform::Platform;
use crate::progress::Silent;
use crate::signature::PublicKey;

/// Unpacks the script and everything else that is neither an image nor an engine nor larger than
/// [`LARGEST_SMALL`](crate::bundle::LARGEST_SMALL) into a private folder, runs the script there with `args`, and gives its exit code: 128 and the
/// signal's number when a signal ended it, as shells do.
///
/// The script finds `PACK` (the runtime's path), `PACK_BUNDLE`, `PACK_NAME`, `PACK_VERSION` and `PACK_PWD`
/// (the caller's folder: paths in `args` are meant from there) in its environment, with a `key` also `PACK_PUBKEY`,
/// and the folders that volumes are looked for in as `PACK_VOLUMES`; its
/// artifacts beside it, what is larger with `"$PACK" extract "$PACK_BUNDLE" DIR NAME`, the images with
/// `"$PACK" load "$PACK_BUNDLE" NAME`, and an engine, which most sites have already, with
/// `"$PACK" cat --decompress "$PACK_BUNDLE" NAME`.
///
/// # Errors
/// The bundle has no script, is damaged, there is no room for it, or the script cannot be started.
pub fn run(access: &BundleAccess<'_>, key: Option<&PublicKey>, args: &[OsString], signals: Signals) -> Result<u8> {
    let bundle = access.bundle();
    let index = bundle.index();
    let Some(run) = &index.run else {
        return Err(Error::failed(tr!("this bundle has nothing to run"))
            .fact("path", bundle.path().display())
            .hint(tr!("take its files out with: sh {} pack extract {}", shell_word(bundle.path()), index.name)));
    };
    let unpacked = index.artifacts.iter().filter(|artifact| is_unpacked(index, artifact));
    let own = [FILE_NAME, SIGNATURE_NAME].into_iter().filter_map(|name| index.entry(name));
    let sizes = unpacked.map(|artifact| artifact.size).chain(own.map(|entry| entry.size));
    let home = Home::with_room_for(sizes, bundle.path())?;
    let files = home.path().join("files");
    fs::DirBuilder::new().mode(0o700).create(&files).doing("create the folder", &files)?;
    let small = |path: &RelPath| index.artifact(path.as_str()).is_some_and(|artifact| is_unpacked(index, artifact));
    extract(access, |path| small(path) || matches!(path.as_str(), FILE_NAME | SIGNATURE_NAME), &files, &Silent)?;
    let script = run.below(&files);
    fs::set_permissions(&script, Permissions::from_mode(0o700)).doing("set the mode of", &script)?;
    let mut command = command(&script, run, bundle.path())?;
    command
        .args(args)
        .current_dir(&files)
        .envs(std::env::current_dir().map(|here| ("PACK_PWD", here)))
        .envs(key.map(|key| ("PACK_PUBKEY", key.to_string())))
        .envs(volumes_variable().map(|folders| (VOLUMES_VARIABLE, folders)))
        .env("PACK", home.runtime())
        .env("PACK_BUNDLE", bundle.path())
        .env("PACK_LANG", spoken().tag())
        .env("PACK_NAME", &index.name)
        .env("PACK_VERSION", index.version.to_string());
    let mut child = signals.spawn(&mut command).doing("start the script", &script)?;
    let status = signals.wait(&mut child).doing("wait for the script", &script)?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Whether [`run`] unpacks an artifact.
pub fn is_unpacked(index: &Index, artifact: &CarriedArtifact) -> bool {
    artifact.is_small(index.run.as_ref())
}

/// The command that starts the script by its own `#!` line; one without any is for `sh`, as a shell would have it.
fn command(script: &Path, name: &RelPath, bundle: &Path) -> Result<Command> {
    let interpreter = Interpreter::of(script).doing("read the script", script)?;
    if let Some(missing) = interpreter.missing() {
        return Err(Error::failed(tr!("the program that runs the product's script is not on this machine"))
            .fact("script", name)
            .fact("missing", &missing)
            .hint(tr!("install {missing}, then run the same command again", missing)));
    }
    // `sh` passes over a byte order mark with a line of its own.
    let fault = interpreter.fault(Platform::host()).filter(|_| interpreter != Interpreter::ByteOrderMark);
    if let Some(fault) = fault {
        return Err(fault.fact("script", name).hint(tr!(
            "take the files out, which runs nothing, and see to it: sh {} pack extract files",
            shell_word(bundle)
        )));
    }
    // A shell closes the descriptor by which the launcher started this program: no child of the script is to keep it.
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" 9<&-", "sh"]);
    match interpreter {
        Interpreter::Named { .. } | Interpreter::Executable { .. } => command.arg(script),
        _ => command.arg("sh").arg(script),
    };
    Ok(command)
}
