//! A bundle laid over several sticks: volumes in their order, onto each as many as it has room for.
//!
//! ```text
//! every volume's digest ─▶ stick 1: x.run.001, x.run.002, x.run ─▶ stick 2: x.run.003, x.run ─▶ the next stick, asked for
//! ```
//!
//! `x.run` is small and on each of them, with the checksums, so it does not matter with which one a site begins. A volume
//! that a stick has, or began to have, stays there, so the sticks may be named in another order the next time.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::carried::{Carried, Origin, beside, named, signed_whole, volume};
use super::plan::{Plan, is_there, note_parity_left, refuse_parity_in_volumes, room_for};
use super::{Options, ProvedBundle, Transferred, transfer};
use crate::bundle::{Bundle, Division};
use crate::digest::Descriptor;
use crate::error::{Error, IoContext, Result};
use crate::medium::file_system::FileSystem;
use crate::path::shell_word;
use crate::progress::Progress;
use crate::room;
use crate::task::parity::SLACK;
use crate::task::volumes::checksums;

/// The size of volumes where none is asked for, in bytes: what is left over on a stick is less than this.
const VOLUME: u64 = 1 << 30;
/// How many volumes the smallest stick takes at least, where they can be so small.
const ON_A_STICK: u64 = 8;

/// The stick that is asked for.
#[derive(Debug)]
pub struct NextStick<'a> {
    /// Why the one that was named does not do.
    pub why: Option<&'a str>,
    /// The volumes that are still to be written.
    pub volumes: &'a [String],
    /// Their bytes.
    pub size: u64,
    /// The folder of the stick before.
    pub last: &'a Path,
}

/// Asks somebody for the next stick: its folder, which may be the last one's; `None` gives up.
pub type AskForStick = fn(&NextStick<'_>) -> Option<PathBuf>;

/// How a bundle is laid over sticks.
pub(super) struct Spread<'a> {
    bundle: &'a Bundle,
    division: Rc<Division<'a>>,
    volume_size: u64,
}

impl<'a> Spread<'a> {
    /// Looks at the sticks that were named: whether they can have any of the bundle, and how it is to be divided.
    pub(super) fn of(bundle: &'a Bundle, options: &Options, progress: &dyn Progress) -> Result<Self> {
        refuse_parity_in_volumes(bundle.path(), options.parity.is_some())?;
        let mut known = Vec::new();
        let (mut takes, mut smallest) = (u64::MAX, u64::MAX);
        for folder in &options.destinations {
            let medium = FileSystem::at(folder)?;
            let there = folder.canonicalize().doing("find the folder", folder)?;
            if known.contains(&there) {
                return Err(Error::usage("the same folder is named twice")
                    .fact("path", folder.display())
                    .hint("name the folder of each stick once"));
            }
            known.push(there);
            takes = takes.min(medium.kind.longest_file().unwrap_or(u64::MAX));
            smallest = smallest.min(medium.size);
            let nothing = Plan { medium, division: None, files: as_targets(bundle), volumes: 0, parity: None };
            nothing.check(folder, bundle.path(), progress)?;
        }
        let volume_size = match options.volume_size {
            Some(size) => size.min(takes),
            // Of what stays as it is: the same sticks get the same volumes the next time.
            None => VOLUME.min(smallest / ON_A_STICK).max(Division::least(bundle)?).min(takes),
        };
        let division = Rc::new(Division::new(bundle, volume_size)?);
        let first = options.from_volume.unwrap_or(1);
        if !(1..=division.count()).contains(&first) {
            return Err(Error::usage("the bundle has no such volume")
                .fact("volume", first)
                .fact("volumes", division.count())
                .hint(format_args!("begin with the first: pack transfer {} --from-volume 1", words(bundle, options))));
        }
        progress.note(&format!(
            "the bundle is laid over the sticks in {} volumes of at most {}",
            division.count(),
            room::shown(volume_size)
        ));
        note_parity_left(bundle, progress);
        Ok(Spread { bundle, division, volume_size })
    }

