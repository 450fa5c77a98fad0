//! The database in a file: made and judged, put back, and how many are kept.

use std::fs::{self, File, Permissions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::hook::Hook;
use super::instance::Instance;
use super::place::{WHOLE_BACKUP, free_name, make_folder};
use super::watch::Watch;
use crate::error::{Error, IoContext, Result};
use crate::language::tr;
use crate::product::{DumpSpec, HookVerb};
use crate::room;
use crate::small_file;
use crate::staged_file::sync_folder_of;

/// Whether the product can dump what this instance keeps: it has the hook, and the database is its own.
pub(super) fn is_possible(instance: &Instance) -> bool {
    instance.files.hook(HookVerb::Dump).is_some() && !instance.stores().is_empty()
}

/// Where `backup` puts what it makes.
pub(super) fn folder(instance: &Instance) -> PathBuf {
    let folder = instance.product().dump.folder.as_ref().map(|folder| folder.below(instance.install_dir()));
    folder.unwrap_or_else(|| instance.install_dir().join("backups"))
}

/// Writes the database into `folder`, under a name that begins with `stem`, and returns where.
///
/// # Errors
/// There is no room, the hook fails, or what it wrote is not whole: then no file has the name.
pub(super) fn make(instance: &Instance, folder: &Path, stem: &str, watch: Watch<'_>) -> Result<PathBuf> {
    let hook = Hook::of(instance, HookVerb::Dump).ok_or_else(|| no_hook(instance, HookVerb::Dump))?;
    make_folder(folder, 0o700)?;
    let suffix = &instance.product().dump.suffix;
    let last = latest(folder, suffix).and_then(|path| fs::metadata(path).ok()).map_or(0, |metadata| metadata.len());
    room::check_for_root(
        last + last / 5,
        folder,
        tr!("make room there, then the same command again; what runs was not touched"),
    )?;
    let now = time_of_a_name();
    let target = free_name(|number| folder.join(format!("{stem}-{now}{number}{suffix}")));
    let mut partial = target.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let made = hook
        .run(&[&partial.display().to_string()], watch)
        .and_then(|_| check_whole(&partial, instance.product().dump.ends.as_deref()))
        .and_then(|file| keep(&file, &partial));
    if let Err(error) = made {
        // A half dump is none.
        let _ = fs::remove_file(&partial);
        return Err(
            error.hint_where_none(tr!("see what it needs, then the same command again; what runs was not touched"))
        );
    }
    fs::rename(&partial, &target).doing("put in place", &target)?;
    sync_folder_of(&target)?;
    Ok(target)
}

/// Checks that the dump `path` is one that `instance` can take.
///
/// # Errors
/// It is not there, or not whole.
pub(super) fn check(path: &Path, instance: &Instance) -> Result<()> {
    check_whole(path, instance.product().dump.ends.as_deref()).map(drop)
}

/// Checks that a dump is whole; the open file.
fn check_whole(path: &Path, ends: Option<&str>) -> Result<File> {
    let mut file = small_file::open_regular(path).doing("read the dump", path)?;
    let size = file.metadata().doing("look at", path)?.len();
    let wrong =
        |why: String| Error::failed(tr!("the dump is not whole")).fact("path", path.display()).fact("reason", why);
    if size == 0 {
        return Err(wrong(tr!("it is empty")));
    }
    if let Some(ends) = ends {
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(size.saturating_sub(4_096))).doing("read the dump", path)?;
        (&mut file).take(4_096).read_to_end(&mut tail).doing("read the dump", path)?;
        if !String::from_utf8_lossy(&tail).contains(ends) {
            return Err(wrong(tr!("its end has not the text '{ends}'", ends)));
        }
    }
    Ok(file)
}

/// Puts a dump that was just made on the disk, for no other user's eyes.
fn keep(file: &File, path: &Path) -> Result<()> {
    file.set_permissions(Permissions::from_mode(0o600)).doing("set the mode of", path)?;
    file.sync_all().doing("write", path)
}

/// Puts a dump back. The services that keep data run.
///
/// # Errors
/// The file is not there or not whole, or the hook fails.
pub(super) fn restore(instance: &Instance, dump: &Path, watch: Watch<'_>) -> Result<()> {
    let hook = Hook::of(instance, HookVerb::Restore).ok_or_else(|| no_hook(instance, HookVerb::Restore))?;
    check(dump, instance)?;
    hook.run(&[&dump.display().to_string()], watch).map(drop)
}

fn no_hook(instance: &Instance, verb: HookVerb) -> Error {
    Error::failed(tr!("{} has no hook '{}'", instance.product().title, verb.as_str()))
        .fact("version", &instance.deployed().version)
        .hint(tr!("save its data by its own means"))
}

/// Keeps of the dumps whose names begin with `stem` as many as the product says, and removes the oldest. `made`, which was
/// just made, stays whatever the clock said; and one whose time is yet to come, of a clock that was corrected since, is older.
pub(super) fn rotate(spec: &DumpSpec, stem: &str, made: &Path) {
    let Some(folder) = made.parent() else { return };
    let mut dumps = named(folder, stem, &spec.suffix);
    dumps.retain(|path| path != made);
    // Two of the same second differ in a number behind it.
    let time = |path: &Path| path.to_string_lossy().trim_end_matches(&spec.suffix).to_owned();
    let now = time(made);
    dumps.sort_by_key(|path| (time(path) <= now, time(path)));
    let over = (dumps.len() + 1).saturating_sub(spec.keep);
    for old in dumps.into_iter().take(over) {
        // One that stays takes up room, no more.
        let _ = fs::remove_file(old);
    }
}

/// Now, as names have it.
pub(super) fn time_of_a_name() -> String {
    Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string()
}

fn named(folder: &Path, stem: &str, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    // A dump's name may end like that of a whole backup, which is none.
    let is_other = |name: &str| suffix != WHOLE_BACKUP && name.ends_with(WHOLE_BACKUP);
    let is_one = |name: &str| name.starts_with(stem) && name.ends_with(suffix) && !is_other(name);
    entries.filter(|entry| is_one(&entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect()
}

fn latest(folder: &Path, suffix: &str) -> Option<PathBuf> {
    named(folder, "", suffix)
        .into_iter()
        .max_by_key(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_that_was_just_made_stays_whatever_the_clock_says() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for number in 0..168 {
            fs::write(folder.path().join(format!("x-2099{number:04}.sql")), "later").expect("written");
        }
        let made = folder.path().join("x-20260101.1.sql");
        for name in ["x-20260101.1.sql", "x-20260101.sql", "x-20251231.sql", "other.txt", "before-1.sql"] {
            fs::write(folder.path().join(name), "now").expect("written");
        }
        let spec = DumpSpec { keep: 4, suffix: ".sql".to_owned(), ..DumpSpec::default() };
        rotate(&spec, "x-", &made);
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .expect("read")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        assert_eq!(
            left,
            ["before-1.sql", "other.txt", "x-20251231.sql", "x-20260101.1.sql", "x-20260101.sql", "x-20990167.sql"]
        );
    }

    #[test]
    fn a_half_dump_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        fs::write(&path, "").expect("written");
        assert!(check_whole(&path, None).is_err());
        fs::write(&path, format!("{}-- done\n", "row\n".repeat(5_000))).expect("written");
        assert!(check_whole(&path, Some("-- done")).is_ok());
        assert!(check_whole(&path, Some("-- complete")).is_err());
        assert!(check_whole(&folder.path().join("none"), None).is_err());
    }
}
