//! The private folder that a bundle runs in: where it may lie, and what it holds.

use std::env;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::error::{Error, Result};
use crate::language::tr;
use crate::path::shell_word;
use crate::room;
use crate::scratch::Scratch;

/// What a file takes on the disk beyond its bytes, at most.
const BESIDES: u64 = 8 << 10;

/// A folder that only this user may enter, with the runtime in it as `pack`; removed when dropped, and when the process
/// is interrupted.
#[derive(Debug)]
pub(super) struct Home(Scratch);

impl Home {
    /// Makes it where programs may run, where nobody else can put something in its place, and where there is room for
    /// files of these sizes: in `$PACK_TMPDIR`, `$TMPDIR`, `/tmp`, `/var/tmp`, `/run`, `/dev/shm` or `$HOME`, the
    /// first that will do.
    ///
    /// # Errors
    /// None will do; the error says why, of each.
    pub(super) fn with_room_for(sizes: impl Iterator<Item = u64>, bundle: &Path) -> Result<Self> {
        let own = Path::new("/proc/self/exe");
        let runtime = fs::metadata(own).map_err(|cause| Error::io("look at the runtime", own, cause))?.len();
        let needed: u64 =
            sizes.chain([runtime, 0]).map(|size| size.saturating_add(BESIDES)).fold(0, u64::saturating_add);
        let mut refused = Vec::new();
        for place in places() {
            match Self::make_in(&place, needed, own) {
                Ok(home) => return Ok(home),
                Err(why) => refused.push(format!("{}: {why}", place.display())),
            }
        }
        let error = Error::failed(tr!("there is no place where the product's files could be unpacked and run"))
            .fact("needed", room::shown(needed));
        let error = refused.into_iter().fold(error, |error, why| error.fact("tried", why));
        Err(error.hint(tr!("name a folder with that much room: PACK_TMPDIR=/some/folder sh {}", shell_word(bundle))))
    }

    fn make_in(place: &Path, needed: u64, own: &Path) -> Result<Self, String> {
        let place = place.canonicalize().map_err(|cause| cause.to_string())?;
        if let Some(why) = why_unsafe(&place) {
            return Err(why);
        }
        let system = statvfs(&place).map_err(|cause| cause.to_string())?;
        if system.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(tr!("it is mounted noexec"));
        }
        if let Some(free) = room::free(&place).filter(|&free| free < needed) {
            return Err(tr!("only {} are free", room::shown(free)));
        }
        // Nobody can guess the name, and whether something has it, the making of the folder finds.
        let folder = tempfile::Builder::new()
            .prefix("pack.")
            .rand_bytes(16)
            .make_in(&place, |path| Scratch::folder(path.to_owned()))
            .map_err(|cause| cause.to_string())?;
        let (scratch, path) = folder.into_parts();
        // Its scratch removes it.
        path.keep().map_err(|error| error.to_string())?;
        let home = Home(scratch);
        let is_private = |made: Metadata| made.is_dir() && is_ours(&made) && made.mode() & 0o777 == 0o700;
        if !fs::symlink_metadata(home.path()).is_ok_and(is_private) {
            return Err(tr!("a folder in it does not stay private"));
        }
        home.bring(own).map_err(|cause| cause.to_string())?;
        Ok(home)
    }

    /// Copies the running program.
    fn bring(&self, own: &Path) -> io::Result<()> {
        let mut copy = File::options().write(true).create_new(true).mode(0o700).open(self.runtime())?;
        io::copy(&mut File::open(own)?, &mut copy)?;
        copy.set_permissions(Permissions::from_mode(0o700))
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The runtime's path.
    pub(super) fn runtime(&self) -> PathBuf {
        self.path().join("pack")
    }
}

/// Where a home may lie, the preferred place first.
fn places() -> Vec<PathBuf> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut places: Vec<PathBuf> = ["PACK_TMPDIR", "TMPDIR"].into_iter().filter_map(named).collect();
    places.extend(["/tmp", "/var/tmp", "/run", "/dev/shm"].map(PathBuf::from));
    places.extend(named("HOME"));
    let all = places.clone();
    let mut number = 0..;
    places.retain(|place| all.iter().position(|first| first == place) == number.next());
    places
}

fn is_ours(file: &Metadata) -> bool {
    file.uid() == rustix::process::geteuid().as_raw()
}

/// Who besides this user and root could put something else in the place of what is in `place`: the owner of a folder
/// on the way to it, or anybody who can write into one that has no sticky bit.
fn why_unsafe(place: &Path) -> Option<String> {
    // The owner of `/` can do anything; in a user namespace that is not user 0.
    let root = fs::metadata("/").map(|root| root.uid()).unwrap_or(0);
    place.ancestors().find_map(|folder| {
        let name = folder.display();
        let Ok(found) = fs::symlink_metadata(folder) else { return Some(tr!("{name} cannot be looked at", name)) };
        if !is_ours(&found) && ![0, root].contains(&found.uid()) {
            return Some(tr!("{name} belongs to another user ({})", found.uid(), name));
        }
        let is_open = found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
        is_open.then(|| tr!("others can write to {name}; to close it: chmod go-w {name}, or chmod +t {name}", name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_place_that_nobody_else_can_change_is_safe() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).expect("made");
        let with = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
        for (mode, is_safe) in [(0o755, true), (0o775, false), (0o757, false), (0o777, false), (0o1777, true)] {
            with(&folder.path().join("a"), mode);
            assert_eq!(why_unsafe(&below).is_none(), is_safe, "{mode:o}");
            assert_eq!(why_unsafe(&folder.path().join("a")).is_none(), is_safe, "{mode:o}");
        }
    }

    #[test]
    fn a_home_is_private_and_goes_when_it_is_dropped() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let home = Home::make_in(place.path(), 1, Path::new("/proc/self/exe")).expect("made");
        assert_eq!(fs::metadata(home.path()).expect("there").mode() & 0o7777, 0o700);
        assert_eq!(fs::metadata(home.runtime()).expect("there").mode() & 0o777, 0o700);
        drop(home);
        assert_eq!(fs::read_dir(place.path()).expect("listed").count(), 0);
        let why = Home::make_in(place.path(), u64::MAX, Path::new("/proc/self/exe")).expect_err("too much");
        assert!(why.contains("are free"), "{why}");
    }
}
