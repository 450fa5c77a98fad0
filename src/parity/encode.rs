//! Making parity: a group after another, on all cores, with memory that does not grow with the file.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{HighRateEncoder, RateEncoder};

use super::head::Head;
use super::layout::{Layout, SECTOR};
use super::sectors::Sectors;
use super::sidecar::Places;
use super::table::{ShortDigest, Table, pages, short};
use crate::digest::Digest;
use crate::error::{Error, IoContext, Result};
use crate::path::shell_word;
use crate::progress::Progress;
use crate::staged_file::StagedFile;
use crate::{room, workers};

/// How many groups a core works on at a time, each of up to 60 MiB: neighbours are read together.
const AT_A_TIME: u64 = 2;
/// On how many cores at most, for the sake of memory.
const MOST_CORES: usize = 4;

/// What to make parity of.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The file, of which every byte is right.
    pub file: &'a File,
    /// Its path.
    pub path: &'a Path,
    /// The digest of its trailer.
    pub seal: Digest,
}

/// Writes the parity of a file to `target`. The same file and layout give the same parity, bit for bit. Returns the
/// length of the parity file in bytes.
///
/// # Errors
/// The file is not as long as the layout says, or cannot be read; there is no room for the parity, or it cannot be
/// written.
pub fn encode(subject: &Subject<'_>, layout: Layout, target: &Path, progress: &dyn Progress) -> Result<u64> {
    if subject.file.metadata().doing("look at the bundle", subject.path)?.len() != layout.length() {
        return Err(unreadable(subject.path));
    }
    let places = Places::of(&layout);
    let way_out = "make room there, or keep a second copy of the bundle elsewhere";
    room::check(places.length(), target, way_out)?;
    let mut staged = StagedFile::create(target)?;
    let mut table = Table::new(&layout);
    let meter = progress.start("parity", Some(layout.length()));
    let first_groups = (0..layout.groups()).step_by(AT_A_TIME as usize);
    let sectors = Sectors::new(subject.file, &layout);
    workers::ordered(
        workers::cores().min(MOST_CORES),
        |emit| first_groups.into_iter().try_for_each(emit),
        |first| {
            let lane = Lane::read(&sectors, first, |bytes| meter.add(bytes));
            lane.and_then(Lane::encode).ok_or_else(|| unreadable(subject.path))
        },
        |encoded| {
            for (sector, digest) in encoded.digests {
                table.set(sector, digest);
            }
            for (number, bytes) in encoded.parity {
                table.set(layout.sectors() + number, short(&bytes));
                write_at(&mut staged, &bytes, places.parity + number, target)?;
            }
            Ok(())
        },
    )?;
    let head = Head { layout, seal: subject.seal };
    for at in [0, places.head_again] {
        write_at(&mut staged, &head.to_bytes(), at, target)?;
    }
    for first in [places.table, places.table_again] {
        let file = staged.file();
        file.seek(SeekFrom::Start(first * SECTOR)).doing("write", target)?;
        let mut out = io::BufWriter::with_capacity(1 << 20, file);
        (0..pages(&layout)).try_for_each(|page| out.write_all(&table.page(page, &head.seal))).doing("write", target)?;
        out.flush().doing("write", target)?;
    }
    staged.place(0o644)?;
    meter.done("made");
    Ok(places.length())
}

fn write_at(staged: &mut StagedFile, bytes: &[u8], sector: u64, target: &Path) -> Result<()> {
    staged.file().write_all_at(bytes, sector * SECTOR).doing("write", target)
}

fn unreadable(path: &Path) -> Error {
    Error::failed("the bundle could not be read to its end while its parity was made")
        .fact("path", path.display())
        .hint(format_args!("see that nobody writes to it, and check it: pack verify {}", shell_word(path)))
}

/// Neighbouring groups that were read, each in an encoder of its own.
struct Lane<'a> {
    layout: &'a Layout,
    first: u64,
    encoders: Vec<HighRateEncoder<DefaultEngine>>,
    digests: Vec<(u64, ShortDigest)>,
}

/// What of neighbouring groups goes into the parity file.
struct Encoded {
    /// The file's sectors and their digests.
    digests: Vec<(u64, ShortDigest)>,
    /// The parity sectors, by their numbers.
    parity: Vec<(u64, Vec<u8>)>,
}

impl<'a> Lane<'a> {
    /// Reads the groups from `first` on; `None` where that fails.
    fn read(sectors: &Sectors<'a>, first: u64, watch: impl Fn(u64)) -> Option<Self> {
        let layout = sectors.layout();
        let count = AT_A_TIME.min(layout.groups() - first);
        let (data, recovery) = (layout.data() as usize, layout.recovery() as usize);
        let encoder = || HighRateEncoder::new(data, recovery, SECTOR as usize, DefaultEngine::new(), None).ok();
        let encoders = (0..count).map(|_| encoder()).collect::<Option<Vec<_>>>()?;
        let mut lane = Lane { layout, first, encoders, digests: Vec::with_capacity(data * count as usize) };
        let mut run = vec![0; (count * SECTOR) as usize];
        for place in 0..layout.data() {
            let start = layout.sector(first, place);
            if !sectors.read(start, &mut run) {
                return None;
            }
            for (at, bytes) in run.chunks_exact(SECTOR as usize).enumerate() {
                let sector = start + at as u64;
                if sector < layout.sectors() {
                    lane.digests.push((sector, short(bytes)));
                }
                lane.encoders[at].add_original_shard(bytes).ok()?;
                watch(layout.bytes_in(sector));
            }
        }
        Some(lane)
    }

    /// Computes the parity.
    fn encode(mut self) -> Option<Encoded> {
        let mut parity = Vec::new();
        for (group, encoder) in (self.first..).zip(&mut self.encoders) {
            let encoded = encoder.encode().ok()?;
            let sectors = encoded.recovery_iter().zip(0..);
            parity.extend(sectors.map(|(bytes, place)| (self.layout.parity_sector(group, place), bytes.to_vec())));
        }
        parity.sort_by_key(|&(number, _)| number);
        Some(Encoded { digests: self.digests, parity })
    }
}