    /// Fills one stick after the other. The bundle was proved to be whole.
    pub(super) fn fill(
        &self,
        proved: &ProvedBundle<'_>,
        options: &Options,
        progress: &dyn Progress,
        each: &mut dyn FnMut(Transferred) -> Result<()>,
    ) -> Result<()> {
        let beginning = self.beginning(progress)?;
        let mut left: BTreeSet<usize> = (options.from_volume.unwrap_or(1) - 1..self.division.count()).collect();
        let mut named: VecDeque<PathBuf> = options.destinations.iter().cloned().collect();
        let mut last = options.destinations.last().cloned().unwrap_or_default();
        let mut why = None;
        while !left.is_empty() {
            let is_asked = named.is_empty();
            let asked = || options.ask.and_then(|ask| self.ask(ask, &left, why.as_deref(), &last));
            let Some(folder) = named.pop_front().or_else(asked) else { return Err(self.unfinished(&left, options)) };
            match self.plan(&folder, &beginning, (&left, &named), progress) {
                Ok(plan) if plan.volumes == 0 => {
                    let full = format!("{}: there is no room for another volume", folder.display());
                    progress.note(&full);
                    why = Some(full);
                }
                Ok(plan) => {
                    let has: Vec<_> = plan.files[..plan.volumes].iter().map(|file| file.name.clone()).collect();
                    let mut done = transfer(proved, &folder, plan, progress)?;
                    left.retain(|&number| !has.contains(&self.volume(number).name));
                    done.part = Some(has.iter().map(|name| name.display().to_string()).collect());
                    each(done)?;
                    (why, last) = (None, folder);
                }
                // Who answered wrongly is asked again.
                Err(error) if is_asked => why = Some(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn volume(&self, number: usize) -> Carried {
        volume(self.bundle.path(), &self.division, number)
    }

    /// What every stick gets beside its volumes. Every volume's digest has to be known for it.
    fn beginning(&self, progress: &dyn Progress) -> Result<Vec<(String, Origin, u64)>> {
        progress.phase("dividing");
        let path = self.bundle.path();
        let mut lines = Vec::new();
        for number in 0..self.division.count() {
            let (range, name) = (self.division.range(number), self.volume(number).name);
            let size = range.end - range.start;
            let meter = progress.start(&name.display().to_string(), Some(size));
            let found = Descriptor::of_reader(self.bundle.bytes(range.start, size)).doing("read the bundle", path)?;
            meter.add(size);
            meter.done("read");
            lines.push((name, found.digest));
        }
        let digests: Vec<_> = lines.iter().map(|line| line.1).collect();
        let main = self.division.main(&digests)?;
        lines.insert(0, (named(path).to_owned(), Descriptor::of(&main).digest));
        let sums = checksums(lines.iter().map(|(name, digest)| (name.as_os_str(), *digest)));
        let mut files = Vec::new();
        for (path, bytes) in [(path.to_owned(), main), (beside(path, ".sha256"), sums)] {
            let size = bytes.len() as u64;
            files.push((named(&path).display().to_string(), Origin::Bytes(bytes), size));
        }
        Ok(files)
    }

    /// What the stick at `folder` gets of the volumes that are `left`: those that it has, and of those that none of the
    /// later ones has as many as there is room for.
    fn plan(
        &self,
        folder: &Path,
        beginning: &[(String, Origin, u64)],
        (left, later): (&BTreeSet<usize>, &VecDeque<PathBuf>),
        progress: &dyn Progress,
    ) -> Result<Plan<'a>> {
        let medium = FileSystem::at(folder)?;
        let mut always: Vec<Carried> = Vec::new();
        for (name, origin, size) in beginning {
            always.push(Carried { name: name.into(), size: *size, origin: origin.clone() });
        }
        always.extend(signed_whole(self.bundle)?);
        let needed: u64 = always.iter().map(|file| room_for(file, folder)).sum();
        let mut free = room::free(folder).unwrap_or(u64::MAX).saturating_sub(needed + SLACK);
        let mut files = Vec::new();
        let mut is_full = false;
        for &number in left {
            let file = self.volume(number);
            if !is_there(&file, folder) && later.iter().any(|later| is_there(&file, later)) {
                continue;
            }
            let size = room_for(&file, folder);
            // In their order: what a stick has is never worth a gap among those before it.
            is_full |= size > free;
            if size <= free && (!is_full || is_there(&file, folder)) {
                free -= size;
                files.push(file);
            }
        }
        let volumes = files.len();
        files.extend(always);
        let plan = Plan { medium, division: Some(Rc::clone(&self.division)), files, volumes, parity: None };
        plan.check(folder, self.bundle.path(), progress)?;
        Ok(plan)
    }

    fn names(&self, left: &BTreeSet<usize>) -> (Vec<String>, u64) {
        let files: Vec<Carried> = left.iter().map(|&number| self.volume(number)).collect();
        let size = files.iter().map(|file| file.size).sum();
        (files.iter().map(|file| file.name.display().to_string()).collect(), size)
    }

    fn ask(&self, ask: AskForStick, left: &BTreeSet<usize>, why: Option<&str>, last: &Path) -> Option<PathBuf> {
        let (volumes, size) = self.names(left);
        ask(&NextStick { why, volumes: &volumes, size, last })
    }

    fn unfinished(&self, left: &BTreeSet<usize>, options: &Options) -> Error {
        let (names, size) = self.names(left);
        let next = left.first().map_or(1, |number| number + 1);
        let error = Error::failed("the sticks are full, and volumes of the bundle are still to be written")
            .fact("path", self.bundle.path().display())
            .fact("volumes", names.join(", "))
            .fact("size", room::shown(size));
        error.hint(format_args!(
            "with the next stick in the place of the last one: pack transfer {} --volume-size {} --from-volume {next}",
            words(self.bundle, options),
            self.volume_size
        ))
    }
}

/// The bundle and the last of the sticks, as they are typed.
fn words(bundle: &Bundle, options: &Options) -> String {
    let last = options.destinations.last().map_or(Path::new("."), PathBuf::as_path);
    format!("{} {}", shell_word(bundle.path()), shell_word(last))
}

/// The bundle's own file, as one that a stick gets: it must not lie there already.
fn as_targets(bundle: &Bundle) -> Vec<Carried> {
    let path = bundle.path();
    vec![Carried { name: named(path).to_owned(), size: 0, origin: Origin::File(path.to_owned()) }]
}
