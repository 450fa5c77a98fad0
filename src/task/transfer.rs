//! A bundle onto a stick, and read back from it.
//!
//! ```text
//! bundle whole ─▶ file system, room ─▶ written, synced as it goes ─▶ read back from the medium ─▶ named ─▶ receipt
//! ```
//!
//! What lies beside a bundle goes with it: checksum, signature, parity. Where the medium takes no file so long, the bundle is
//! divided into volumes on its way, at the speed of a copy.

mod carried;

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::sign::sign_file;
use super::trust::Trust;
use super::verify_signature::verify_signature;
use super::volumes::remove_beyond;
use super::whole_bundle::expect_whole;
use crate::bundle::{Bundle, Division};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::medium::file_system::FileSystem;
use crate::parity::sidecar;
use crate::path::shell_word;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::room;
use crate::signature::SecretKey;
use crate::staged_file::StagedFile;
use carried::{Carried, as_it_lies, divided, write};

/// What to transfer, and where to.
pub struct Options {
    /// The bundle.
    pub bundle: PathBuf,
    /// Folders on media; each gets all of it, one after the other.
    pub destinations: Vec<PathBuf>,
    /// The longest file to write, in bytes: the bundle is divided into volumes. `None` is what the medium takes.
    pub volume_size: Option<u64>,
    /// Signs the receipts.
    pub signer: Option<SecretKey>,
    /// What the bundle must stand up to.
    pub trust: Trust,
}

/// A file that a medium has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopiedFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

/// What was carried onto which medium, and how it stood there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The form of this document: 1.
    pub transfer_receipt: u32,
    /// The product's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The platform it is for.
    pub platform: Platform,
    /// Who signed it.
    pub signature: String,
    /// The files, the bundle first.
    pub files: Vec<CopiedFile>,
    /// The medium.
    pub medium: FileSystem,
    /// How it was read back: `direct`, or `cache dropped` where the file system has no direct I/O.
    pub read_back: &'static str,
    /// `ok`: every byte that the medium gave back is right. There is no receipt of anything else.
    pub verdict: &'static str,
    /// When it was read back (RFC 3339).
    pub time: String,
    /// How long writing took, in seconds.
    pub write_seconds: f64,
    /// How long reading back took, in seconds.
    pub read_seconds: f64,
    /// How many bytes were written; what the medium had already was not.
    pub written: u64,
}

/// A bundle on a medium.
#[derive(Debug)]
pub struct Transferred {
    /// Its path there.
    pub path: PathBuf,
    /// What was done.
    pub receipt: Receipt,
    /// The receipt's file, beside it.
    pub receipt_file: PathBuf,
    /// The receipt's signature.
    pub signature_file: Option<PathBuf>,
}

/// Transfers a bundle, of which every byte is checked first. `each` is called when a medium is done.
///
/// # Errors
/// The bundle is damaged; nothing is mounted at a destination, or it is read-only, too small, or cannot have a file of
/// this size; or the medium does not give back what was written. What is on it already is not written again next time.
pub fn run(options: &Options, progress: &dyn Progress, mut each: impl FnMut(Transferred) -> Result<()>) -> Result<()> {
    let bundle = Bundle::open(&options.bundle)?;
    let detached: Vec<&str> = bundle.detached().into_iter().map(|artifact| artifact.name.as_str()).collect();
    if !detached.is_empty() {
        progress.note(&format!(
            "the bundle takes these from the folder where it lies, and they are not transferred with it: {}; copy them too",
            detached.join(", ")
        ));
    }
    // All of them, before the first byte is written.
    let plan = |folder: &PathBuf| Plan::of(&bundle, folder, options.volume_size, progress);
    let plans: Vec<Plan<'_>> = options.destinations.iter().map(plan).collect::<Result<_>>()?;
    expect_whole(&bundle, "transferred", progress)?;
    let signed = verify_signature(&options.trust, &bundle, progress)?.to_string();
    let proved = ProvedBundle { bundle: &bundle, signed, signer: options.signer.as_ref() };
    for (folder, plan) in options.destinations.iter().zip(plans) {
        each(transfer(&proved, folder, plan, progress)?)?;
    }
    Ok(())
}

/// What a medium gets.
struct Plan<'a> {
    medium: FileSystem,
    /// How the bundle is divided on its way, if it is.
    division: Option<Division<'a>>,
    files: Vec<Carried>,
}

impl<'a> Plan<'a> {
    /// Looks at the medium: whether the bundle can be on it at all, and how.
    fn of(bundle: &'a Bundle, folder: &Path, volume_size: Option<u64>, progress: &dyn Progress) -> Result<Self> {
        let medium = FileSystem::at(folder)?;
        let plan = Self::on(medium, bundle, volume_size, progress)?;
        check_medium(&plan, folder, bundle.path(), progress)?;
        Ok(plan)
    }

