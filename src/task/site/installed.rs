//! Which product is meant, and what of it is installed.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::site::lifecycle::{INSTALLED, Instance, Place, State};

/// An installed product.
#[derive(Debug)]
pub struct Installed {
    /// Where it is kept.
    pub place: Place,
    /// What of it is installed.
    pub instance: Instance,
}

impl Installed {
    /// The product `name`, or the only one that this host has.
    ///
    /// # Errors
    /// There is none, there are several, or its files are lost.
    pub fn find(name: Option<&str>) -> Result<Self> {
        let place = place(name)?;
        let state = State::read(&place)?.ok_or_else(|| {
            Error::failed(format_args!("{} is not installed on this host", place.name()))
                .fact("path", place.state().display())
                .hint(format_args!("install it from its bundle, whose name begins with {}-", place.name()))
        })?;
        let instance = Instance::of(state, &place)?;
        Ok(Installed { place, instance })
    }

    /// As [`Installed::find`], of one whose stack somebody may want to run.
    ///
    /// # Errors
    /// As [`Installed::find`], or it was uninstalled and only its data is left.
    pub fn find_in_use(name: Option<&str>) -> Result<Self> {
        let installed = Self::find(name)?;
        if installed.instance.state.removed {
            return Err(Error::failed(format_args!(
                "{} was uninstalled; only its data is left",
                installed.place.name()
            ))
            .fact("install dir", &installed.instance.state.install_dir)
            .hint("install it again from its bundle: it finds its data"));
        }
        Ok(installed)
    }
}

/// The `pack` of this host that has to judge `bundle`: its product is installed here, and the code that runs now
/// came with the bundle, which nobody has proved yet.
///
/// # Errors
/// No product can have its name.
pub fn judge(bundle: &Bundle) -> Result<Option<PathBuf>> {
    let place = Place::named(&bundle.index().name)?;
    let judge = Path::new(INSTALLED);
    if !place.state().exists() || !is_roots(judge) || is_this(judge) {
        return Ok(None);
    }
    Ok(Some(judge.to_owned()))
}

/// Lets `judge` go on in the place of this program, with `words`. Returns only the error.
pub fn hand_over(judge: &Path, words: &[OsString]) -> Error {
    let cause = Command::new(judge).args(words).exec();
    Error::io("start this host's own pack", judge, cause)
}

/// Whether nobody but root can have put it there.
fn is_roots(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.uid() == 0 && found.mode() & 0o022 == 0)
}

fn is_this(path: &Path) -> bool {
    let (Ok(one), Ok(other)) = (fs::metadata("/proc/self/exe"), fs::metadata(path)) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Where the product `name`, or the only one of this host, is kept.
///
/// # Errors
/// No name was given, and there is none or there are several.
pub fn place(name: Option<&str>) -> Result<Place> {
    if let Some(name) = name {
        return Place::named(name);
    }
    match Place::all().as_slice() {
        [one] => Place::named(one),
        [] => Err(Error::failed("no product is installed on this host").hint("install one: run its bundle with sh")),
        several => Err(Error::usage("this host has several products")
            .fact("there are", several.join(", "))
            .hint(format_args!("say which: --name {}", several[0]))),
    }
}
