//! What a medium gets, and whether it can have that: looked at before the first byte.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Options;
use super::carried::{Carried, as_it_lies, divided, named};
use crate::bundle::{Bundle, Division};
use crate::error::{Error, Result};
use crate::medium::file_system::FileSystem;
use crate::parity::layout::Layout;
use crate::parity::sidecar;
use crate::path::shell_word;
use crate::progress::Progress;
use crate::room;

/// What a medium gets.
pub(super) struct Plan<'a> {
    pub(super) medium: FileSystem,
    /// How the bundle is divided on its way, if it is.
    pub(super) division: Option<Rc<Division<'a>>>,
    pub(super) files: Vec<Carried>,
    /// How many of the files are volumes; they are the first.
    pub(super) volumes: usize,
    /// The parity to make there.
    pub(super) parity: Option<Layout>,
}

impl<'a> Plan<'a> {
    /// Looks at the medium: whether the bundle can be on it, leaving aside how much room it has, and how.
    pub(super) fn of(bundle: &'a Bundle, folder: &Path, options: &Options, progress: &dyn Progress) -> Result<Self> {
        let medium = FileSystem::at(folder)?;
        let plan = Self::on(medium, bundle, options, progress)?;
        plan.check(folder, bundle.path(), progress)?;
        Ok(plan)
    }

    fn on(medium: FileSystem, bundle: &'a Bundle, options: &Options, progress: &dyn Progress) -> Result<Self> {
        let mut files = as_it_lies(bundle)?;
        let takes = medium.kind.longest_file().unwrap_or(u64::MAX);
        let is_too_long = |file: &Carried| file.size > takes;
        let of_bundle = bundle.volumes().len() + 1;
        let longest = match options.volume_size {
            Some(size) => size.min(takes),
            None if files[..of_bundle].iter().any(is_too_long) => takes,
            None => {
                if options.parity.is_some() {
                    refuse_parity_in_volumes(bundle.path(), of_bundle > 1)?;
                    let beside = sidecar::beside(bundle.path());
                    files.retain(|file| Some(file.name.as_os_str()) != beside.file_name());
                }
                return Ok(Plan { medium, division: None, files, volumes: of_bundle - 1, parity: None });
            }
        };
        refuse_parity_in_volumes(bundle.path(), options.parity.is_some())?;
        note_parity_left(bundle, progress);
        let division = Division::new(bundle, longest)?;
        let files = divided(bundle, &division)?;
        let volumes = division.count();
        Ok(Plan { medium, division: Some(Rc::new(division)), files, volumes, parity: None })
    }

    /// How many bytes are still to be written into `folder`.
    pub(super) fn needed(&self, folder: &Path) -> u64 {
        self.files.iter().map(|file| missing(file, folder)).sum()
    }

    /// Whether there is room for all of it in `folder`.
    pub(super) fn fits(&self, folder: &Path) -> bool {
        room::free(folder).is_none_or(|free| free >= self.needed(folder))
    }

    /// Checks that there is room for all of it in `folder`.
    ///
    /// # Errors
    /// There is less.
    pub(super) fn check_room(&self, folder: &Path, bundle: &Path) -> Result<()> {
        let parity = self
            .parity
            .as_ref()
            .map_or(0, |layout| sidecar::length(layout).saturating_sub(parity_size(&folder.join(named(bundle)))));
        let (stick, bundle) = (shell_word(folder), shell_word(bundle));
        let way_out = format_args!(
            "remove what is not needed from it: ls -l {stick}; or lay the bundle over several sticks: name all of their \
             folders, or, one after the other in the same place: pack transfer {bundle} {stick} --from-volume 1"
        );
        room::check(self.needed(folder) + parity, folder, way_out)
    }

    /// Whether the files can be on the medium at all.
    pub(super) fn check(&self, folder: &Path, bundle: &Path, progress: &dyn Progress) -> Result<()> {
        let Plan { medium, files, .. } = self;
        if medium.read_only {
            return Err(read_only(folder, medium));
        }
        if let Some(caution) = medium.kind.caution() {
            progress.note(&format!("{} is {}: {caution}", folder.display(), medium.kind));
        }
        let longest = medium.kind.longest_file();
        if let Some(file) = files.iter().find(|file| longest.is_some_and(|longest| file.size > longest)) {
            return Err(Error::failed("FAT takes no file of 4 GiB or more, and this one is larger")
            .fact("file", file.path(bundle).display())
            .fact("size", room::shown(file.size))
            .fact("path", folder.display())
            .hint(
                "use a stick with ext4, or exFAT where no site has CentOS 7; mkfs.ext4 and mkfs.exfat erase a stick",
            ));
        }
        for file in files {
            let target = folder.join(&file.name);
            let same = |path: &Path| path.canonicalize().ok();
            if same(&target).is_some_and(|target| Some(target) == same(&file.path(bundle))) {
                return Err(Error::usage("the bundle lies in that folder already")
                    .fact("path", target.display())
                    .hint(format_args!("to check it where it is: pack verify {}", shell_word(bundle))));
            }
        }
        Ok(())
    }
}

