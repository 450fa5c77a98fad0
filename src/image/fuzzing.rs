//! What holds for any archive, recipe and compressed stream, however they were made: the bodies of the fuzz targets
//! `tar`, `archive`, `recipe` and `inflate`.

use std::io::{self, Cursor, Read, Write};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::archive::ArchiveReader;
use super::gzip::{self, ContentReader, Records};
use super::recipe::Recipe;
use super::resolve::{Resolved, Resolver};
use super::tar::{Member, TarReader, Visitor};
use super::{BlobSource, ImageLimits, gzip_write, rebuild};
use crate::digest::{Descriptor, Digest};
use crate::error::{Error, Result};

/// The most that one input may unpack to, in bytes.
const MOST: usize = 16 << 20;
/// Bounds under which no input takes long.
const LIMITS: ImageLimits = ImageLimits { content_bytes: MOST as u64, ..ImageLimits::DEFAULT };

/// Reads `data` as a tar stream: as it is, and with every header's checksum made right, so that what lies behind
/// those is reached.
///
/// # Panics
/// What comes out depends on how the stream is cut, or is not all of it.
pub fn tar(data: &[u8]) {
    for stream in [data.to_vec(), with_checksums(data.to_vec())] {
        let (whole, read) = read_tar(&stream, stream.len().max(1));
        for size in [1, 509] {
            assert_eq!((&whole, &read), (&read_tar(&stream, size).0, &read_tar(&stream, size).1), "{size} at a time");
        }
        if read.is_ok() {
            assert!(whole.all == stream, "{} of {} bytes came out", whole.all.len(), stream.len());
        }
    }
}

/// Reads `data` as an archive of images without its compression, like [`tar()`].
///
/// # Panics
/// The parts it is taken apart into are not all of it, or an image has a layer that is not its config's.
pub fn archive(data: &[u8]) {
    for stream in [data.to_vec(), with_checksums(data.to_vec())] {
        let mut archive = ArchiveReader::new(LIMITS);
        if archive.feed(&stream).is_err() {
            continue;
        }
        let Ok((members, parts)) = archive.finish() else { continue };
        let recipe = Recipe { original: Descriptor::of(&stream), parts };
        let again = Recipe::from_bytes(&recipe.to_bytes(), &LIMITS).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, recipe);
        let offsets = members.offsets();
        for digest in recipe.blobs() {
            let offset = *offsets.get(&digest).unwrap_or_else(|| panic!("{digest} is nowhere"));
            assert!(offset < recipe.original.size, "{digest} at {offset}");
        }
        let resolver = Resolver { artifact: "fuzz", members: &members, platform: None, limits: LIMITS };
        let Ok(Resolved { configs, .. }) = resolver.images() else { continue };
        for (id, config) in configs {
            assert_eq!(Digest::of(&config), id);
        }
    }
}

/// Reads `data` as a recipe and writes the file that it describes, from blobs of any content.
///
/// # Panics
/// It does not survive being written, or gives another file than it promises.
pub fn recipe(data: &[u8]) {
    let Ok(recipe) = Recipe::from_bytes(data, &LIMITS) else { return };
    let again = Recipe::from_bytes(&recipe.to_bytes(), &LIMITS).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, recipe);
    let mut out = FullSoon(Vec::new());
    if rebuild("fuzz", &recipe, &EndlessZeros, &mut out).is_ok() {
        assert_eq!(Descriptor::of(&out.0), recipe.original);
    }
}

