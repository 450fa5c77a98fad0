//! The carried Docker, which is nothing but files: unpacked, started for its version, put into place.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::delivery::Delivery;
use super::super::place::make_folder;
use super::programs::run;
use super::unpack::unpack;
use crate::error::{Class, Error, IoContext, Result};
use crate::language::tr;
use crate::path::RelPath;
use crate::scratch::Scratch;
use crate::staged_file::StagedFile;

/// The engine's own program in its archive.
const DOCKERD: &str = "docker/dockerd";
/// Where programs go.
const PROGRAMS: &str = "usr/bin";
/// Where the unit goes.
const UNIT: &str = "etc/systemd/system/docker.service";
/// How long it may take to say which version it is.
const LONGEST: Duration = Duration::from_secs(60);

/// A carried Docker that starts on this host.
pub(super) struct CarriedDocker {
    /// Its programs are in `docker/` of this folder, which goes away with it.
    folder: Scratch,
    version: String,
}

impl CarriedDocker {
    /// Unpacks `artifact` and starts it for its version alone: proof of architecture, libraries and intact bytes. Some of the
    /// places where that can be may be mounted noexec, or full.
    ///
    /// # Errors
    /// It is not there, is damaged, or starts nowhere: the last reason is told.
    pub(super) fn prove(delivery: &Delivery<'_>, artifact: &RelPath) -> Result<Self> {
        delivery.expect_there(artifact)?;
        let mut why = None;
        for place in [env::temp_dir(), PathBuf::from("/var/tmp"), PathBuf::from("/root")] {
            match Self::in_place(delivery, artifact, &place) {
                Ok(docker) => return Ok(docker),
                Err(error) => {
                    let is_damaged = error.class() == Class::Integrity;
                    why = Some(error);
                    if is_damaged {
                        break;
                    }
                }
            }
        }
        let title = tr!("the carried Docker Engine ({}) does not start on this host ({})", artifact, env::consts::ARCH);
        let error = Error::failed(title)
            .hint(tr!("nothing was changed; room in /tmp and /var/tmp? df -h; is it for this host?"));
        Err(why.into_iter().fold(error, |error, why| error.fact("cause", why)))
    }

    fn in_place(delivery: &Delivery<'_>, artifact: &RelPath, place: &Path) -> Result<Self> {
        let make = || tempfile::Builder::new().prefix("pack-engine.").tempdir_in(place).map(|made| ((), made.keep()));
        let ((), folder) = Scratch::making(make).doing("create the folder", place)?;
        unpack(delivery, artifact, folder.path())?;
        // Where it was unpacked for a moment says nothing to anybody.
        let shown = Path::new(DOCKERD);
        let mut dockerd = Command::new(folder.path().join(DOCKERD));
        let said = run(dockerd.arg("--version"), LONGEST, None).doing("start", shown)?;
        let version = version_in(&said.text).filter(|_| said.is_well).ok_or_else(|| {
            Error::failed(tr!("the program does not say its version"))
                .fact("path", shown.display())
                .fact("it said", said.last_words())
        })?;
        Ok(CarriedDocker { version: version.to_owned(), folder })
    }

    /// Which version it is.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Its programs, and where each goes below `root`; the command `docker` comes last.
    ///
    /// # Errors
    /// They cannot be listed, or there is something else among them.
    pub(super) fn programs(&self, root: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
        let folder = self.folder.path().join("docker");
        let mut programs = Vec::new();
        for entry in fs::read_dir(&folder).doing("list", &folder)? {
            let entry = entry.doing("list", &folder)?;
            if !entry.file_type().doing("look at", &entry.path())?.is_file() {
                let error = Error::failed(tr!("the carried Docker has something other than files"));
                return Err(error.fact("file", entry.file_name().display()));
            }
            programs.push((entry.path(), root.join(PROGRAMS).join(entry.file_name())));
        }
        programs.sort_by_key(|(_, target)| (target.ends_with("docker"), target.clone()));
        Ok(programs)
    }

    /// Puts it below `root`, each file whole or not at all. As long as the command `docker` is not there, a repeated run
    /// installs again: it comes last.
    ///
    /// # Errors
    /// There is no room, or the system refuses.
    pub(super) fn install(&self, root: &Path, unit: &[u8]) -> Result<()> {
        let target = unit_below(root);
        make_folder(target.parent().unwrap_or(root), 0o755)?;
        StagedFile::write(&target, unit, 0o644)?;
        for (program, target) in self.programs(root)? {
            let mut staged = StagedFile::create(&target)?;
            let mut source = File::open(&program).doing("read", &program)?;
            io::copy(&mut source, staged.file()).doing("write", &target)?;
            staged.place(0o755)?;
        }
        Ok(())
    }
}

/// Where the unit goes below `root`.
pub(super) fn unit_below(root: &Path) -> PathBuf {
    root.join(UNIT)
}

/// The version in what a Docker says of itself: `Docker version 18.06.3-ce, build d7080c1`.
fn version_in(text: &str) -> Option<&str> {
    let (_, after) = text.rsplit_once("version ")?;
    let version = after.split([',', ' ', '\n']).next()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

#[cfg(test)]
impl CarriedDocker {
    /// One with these programs, of this version.
    pub(super) fn with(programs: &[(&str, &str)], version: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        fs::create_dir(folder.join("docker")).expect("a folder");
        for (name, content) in programs {
            fs::write(folder.join("docker").join(name), content).expect("written");
        }
        CarriedDocker { folder: Scratch::new(folder), version: version.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_version_is_read() {
        for (said, version) in [
            ("Docker version 18.06.3-ce, build d7080c1\n", Some("18.06.3-ce")),
            ("a warning\nDocker version 24.0.9, build fake", Some("24.0.9")),
            ("Docker version unknown", None),
            ("", None),
        ] {
            assert_eq!(version_in(said), version, "{said}");
        }
    }

    #[test]
    fn the_command_docker_comes_last_and_only_after_all_else_is_there() {
        let docker = CarriedDocker::with(&[("docker", "the command"), ("containerd", "c"), ("runc", "r")], "24");
        let root = tempfile::tempdir().expect("a temporary folder");
        let bin = root.path().join(PROGRAMS);
        fs::create_dir_all(&bin).expect("a folder");
        // Something is in the way of another one.
        fs::create_dir(bin.join("runc")).expect("a folder");
        docker.install(root.path(), b"unit").expect_err("it cannot be whole");
        assert!(bin.join("containerd").exists() && !bin.join("docker").exists());
        fs::remove_dir(bin.join("runc")).expect("removed");
        docker.install(root.path(), b"unit").expect("the same again");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(fs::read(bin.join("docker")).expect("read"), b"the command");
        assert_eq!((mode(&bin.join("docker")), mode(&unit_below(root.path()))), (0o755, 0o644));
        assert_eq!(fs::read_dir(&bin).expect("listed").count(), 3, "no file is left under another name");
    }

    #[test]
    fn a_link_among_the_programs_is_not_followed() {
        let docker = CarriedDocker::with(&[("docker", "")], "24");
        symlink("/etc/shadow", docker.folder.path().join("docker/runc")).expect("linked");
        assert!(docker.programs(Path::new("/")).is_err());
    }
}
