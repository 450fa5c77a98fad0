//! Where a host keeps what it knows of its products.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use semver::Version;

use crate::error::{Error, IoContext, Result};
use crate::language::tr;
use crate::manifest::ProductName;
use crate::own_file;

/// The states of products, one file each.
const ETC: &str = "/etc/pack";
/// What a product's life needs, one folder each.
const VAR: &str = "/var/lib/pack";

/// How the name of a whole backup ends.
pub(super) const WHOLE_BACKUP: &str = ".backup.tar";
/// Where one is unpacked, in the install dir.
pub(super) const UNPACKED_BACKUP: &str = ".pack-restore";

/// The files of one product that do not lie in its install dir.
///
/// ```text
/// /etc/pack/NAME.json              what is installed: State
/// /etc/pack/trusted/NAME.pub       whose key signs it
/// /var/lib/pack/NAME/journal.json  a change that has not come to its end
///                    receipt.json  what was delivered
///                    versions/     the small files of the version that runs, and of the one before
///                    reserve       room for the way back, as long as a change is under way
///                    hook.input    empty; locked as long as a hook is there
///                    dumps/        the database as each update found it; nothing ever removes one
/// ```
#[derive(Debug, Clone)]
pub struct Place {
    name: String,
}

impl Place {
    /// That of the product `name`.
    pub fn new(name: &ProductName) -> Self {
        Place { name: name.as_str().to_owned() }
    }

    /// That of the product `name`, as somebody typed it.
    ///
    /// # Errors
    /// No product can be called so.
    pub fn named(name: &str) -> Result<Self> {
        let name: ProductName =
            name.parse().map_err(|why: String| Error::usage(why).fact("name", name).hint(tr!("ls /etc/pack")))?;
        Ok(Self::new(&name))
    }

    /// The names of the products that this host has, or has begun to install, in order.
    pub fn all() -> Vec<String> {
        let named = |folder: &str, name_of: fn(&str) -> Option<&str>| -> Vec<String> {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
            names.filter_map(|name| name_of(&name).map(str::to_owned)).collect()
        };
        let mut names = named(ETC, |name| name.strip_suffix(".json"));
        names.extend(
            named(VAR, |name| Some(name))
                .into_iter()
                .filter(|name| Path::new(VAR).join(name).join("journal.json").exists()),
        );
        names.sort();
        names.dedup();
        names
    }

    /// The product's name, which is also its stack's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file of its [`State`](super::State).
    pub fn state(&self) -> PathBuf {
        Path::new(ETC).join(format!("{}.json", self.name))
    }

    /// The publisher's key that this host trusts for it.
    pub fn trusted_key(&self) -> PathBuf {
        Path::new(ETC).join("trusted").join(format!("{}.pub", self.name))
    }

    /// Whether a change has not come to its end.
    pub(super) fn is_changing(&self) -> bool {
        self.journal().exists()
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.var().join("journal.json")
    }

    /// The file of the receipt.
    pub fn receipt(&self) -> PathBuf {
        self.var().join("receipt.json")
    }

    pub(super) fn versions(&self) -> PathBuf {
        self.var().join("versions")
    }

    pub(super) fn version(&self, version: &Version) -> PathBuf {
        self.versions().join(version.to_string())
    }

    pub(super) fn dumps(&self) -> PathBuf {
        self.var().join("dumps")
    }

    /// The operator's stack file as it was when what runs came up; empty where there was none.
    pub(super) fn operators_stack(&self) -> PathBuf {
        self.var().join("override.yaml")
    }

    /// The stack file of a stage that operators need not see.
    pub(super) fn stage_file(&self) -> PathBuf {
        self.var().join("stage.yaml")
    }

    /// What hooks have as their standard input.
    pub(super) fn hook_input(&self) -> PathBuf {
        self.var().join("hook.input")
    }

    /// Its folder below /var/lib.
    pub fn var(&self) -> PathBuf {
        Path::new(VAR).join(&self.name)
    }

    /// Makes its folders.
    ///
    /// # Errors
    /// One cannot be made.
    pub fn make(&self) -> Result<()> {
        make_folder(Path::new(ETC), 0o755)?;
        make_folder(&Path::new(ETC).join("trusted"), 0o755)?;
        for folder in [Path::new(VAR), &self.var(), &self.versions(), &self.dumps()] {
            make_folder(folder, 0o700)?;
        }
        Ok(())
    }

    /// Keeps every other run away as long as the file is open.
    ///
    /// # Errors
    /// Another run is at work.
    pub fn lock(&self) -> Result<File> {
        own_file::lock(&self.var().join("lock"))
    }
}

/// Makes a folder and those above it, where they are missing.
pub(super) fn make_folder(path: &Path, mode: u32) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(mode).create(path).doing("create the folder", path)
}

/// The first path that `name` makes of nothing, `.1`, `.2`, … and that nothing has.
pub(super) fn free_name(name: impl Fn(&str) -> PathBuf) -> PathBuf {
    let mut path = name("");
    for number in 1.. {
        if !path.exists() {
            break;
        }
        path = name(&format!(".{number}"));
    }
    path
}
