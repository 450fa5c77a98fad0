//! What is this host's own of a product in one file, which another host can take: database, configuration, the operator's
//! stack file, and the folders with `backup: true`.
//!
//! A tar for any tool; behind its end, where none looks, is a block with the digest of all that is before it:
//!
//! ```text
//! backup.json             of which product and version: Contents
//! database                the dump, where the product keeps a database
//! files/PATH              PATH below the install dir
//! zeros                   the end of a tar
//! pack-backup sha256:HEX  512 bytes, padded with zeros
//! ```

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use walkdir::WalkDir;

use super::change::Change;
use super::configuration::Configuration;
use super::docker::{last, lines};
use super::dump;
use super::exchange::Exchange;
use super::instance::Instance;
use super::mounts;
use super::place::{UNPACKED_BACKUP, WHOLE_BACKUP, free_name, make_folder};
use super::state::{State, read_document, write_document};
use super::version_files::remove_folder;
use super::watch::Watch;
use crate::digest::Descriptor;
use crate::error::{Error, IoContext, Result};
use crate::language::tr;
use crate::own_file;
use crate::product::DumpSpec;
use crate::room;
use crate::small_file;
use crate::staged_file::{sync_folder_of, sync_tree};

/// What its last block begins with.
const SEAL: &str = "pack-backup sha256:";
/// A block of a tar, in bytes.
const BLOCK: u64 = 512;
/// How much of what tar complains of is read, in bytes.
const COMPLAINT: u64 = 64 << 10;
const INDEX: &str = "backup.json";
const DATABASE: &str = "database";
const FILES: &str = "files";

/// What a backup says of itself.
#[derive(Serialize, Deserialize)]
struct Contents {
    name: String,
    version: Version,
    options: BTreeMap<String, Value>,
    database: bool,
    files: Vec<String>,
}

/// Whether the file `path` is a backup of this kind, by its name.
pub fn is_whole_backup(path: &Path) -> bool {
    path.to_string_lossy().ends_with(WHOLE_BACKUP)
}

/// Writes one into the folder of the dumps, and removes the oldest beyond what is kept.
///
/// # Errors
/// There is no room, the dump is not whole, or something cannot be read: then no file has the name.
pub fn backup_whole(instance: &Instance, watch: Watch<'_>) -> Result<PathBuf> {
    let folder = dump::folder(instance);
    make_folder(&folder, 0o700)?;
    let staged = folder.join(".whole.partial");
    remove_folder(&staged)?;
    make_folder(&staged, 0o700)?;
    let made = write(instance, &folder, &staged, watch);
    let removed = remove_folder(&staged);
    let made = made?;
    removed?;
    let spec = DumpSpec { suffix: WHOLE_BACKUP.to_owned(), ..instance.product().dump.clone() };
    dump::rotate(&spec, instance.name(), &made);
    Ok(made)
}

fn write(instance: &Instance, folder: &Path, staged: &Path, watch: Watch<'_>) -> Result<PathBuf> {
    let (name, deployed) = (instance.name(), instance.deployed());
    let stem = format!("{name}-{}", deployed.version);
    let configuration = instance.product().configuration.iter().map(|spec| spec.file.as_str());
    let mut files: Vec<String> = configuration.map(str::to_owned).chain(exchanged(instance)).collect();
    files.retain(|path| instance.install_dir().join(path).exists());
    let database = dump::is_possible(instance);
    let mut members = vec![INDEX.to_owned()];
    if database {
        watch.progress.phase("dumping");
        let made = dump::make(instance, folder, &stem, watch)?;
        fs::rename(&made, staged.join(DATABASE)).doing("put in place", &made)?;
        members.push(DATABASE.to_owned());
    }
    watch.progress.phase("saving");
    members.extend(files.iter().map(|path| format!("{FILES}/{path}")));
    let options = deployed.options.clone();
    let contents = Contents { name: name.to_owned(), version: deployed.version.clone(), options, database, files };
    write_document(&staged.join(INDEX), &contents, 0o600)?;
    // So every tar finds them under the names that they get.
    symlink(instance.install_dir(), staged.join(FILES)).doing("create a link in", staged)?;
    let size: u64 = members.iter().map(|member| size_of(&staged.join(member))).sum();
    room::check_for_root(
        size + 20 * BLOCK,
        folder,
        tr!("make room there, then the same command again; what runs was not touched"),
    )?;
    let partial = staged.join("tar");
    drop(own_file::create_new(&partial).doing("create", &partial)?);
    run(
        Command::new("tar").args(["--numeric-owner", "-cf"]).arg(&partial).arg("-C").arg(staged).args(&members),
        watch,
    )?;
    seal(&partial)?;
    let now = dump::time_of_a_name();
    let target = free_name(|number| folder.join(format!("{stem}-{now}{number}{WHOLE_BACKUP}")));
    fs::rename(&partial, &target).doing("put in place", &target)?;
    sync_folder_of(&target)?;
    Ok(target)
}