/// The medium cannot be written to.
pub(super) fn read_only(folder: &Path, medium: &FileSystem) -> Error {
    Error::failed("the medium is read-only").fact("path", folder.display()).fact("file system", medium.kind).hint(
        format_args!(
            "flip the switch on it, or mount it for writing: mount -o remount,rw {}",
            shell_word(&medium.mounted_at)
        ),
    )
}

/// How many bytes of parity lie beside the copy of the bundle at `copy`.
pub(super) fn parity_size(copy: &Path) -> u64 {
    sidecar::beside(copy).metadata().map_or(0, |there| there.len())
}

/// How many bytes of a file are still to be written into `folder`.
fn missing(file: &Carried, folder: &Path) -> u64 {
    let length = |path: &Path| path.metadata().ok().map(|there| there.len());
    let target = folder.join(&file.name);
    // An old version stays until the new one is proved; only one that may be nearly right is written over.
    let there = length(&temporary(folder, file)).or_else(|| length(&target).filter(|&length| length == file.size));
    file.size.saturating_sub(there.unwrap_or(0))
}

/// As [`missing`], in whole clusters or blocks.
pub(super) fn room_for(file: &Carried, folder: &Path) -> u64 {
    missing(file, folder).next_multiple_of(room::block(folder))
}

/// Under what name a file is written.
fn temporary(folder: &Path, file: &Carried) -> PathBuf {
    folder.join(format!(".{}.transfer", file.name.display()))
}

/// Whether a file of this name and size is in `folder`, or was begun there.
pub(super) fn is_there(file: &Carried, folder: &Path) -> bool {
    let there = folder.join(&file.name).metadata();
    there.is_ok_and(|there| there.len() == file.size) || temporary(folder, file).is_file()
}

/// Says that what lies beside the bundle does not go along.
pub(super) fn note_parity_left(bundle: &Bundle, progress: &dyn Progress) {
    if sidecar::beside(bundle.path()).is_file() {
        progress.note("the parity beside the bundle covers it in one file, and is not transferred with volumes");
    }
}

/// Refuses parity where it is asked for and the bundle goes in volumes.
///
/// # Errors
/// Both are so.
pub(super) fn refuse_parity_in_volumes(bundle: &Path, both: bool) -> Result<()> {
    if !both {
        return Ok(());
    }
    Err(Error::usage("parity covers a bundle in one file, and here it is in volumes")
        .fact("path", bundle.display())
        .hint("take a larger stick with ext4, or transfer it without --parity and carry every volume twice"))
}

#[cfg(test)]
mod tests {
    use super::super::carried::Origin;
    use super::*;
    use crate::medium::file_system::Kind;
    use crate::progress::Silent;

    #[test]
    fn a_fat_takes_no_file_of_4_gib_and_one_byte_less_is_only_a_matter_of_room() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut medium = FileSystem::at(folder.path()).expect("there");
        let bundle = Path::new("/elsewhere/x.run");
        let title = |medium: &FileSystem, size: u64| {
            let files = vec![Carried { name: "x.run".into(), size, origin: Origin::File(bundle.to_owned()) }];
            let plan = Plan { medium: medium.clone(), division: None, files, volumes: 0, parity: None };
            plan.check(folder.path(), bundle, &Silent).err().map(|error| error.title().to_owned())
        };
        for (kind, size, refused) in [
            (Kind::Fat, (4 << 30) - 1, false),
            (Kind::Fat, 4 << 30, true),
            (Kind::Fat, (4 << 30) + 1, true),
            (Kind::ExFat, (4 << 30) + 1, false),
        ] {
            medium.kind = kind;
            let title = title(&medium, size);
            let is_refused = title.as_ref().is_some_and(|title| title.starts_with("FAT takes no file of 4 GiB"));
            assert_eq!(is_refused, refused, "{kind} {size}: {title:?}");
        }
        medium.read_only = true;
        assert_eq!(title(&medium, 1).as_deref(), Some("the medium is read-only"));
    }
}