/// Reads `data` as a DEFLATE stream inside a gzip file, and compares with what zlib makes of it.
///
/// # Panics
/// The two disagree, or the records that are found do not give the file back.
pub fn inflate(data: &[u8]) {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let read = |gzip: &[u8]| {
        let mut text = Vec::new();
        let reader = ContentReader::open(Cursor::new(gzip), &[], 0);
        reader.and_then(|reader| reader.take(MOST as u64 + 1).read_to_end(&mut text)).map(|_| text)
    };
    let (text, used) = match by_zlib(data) {
        Zlib::Text(text, used) => (text, used),
        Zlib::TooMuch => return,
        Zlib::Refused => {
            gzip.extend(data);
            assert!(read(&gzip).is_err(), "zlib refuses this stream");
            return;
        }
    };
    let mut crc = Crc::new();
    crc.update(&text);
    gzip.extend(&data[..used]);
    gzip.extend(crc.sum().to_le_bytes());
    gzip.extend(crc.amount().to_le_bytes());
    let ours = read(&gzip).unwrap_or_else(|error| panic!("zlib accepts this stream: {error}"));
    assert!(ours == text, "{} bytes, where zlib finds {}", ours.len(), text.len());

    let mut scanned = Vec::new();
    let failed = |error: io::Error| Error::failed("cannot read").fact("cause", error);
    let scan = gzip::scan(&gzip[..], 1, Records::AtMost(1 << 20), &failed, &mut |text| {
        scanned.extend_from_slice(text);
        Ok(())
    });
    let scan = scan.unwrap_or_else(|error| panic!("{error}"));
    assert!(scanned == text);
    if let Ok(records) = scan.records {
        let mut again = Vec::new();
        let written = gzip_write::write(2, &records, &text[..], &mut again, &failed);
        written.unwrap_or_else(|error| panic!("{error}"));
        assert!(again == gzip, "written again it differs");
    }
}

/// What comes out of a tar stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct StreamContent {
    all: Vec<u8>,
    members: Vec<(Member, u64)>,
}

impl Visitor for StreamContent {
    fn framing(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.all.extend_from_slice(bytes);
        Ok(())
    }

    fn begin(&mut self, member: Member) -> Result<(), String> {
        assert_eq!(member.offset, self.all.len() as u64);
        self.members.push((member, 0));
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.all.extend_from_slice(bytes);
        if let Some((_, size)) = self.members.last_mut() {
            *size += bytes.len() as u64;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        assert!(self.members.last().is_some_and(|(member, size)| member.size == *size));
        Ok(())
    }
}

/// Reads a tar stream, `size` bytes at a time.
fn read_tar(stream: &[u8], size: usize) -> (StreamContent, Result<(), String>) {
    let mut seen = StreamContent::default();
    let mut reader = TarReader::new(LIMITS.members, LIMITS.extension_bytes);
    let fed = stream.chunks(size).try_for_each(|bytes| reader.feed(bytes, &mut seen));
    let read = fed.and_then(|()| reader.finish());
    (seen, read)
}

/// The stream with the checksum of every header that can be found made right.
fn with_checksums(mut stream: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while let Some(block) = stream.get_mut(at..at + 512) {
        if block.iter().any(|&byte| byte != 0) {
            let header = tar::Header::from_byte_slice(block);
            let mut header = header.clone();
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
            let content = header.entry_size().unwrap_or(0).min(stream.len() as u64);
            at += (content as usize).next_multiple_of(512);
        }
        at += 512;
    }
    stream
}

enum Zlib {
    /// The text, and how many bytes of the stream it took.
    Text(Vec<u8>, usize),
    TooMuch,
    Refused,
}

fn by_zlib(stream: &[u8]) -> Zlib {
    let mut inflater = Decompress::new(false);
    let mut text = Vec::with_capacity(64 << 10);
    loop {
        let before = (inflater.total_in(), inflater.total_out());
        let rest = &stream[before.0 as usize..];
        match inflater.decompress_vec(rest, &mut text, FlushDecompress::None) {
            Ok(Status::StreamEnd) => return Zlib::Text(text, inflater.total_in() as usize),
            Ok(_) if text.len() > MOST => return Zlib::TooMuch,
            Ok(_) if text.len() == text.capacity() => text.reserve(text.len()),
            Ok(_) if before != (inflater.total_in(), inflater.total_out()) => {}
            _ => return Zlib::Refused,
        }
    }
}

/// Has every blob, without an end.
struct EndlessZeros;

impl BlobSource for EndlessZeros {
    fn open(&self, _: &Digest) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(io::repeat(b'x')))
    }
}

/// A disk that is full soon.
struct FullSoon(Vec<u8>);

impl Write for FullSoon {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() > 4 << 20 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