    fn on(medium: FileSystem, bundle: &'a Bundle, volume_size: Option<u64>, progress: &dyn Progress) -> Result<Self> {
        let files = as_it_lies(bundle)?;
        let takes = medium.kind.longest_file().unwrap_or(u64::MAX);
        let is_too_long = |file: &Carried| file.size > takes;
        let of_bundle = bundle.volumes().len() + 1;
        let longest = match volume_size {
            Some(size) => size.min(takes),
            None if files[..of_bundle].iter().any(is_too_long) => takes,
            None => return Ok(Plan { medium, division: None, files }),
        };
        if sidecar::beside(bundle.path()).is_file() {
            progress.note("the parity beside the bundle covers it in one file, and is not transferred with volumes");
        }
        let division = Division::new(bundle, longest)?;
        let files = divided(bundle, &division)?;
        Ok(Plan { medium, division: Some(division), files })
    }
}

/// A bundle of which every byte is right, and how its receipts are signed.
struct ProvedBundle<'a> {
    bundle: &'a Bundle,
    signed: String,
    signer: Option<&'a SecretKey>,
}

/// Whether the files can be on the medium at all.
fn check_medium(plan: &Plan<'_>, folder: &Path, bundle: &Path, progress: &dyn Progress) -> Result<()> {
    let Plan { medium, files, .. } = plan;
    if medium.read_only {
        return Err(Error::failed("the medium is read-only")
            .fact("path", folder.display())
            .fact("file system", medium.kind)
            .hint(format_args!(
                "flip the switch on it, or mount it for writing: mount -o remount,rw {}",
                shell_word(&medium.mounted_at)
            )));
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
    let mut needed = 0;
    for file in files {
        let target = folder.join(&file.name);
        let same = |path: &Path| path.canonicalize().ok();
        if same(&target).is_some_and(|target| Some(target) == same(&file.path(bundle))) {
            return Err(Error::usage("the bundle lies in that folder already")
                .fact("path", target.display())
                .hint(format_args!("to check it where it is: pack verify {}", shell_word(bundle))));
        }
        let temporary = folder.join(format!(".{}.transfer", file.name.display()));
        let length = |path: &Path| path.metadata().ok().map(|there| there.len());
        // An old version stays until the new one is proved; only one that may be nearly right is written over.
        let there = length(&temporary).or_else(|| length(&target).filter(|&length| length == file.size));
        needed += file.size.saturating_sub(there.unwrap_or(0));
    }
    room::check(needed, folder, format_args!("remove what is not needed from it: ls -l {}", shell_word(folder)))
}

/// Writes the files onto one medium, reads them back, and leaves the receipt.
fn transfer(proved: &ProvedBundle<'_>, folder: &Path, plan: Plan<'_>, progress: &dyn Progress) -> Result<Transferred> {
    let bundle = proved.bundle;
    let Plan { medium, division, files } = plan;
    progress.phase("writing");
    let begun = Instant::now();
    let copies = write(bundle, division.as_ref(), &files, folder, progress)?;
    let write_seconds = begun.elapsed().as_secs_f64();
    progress.phase("reading back");
    let begun = Instant::now();
    let mut direct = true;
    for copy in &copies {
        direct &= copy.prove(progress)?.direct;
    }
    let read_seconds = begun.elapsed().as_secs_f64();
    let path = folder.join(bundle.path().file_name().unwrap_or_default());
    if let Some(division) = &division {
        remove_beyond(&path, division.count())?;
    }
    let index = bundle.index();
    let copied = files.iter().zip(&copies).map(|(file, copy)| CopiedFile {
        name: file.name.display().to_string(),
        size: copy.descriptor.size,
        digest: copy.descriptor.digest,
    });
    let mut copied: Vec<CopiedFile> = copied.collect();
    // Volumes were written before the file that they belong to.
    let volumes = division.as_ref().map_or(bundle.volumes().len(), Division::count);
    copied[..=volumes].rotate_right(1);
    let receipt = Receipt {
        transfer_receipt: 1,
        name: index.name.clone(),
        version: index.version.to_string(),
        platform: index.platform,
        signature: proved.signed.clone(),
        files: copied,
        medium,
        read_back: if direct { "direct" } else { "cache dropped" },
        verdict: "ok",
        time: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        write_seconds,
        read_seconds,
        written: copies.iter().map(|copy| copy.written).sum(),
    };
    let mut receipt_file = path.as_os_str().to_owned();
    receipt_file.push(".receipt.json");
    let receipt_file = PathBuf::from(receipt_file);
    let text =
        serde_json::to_string_pretty(&receipt).map_err(std::io::Error::from).doing("write", &receipt_file)? + "\n";
    StagedFile::write(&receipt_file, text.as_bytes(), 0o644)?;
    let comment = format!("{} {} {}: transferred {}", index.name, index.version, index.platform, receipt.time);
    let signature_file =
        proved.signer.map(|key| sign_file(&receipt_file, text.as_bytes(), key, &comment)).transpose()?;
    Ok(Transferred { path, receipt, receipt_file, signature_file })
}

#[cfg(test)]
mod tests {
    use super::carried::Origin;
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
            let plan = Plan { medium: medium.clone(), division: None, files };
            check_medium(&plan, folder.path(), bundle, &Silent).err().map(|error| error.title().to_owned())
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