/// What goes in beside database and configuration, and takes the place of what is there: paths below the install dir.
fn exchanged(instance: &Instance) -> impl Iterator<Item = String> {
    let folders = instance.product().folders.iter().filter(|folder| folder.backup);
    let stack = instance.override_file().file_name().map(|name| name.to_string_lossy().into_owned());
    folders.map(|folder| folder.path.to_string()).chain(stack)
}

/// What a tar takes for `path`, at most.
fn size_of(path: &Path) -> u64 {
    let entries = WalkDir::new(path).into_iter().flatten();
    entries
        .map(|entry| 4 * BLOCK + entry.metadata().map_or(0, |found| if found.is_file() { found.len() } else { 0 }))
        .sum()
}

/// Puts the digest behind the end of a tar, and all of it on the disk.
fn seal(path: &Path) -> Result<()> {
    let write = || {
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let all = Descriptor::of_reader(&file)?;
        file.write_all(&block(all))?;
        file.sync_all()
    };
    write().doing("write", path)
}

fn block(all: Descriptor) -> Vec<u8> {
    let mut block = format!("{SEAL}{}\n", all.digest.hex()).into_bytes();
    block.resize(BLOCK as usize, 0);
    block
}

/// Checks that a file is as it was sealed.
fn check_seal(path: &Path) -> Result<()> {
    let mut file = small_file::open_regular(path).doing("read the backup", path)?;
    let size = file.metadata().doing("look at", path)?.len();
    let mut read = || {
        let all = Descriptor::of_reader((&mut file).take(size.saturating_sub(BLOCK)))?;
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(all.size))?;
        (&mut file).take(BLOCK).read_to_end(&mut end)?;
        Ok::<_, std::io::Error>(end == block(all))
    };
    if read().doing("read the backup", path)? {
        return Ok(());
    }
    Err(damaged(path).fact("reason", tr!("its last block has not the digest of what is before it")))
}

fn damaged(path: &Path) -> Error {
    Error::failed(tr!("the backup is not whole"))
        .fact("path", path.display())
        .hint(tr!("nothing was changed; take another copy of it, or another backup"))
}

/// Checks that the backup `file` is one that `instance` can take. Nothing is changed.
///
/// # Errors
/// It is not whole, or of another product or version, or does not go with what is chosen here.
pub fn check_whole_backup(file: &Path, instance: &Instance, watch: Watch<'_>) -> Result<()> {
    contents(file, instance, watch).map(drop)
}

fn contents(file: &Path, instance: &Instance, watch: Watch<'_>) -> Result<Contents> {
    check_seal(file)?;
    let folder = tempfile::tempdir()
        .map_err(|cause| Error::failed(tr!("cannot make a temporary file")).fact("cause", &cause).caused_by(cause))?;
    unpack(file, folder.path(), &[INDEX], watch)?;
    let index = folder.path().join(INDEX);
    let contents: Contents = read_document(&index, &tr!("take another backup"))?.ok_or_else(|| damaged(file))?;
    let (name, deployed) = (instance.name(), instance.deployed());
    let other = |what| Error::failed(what).fact("path", file.display());
    if contents.name != name {
        return Err(other(tr!("the backup is of another product"))
            .fact("product", &contents.name)
            .fact("here", name)
            .hint(tr!("nothing was changed; install it first, then: pack site restore --name {}", contents.name)));
    }
    let version = &contents.version;
    if *version != deployed.version {
        return Err(other(tr!("the backup is of another version"))
            .fact("version", version)
            .fact("here", &deployed.version)
            .hint(tr!(
                "nothing was changed; install {name} {version} first, then the same command again",
                name,
                version
            )));
    }
    if contents.database && !dump::is_possible(instance) {
        let options = serde_json::to_string(&contents.options).unwrap_or_default();
        return Err(other(tr!("the backup has a database, and what is installed here keeps none"))
            .fact("options then", options)
            .hint(tr!("nothing was changed; install {name} with these options first", name)));
    }
    let mounted = exchanged(instance).find_map(|path| mounts::on_the_way(instance.install_dir(), &path));
    match mounted {
        Some(mount) => Err(other(tr!("a folder of the backup is a mount here, which cannot be exchanged"))
            .fact("mount", mount.display())
            .hint(tr!("nothing was changed; unmount it, then the same command again"))),
        None => Ok(contents),
    }
}

/// Puts the backup `file` back: makes `change`, of what is installed to itself, with its database, configuration and folders.
/// Returns what was set aside.
///
/// # Errors
/// As [`check_whole_backup`] and [`Change::make`], and all is as it was.
pub fn restore_whole(file: &Path, change: Change<'_>, watch: Watch<'_>) -> Result<(State, Vec<PathBuf>)> {
    watch.progress.phase("checking");
    let (contents, place) = (contents(file, change.to, watch)?, change.place);
    let unpacked = change.to.install_dir().join(UNPACKED_BACKUP);
    remove_folder(&unpacked)?;
    let restored = bring(file, &contents, change, watch);
    // A way back that failed needs it again; whoever brings that to its end removes it.
    let removed = if place.is_changing() { Ok(()) } else { remove_folder(&unpacked) };
    let restored = restored?;
    removed.map(|()| restored)
}

