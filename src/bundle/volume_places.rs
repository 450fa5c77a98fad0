//! Where volumes are looked for besides the bundle's own folder, and who is asked for one that is nowhere. One answer for
//! the whole process, as the language is: every command opens bundles, and none needs to know of volumes.

use std::env;
use std::ffi::OsString;
use std::path::{self, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// The variable by which a program hands the folders on to those it starts; they stand in it as in `PATH`.
pub const VOLUMES_VARIABLE: &str = "PACK_VOLUMES";

/// A volume that is not where it should be.
#[derive(Debug)]
pub struct WantedVolume<'a> {
    /// Its file name.
    pub name: &'a str,
    /// What is wrong, in a line that names it.
    pub why: &'a str,
    /// The folders that were looked into, the bundle's own first.
    pub folders: &'a [PathBuf],
}

/// What somebody answers who is asked for a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeAnswer {
    /// It is there now: look again.
    LookAgain,
    /// It lies in this folder.
    In(PathBuf),
    /// It is not to be had.
    GiveUp,
}

/// Asks somebody for a volume.
pub type AskForVolume = fn(&WantedVolume<'_>) -> VolumeAnswer;

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static ASK: OnceLock<AskForVolume> = OnceLock::new();

fn folders() -> MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS.lock().unwrap_or_else(|broken| broken.into_inner())
}

/// Looks for volumes in these folders too, from now on, after those that are known.
pub fn look_for_volumes_in(more: impl IntoIterator<Item = PathBuf>) {
    let mut folders = folders();
    for folder in more {
        // A program that is started may be elsewhere.
        let folder = path::absolute(&folder).unwrap_or(folder);
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
}

/// The folders that were named, in their order.
pub(super) fn named_folders() -> Vec<PathBuf> {
    folders().clone()
}

/// The value of [`VOLUMES_VARIABLE`] for a program that is started; `None` where no folder was named.
pub fn volumes_variable() -> Option<OsString> {
    let folders = folders();
    // A folder with a colon in its name cannot be handed on.
    if folders.is_empty() { None } else { env::join_paths(folders.iter()).ok() }
}

/// Lets `ask` be asked for volumes that are not found, from now on.
pub fn ask_for_volumes(ask: AskForVolume) {
    // Who asks is decided once, by the program.
    let _ = ASK.set(ask);
}

/// Asks for a volume, where somebody can be asked.
pub(super) fn ask(wanted: &WantedVolume<'_>) -> VolumeAnswer {
    ASK.get().map_or(VolumeAnswer::GiveUp, |ask| ask(wanted))
}
