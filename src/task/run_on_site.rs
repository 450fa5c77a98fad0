//! What the launcher of a bundle asks for: check the bundle, then run the product's script.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::commands::checking_bundle;
use super::trust::Trust;
use crate::bundle::{self, Bundle, CarriedArtifact, Scope, compare_bundle};
use crate::error::{Error, Result};
use crate::path::shell_word;
use crate::progress::Progress;
use crate::scratch::Scratch;
use crate::site::{self, Signals};

/// The private folder that a launcher made for this process and its runtime; removed when dropped.
#[derive(Debug)]
pub struct Home(Scratch);

impl Home {
    /// Takes charge of `path`, which the launcher of `bundle` made.
    ///
    /// # Errors
    /// It cannot be what a launcher made for this very process: it is not removed.
    pub fn made_by_the_launcher(path: PathBuf, bundle: &Path) -> Result<Self> {
        let named = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"pack."));
        let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        // Where there is no /proc, the launcher still starts its runtime by its whole name.
        let own = std::env::current_exe().ok().or_else(|| std::env::args_os().next().map(PathBuf::from));
        let own = own.as_deref().and_then(identity);
        if named && path.is_absolute() && own.is_some() && own == identity(&path.join("pack")) {
            return Ok(Home(Scratch::new(path)));
        }
        Err(Error::usage("this is not the folder that a bundle's launcher made").fact("home", path.display()).hint(
            format_args!("'pack site' is only for the launcher: run the bundle itself: sh {}", shell_word(bundle)),
        ))
    }
}

/// Checks every byte of the bundle at `path`, then runs its script with `args` and returns the script's exit code.
///
/// # Errors
/// The bundle is damaged or not what was signed, then nothing was run; or it has no script, or that cannot be started.
pub fn run(
    path: &Path,
    home: &Home,
    args: &[OsString],
    trust: &Trust,
    signals: Signals,
    progress: &dyn Progress,
) -> Result<u8> {
    let bundle = Bundle::open(path)?;
    progress.phase("verifying");
    let damage = bundle::verify(&bundle, progress)?;
    if let Some(first) = damage.first() {
        return Err(Error::integrity("the bundle is damaged: nothing was run")
            .fact("path", path.display())
            .fact("reason", first)
            .fact("damaged parts", damage.len())
            .hint(compare_bundle(path)));
    }
    let is_unpacked = |artifact: &CarriedArtifact| site::is_unpacked(artifact);
    let (access, _) = trust.access(&bundle, Scope::Artifacts(&is_unpacked), progress)?;
    checking_bundle(path, site::run(&access, home.0.path(), args, signals))
}