fn bring(file: &Path, contents: &Contents, change: Change<'_>, watch: Watch<'_>) -> Result<(State, Vec<PathBuf>)> {
    let (instance, place) = (change.to, change.place);
    let unpacked = instance.install_dir().join(UNPACKED_BACKUP);
    watch.progress.phase("unpacking");
    let size = fs::metadata(file).doing("look at", file)?.len();
    let way_out = tr!("make room there, then the same command again; what runs was not touched");
    room::check_for_root(size, instance.install_dir(), way_out)?;
    make_folder(&unpacked, 0o700)?;
    unpack(file, &unpacked, &[], watch)?;
    sync_tree(&unpacked)?;
    let files = unpacked.join(FILES);
    let configuration = Configuration::of(instance);
    if let Some(configuration) = &configuration {
        configuration.change(&configuration.of_another_host(&files)?)?;
    }
    let exchange = Exchange::of(instance.install_dir(), files, exchanged(instance));
    let change = Change { restore: contents.database.then(|| unpacked.join(DATABASE)), ..change };
    let committed = change.make_with(exchange.clone(), watch).inspect_err(|_| {
        // Where it failed before its journal was there. What cannot be undone now, the next command undoes.
        if !place.is_changing() {
            let _ = configuration.as_ref().map(Configuration::undo);
        }
    })?;
    let aside = exchange.map(|exchange| exchange.aside(instance.install_dir()));
    Ok((committed.state, aside.unwrap_or_default()))
}

fn unpack(file: &Path, folder: &Path, members: &[&str], watch: Watch<'_>) -> Result<()> {
    run(Command::new("tar").args(["--numeric-owner", "-xpf"]).arg(file).arg("-C").arg(folder).args(members), watch)
}

/// Runs the host's tar until it ends, or somebody wants it to.
fn run(tar: &mut Command, watch: Watch<'_>) -> Result<()> {
    let cannot = |cause: std::io::Error| {
        Error::failed(tr!("cannot run 'tar'")).fact("cause", &cause).hint(tr!("tar --version")).caused_by(cause)
    };
    let mut complaint = tempfile::tempfile().map_err(cannot)?;
    let stderr = complaint.try_clone().map_err(cannot)?;
    let tar = tar.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let mut child = tar.spawn().map_err(cannot)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(cannot)? {
            break status;
        }
        if watch.is_interrupted() {
            // It may have ended meanwhile.
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    watch.check()?;
    let mut said = Vec::new();
    complaint.seek(SeekFrom::Start(0)).map_err(cannot)?;
    complaint.take(COMPLAINT).read_to_end(&mut said).map_err(cannot)?;
    let text = String::from_utf8_lossy(&said);
    let said = last(3, lines(&text)).join("; ");
    match status.code() {
        Some(0) => Ok(()),
        // What GNU tar says of files that somebody wrote to, or removed, while it read them: the rest is whole.
        Some(1) if text.contains("changed as we read it") || text.contains("removed before we read it") => {
            watch.progress.note(&tr!("files changed while they were saved: {said}", said));
            Ok(())
        }
        _ => Err(Error::failed(tr!("'tar' failed"))
            .fact("it said", said)
            .hint(tr!("see to the reason, then the same command again; what runs was not touched"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_tar_with_a_seal_is_one_for_any_tool_and_no_byte_of_it_may_be_another() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (file, out) = (folder.path().join("x.backup.tar"), folder.path().join("out"));
        fs::write(folder.path().join(INDEX), "{}").and_then(|()| fs::create_dir(&out)).expect("written");
        let watch = Watch { progress: &Silent, interruption: None, timeout: None };
        run(Command::new("tar").arg("-cf").arg(&file).arg("-C").arg(folder.path()).arg(INDEX), watch).expect("packed");
        assert!(check_seal(&file).is_err(), "no seal");
        seal(&file).expect("sealed");
        check_seal(&file).expect("whole");
        unpack(&file, &out, &[], watch).expect("unpacked");
        assert_eq!(fs::read(out.join(INDEX)).expect("there"), b"{}");
        let whole = fs::read(&file).expect("read");
        for end in [0, 1, 511, 512, 513, 1024, whole.len() - 512, whole.len() - 1] {
            fs::write(&file, &whole[..end]).expect("written");
            assert!(check_seal(&file).is_err(), "cut at {end}");
        }
        for place in [0, 512, whole.len() - 513, whole.len() - 512, whole.len() - 1] {
            let mut other = whole.clone();
            other[place] ^= 1;
            fs::write(&file, &other).expect("written");
            assert!(check_seal(&file).is_err(), "another byte at {place}");
        }
        fs::write(&file, [whole.as_slice(), b"x"].concat()).expect("written");
        assert!(check_seal(&file).is_err(), "one byte more");
        assert!(run(Command::new("tar").arg("-xf").arg(out.join("none")), watch).is_err());
    }
}
