//! Which product is meant, and what of it is installed.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bundle::{VOLUMES_VARIABLE, volumes_variable};
use crate::error::{Error, Result};
use crate::language::tr;
use crate::path::shell_word;
use crate::signature::PublicKey;
use crate::site::lifecycle::{INSTALLED, Instance, Place, State};
use crate::task::trust::Trust;

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
            Error::failed(tr!("{} is not installed on this host", place.name()))
                .fact("path", place.state().display())
                .hint(tr!("install it from its bundle, whose name begins with {}-", place.name()))
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
            return Err(Error::failed(tr!("{} was uninstalled; only its data is left", installed.place.name()))
                .fact("install dir", &installed.instance.state.install_dir)
                .hint(tr!("install it again from its bundle: it finds its data")));
        }
        Ok(installed)
    }
}

/// Who judges a bundle before its own code goes on.
#[derive(Debug)]
pub enum Judge {
    /// The `pack` of this host: the product is installed here, and the code that runs now came with the bundle, which
    /// nobody has proved yet.
    Host(PathBuf),
    /// That should judge, and is gone, or is no longer root's alone.
    Gone(PathBuf),
    /// The running program: it is that `pack`, or the product is not installed here.
    This,
}

/// Who has to judge a bundle of the product `name`.
///
/// # Errors
/// No product can have that name.
pub fn judge(name: &str) -> Result<Judge> {
    let place = Place::named(name)?;
    let judge = Path::new(INSTALLED);
    if !place.state().exists() || is_this(judge) {
        return Ok(Judge::This);
    }
    let judge = judge.to_owned();
    Ok(if is_roots(&judge) { Judge::Host(judge) } else { Judge::Gone(judge) })
}

/// Lets `judge` go on in the place of this program, with `words`. Returns only the error.
pub fn hand_over(judge: &Path, words: &[OsString]) -> Error {
    let volumes = volumes_variable().map(|folders| (VOLUMES_VARIABLE, folders));
    let cause = Command::new(judge).args(words).envs(volumes).exec();
    Error::io("start this host's own pack", judge, cause)
}

/// Whose signature counts: after the first installation it is the host's own key that judges.
///
/// # Errors
/// The key that was typed is another, or the host's cannot be read.
pub fn trusted(place: &Place, typed: &Trust) -> Result<Trust> {
    let path = place.trusted_key();
    if !path.exists() {
        return Ok(typed.clone());
    }
    let key = PublicKey::parse(&path)?;
    if let Some(other) = &typed.key
        && other.id() != key.id()
    {
        return Err(Error::integrity(tr!("this host trusts another publisher for this product"))
            .fact("trusted", key.id())
            .fact("given", other.id())
            .fact("path", path.display())
            .hint(tr!(
                "if its publisher has a new key: mv {0} {0}.before; then the same command again",
                shell_word(&path)
            )));
    }
    let key_file = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Trust { key: Some(key), key_file, strict: typed.strict })
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
        [] => {
            Err(Error::failed(tr!("no product is installed on this host"))
                .hint(tr!("install one: run its bundle with sh")))
        }
        several => Err(Error::usage(tr!("this host has several products"))
            .fact("there are", several.join(", "))
            .hint(tr!("say which: --name {}", several[0]))),
    }
}
