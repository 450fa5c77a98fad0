//! Volumes as they are typed: how large, in which folders, and where one is that is nowhere to be found.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal::{Terminal, quantity};
use super::typed_line;
use crate::bundle::{VOLUMES_VARIABLE, VolumeAnswer, WantedVolume, ask_for_volumes, look_for_volumes_in};
use crate::error::inert;
use crate::language::tr;
use crate::path::shell_word;

/// The longest answer that is read, in bytes: that of a path.
const LONGEST_ANSWER: usize = 4096;

/// Where a bundle's volumes are.
#[derive(Args, Clone)]
pub(super) struct VolumesArgs {
    /// Look in this folder too for the volumes of a bundle, x.run.001 and so on; may be given more than once
    #[arg(long, global = true, value_name = "DIR")]
    volumes: Vec<PathBuf>,
}

impl VolumesArgs {
    /// Makes them known to whatever opens a bundle from now on, and who is asked for a volume that is not there.
    pub(super) fn apply(&self, terminal: &Terminal) {
        look_for_volumes_in(self.volumes.iter().cloned());
        let handed_on = env::var_os(VOLUMES_VARIABLE).filter(|folders| !folders.is_empty());
        look_for_volumes_in(handed_on.iter().flat_map(env::split_paths));
        let somebody_sits = io::stdin().is_terminal() && io::stderr().is_terminal();
        if somebody_sits && !terminal.json() && !terminal.quiet() {
            ask_for_volumes(ask);
        }
    }
}

/// Asks whoever sits there for a volume.
fn ask(wanted: &WantedVolume<'_>) -> VolumeAnswer {
    let own = shell_word(wanted.folders.first().map_or(Path::new("."), PathBuf::as_path));
    let text = tr!(
        "{}\nPut {} into {own} and press Enter, or type the folder in which it lies; q gives up: ",
        inert(wanted.why),
        inert(wanted.name),
        own
    );
    let mut err = io::stderr().lock();
    // Where nothing can be said, nobody answers.
    if err.write_all(text.as_bytes()).and_then(|()| err.flush()).is_err() {
        return VolumeAnswer::GiveUp;
    }
    match typed_line::read(io::stdin().lock(), LONGEST_ANSWER) {
        Ok(Some(answer)) => match answer.trim() {
            "" => VolumeAnswer::LookAgain,
            "q" => VolumeAnswer::GiveUp,
            folder => VolumeAnswer::In(folder.into()),
        },
        _ => VolumeAnswer::GiveUp,
    }
}

/// Reads the size of a volume as people type it.
pub(super) fn volume_size(text: &str) -> Result<u64, String> {
    let size = quantity(text).filter(|&size| size > 0);
    size.ok_or_else(|| "give bytes, such as 700M or 4G".to_owned())
}
