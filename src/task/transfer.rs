//! A bundle onto a stick, and read back from it.
//!
//! ```text
//! bundle whole ─▶ file system, room ─▶ written, synced as it goes ─▶ read back from the medium ─▶ named ─▶ receipt
//! ```
//!
//! What lies beside a bundle goes with it: checksum, signature, parity. Where the medium takes no file so long, the bundle is
//! divided into volumes on its way, at the speed of a copy; where one stick has no room for it, several get it together.

mod carried;
pub mod heal;
mod parity_there;
mod plan;
mod spread;

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use super::sign::sign_file;
use super::trust::Trust;
use super::verify_signature::verify_signature;
use super::whole_bundle::expect_whole;
use crate::bundle::{Bundle, Division, volume_beside};
use crate::digest::Digest;
use crate::error::{IoContext, Result};
use crate::medium::file_system::FileSystem;
use crate::own_file;
use crate::parity::layout::Asked;
use crate::platform::Platform;
use crate::progress::{Progress, Silent};
use crate::signature::SecretKey;
use crate::staged_file::StagedFile;
use carried::{beside, named, write};
use plan::Plan;
use spread::Spread;

pub use spread::{AskForStick, NextStick};

/// What to transfer, and where to.
#[derive(Default)]
pub struct Options {
    /// The bundle.
    pub bundle: PathBuf,
    /// Folders on media. Each gets all of it, one after the other, where the first has room for that; else they are filled.
    pub destinations: Vec<PathBuf>,
    /// The longest file to write, in bytes: the bundle is divided into volumes. `None` is what the medium takes.
    pub volume_size: Option<u64>,
    /// Lays the bundle over several media, one after the other, from the volume of this number on, counted from 1.
    pub from_volume: Option<usize>,
    /// Who is asked for the next medium, where those that were named are full.
    pub ask: Option<AskForStick>,
    /// The parity to make on the media.
    pub parity: Option<Asked>,
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
    /// The volumes that are there, where others are on other media.
    pub part: Option<Vec<String>>,
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
    let Some(first) = options.destinations.first() else { return Ok(()) };
    let can_spread = options.destinations.len() > 1 || options.ask.is_some();
    let is_spread =
        options.from_volume.is_some() || can_spread && !Plan::of(&bundle, first, options, &Silent)?.fits(first);
    // All of them are looked at before the first byte is written.
    let spread = if is_spread { Some(Spread::of(&bundle, options, progress)?) } else { None };
    let plan = |folder: &PathBuf| {
        Plan::of(&bundle, folder, options, progress)?.with_parity(folder, &bundle, options.parity, progress)
    };
    let whole = if is_spread { &[] } else { &options.destinations[..] };
    let plans: Vec<Plan<'_>> = whole.iter().map(plan).collect::<Result<_>>()?;
    for (folder, plan) in whole.iter().zip(&plans) {
        plan.check_room(folder, bundle.path())?;
    }
    expect_whole(&bundle, "transferred", progress)?;
    let signed = verify_signature(&options.trust, &bundle, progress)?.to_string();
    let proved = ProvedBundle { bundle: &bundle, signed, signer: options.signer.as_ref() };
    for (folder, plan) in whole.iter().zip(plans) {
        each(transfer(&proved, folder, plan, progress)?)?;
    }
    spread.map_or(Ok(()), |spread| spread.fill(&proved, options, progress, &mut each))
}

/// A bundle of which every byte is right, and how its receipts are signed.
struct ProvedBundle<'a> {
    bundle: &'a Bundle,
    signed: String,
    signer: Option<&'a SecretKey>,
}

/// Writes the files onto one medium, reads them back, and leaves the receipt.
fn transfer(proved: &ProvedBundle<'_>, folder: &Path, plan: Plan<'_>, progress: &dyn Progress) -> Result<Transferred> {
    let bundle = proved.bundle;
    let Plan { medium, division, files, volumes, parity } = plan;
    progress.phase("writing");
    let begun = Instant::now();
    let copies = write(bundle, division.as_deref(), &files, folder, progress)?;
    let write_seconds = begun.elapsed().as_secs_f64();
    progress.phase("reading back");
    let begun = Instant::now();
    let mut direct = true;
    for copy in &copies {
        direct &= copy.prove(progress)?.direct;
    }
    let read_seconds = begun.elapsed().as_secs_f64();
    let path = folder.join(named(bundle.path()));
    if let Some(division) = &division {
        remove_others(&path, division)?;
    }
    let index = bundle.index();
    let copied = files.iter().zip(&copies).map(|(file, copy)| CopiedFile {
        name: file.name.display().to_string(),
        size: copy.descriptor.size,
        digest: copy.descriptor.digest,
    });
    let mut copied: Vec<CopiedFile> = copied.collect();
    // Volumes were written before the file that they belong to.
    copied[..=volumes].rotate_right(1);
    let parity = parity.map(|layout| parity_there::make(bundle, layout, &path, progress)).transpose()?;
    copied.extend(parity.iter().map(|made| made.file.clone()));
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
        written: copies.iter().map(|copy| copy.written).sum::<u64>() + parity.map_or(0, |made| made.written),
    };
    let receipt_file = beside(&path, ".receipt.json");
    let text =
        serde_json::to_string_pretty(&receipt).map_err(std::io::Error::from).doing("write", &receipt_file)? + "\n";
    StagedFile::write(&receipt_file, text.as_bytes(), 0o644)?;
    let comment = format!("{} {} {}: transferred {}", index.name, index.version, index.platform, receipt.time);
    let signature_file =
        proved.signer.map(|key| sign_file(&receipt_file, text.as_bytes(), key, &comment)).transpose()?;
    Ok(Transferred { path, part: None, receipt, receipt_file, signature_file })
}

/// Removes the volumes that an earlier bundle of this name had at `path`: `cat x.run.0*` takes all. What is as long as this
/// bundle's volume of that number stays, for it may be one that an earlier run wrote.
fn remove_others(path: &Path, division: &Division<'_>) -> Result<()> {
    for number in 0..Division::MOST {
        let there = volume_beside(path, number);
        let size = (number < division.count()).then(|| division.range(number)).map(|range| range.end - range.start);
        if there.symlink_metadata().is_ok_and(|metadata| Some(metadata.len()) != size) {
            own_file::remove(&there)?;
        }
    }
    Ok(())
}
