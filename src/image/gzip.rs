//! gzip files (RFC 1952): their content, and the records from which they are written again.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Crc;

use super::gzip_write::Joiner;
use super::recipe::Record;
use crate::digest::{Descriptor, HashingReader, HashingWriter};
use crate::error::{Error, Result};
use crate::workers;
use redeflate::{Chunk, EncoderGuess, Inflater, MAX_CHUNK, Reconstruction, truncated};

/// How much content a chunk has, in bytes; each costs about 100 bytes of parameters and 32 KiB of content that
/// is looked at twice.
const CHUNK: usize = 4 << 20;
/// The content between two points from which reading can begin.
const POINT_DISTANCE: u64 = 16 << 20;
/// The most points, of 32 KiB each: beyond, every other goes, and the distance doubles.
const MOST_POINTS: usize = 1024;

/// From where a gzip file's content can be read without what is before.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) content: u64,
    byte: u64,
    first_bit: u32,
    history: Vec<u8>,
}

/// What was found out about a gzip file.
pub(super) struct Scan {
    /// Size and digest of the file.
    pub(super) file: Descriptor,
    pub(super) points: Vec<Point>,
    /// How it is written again, or why it cannot be.
    pub(super) records: Result<Vec<Record>, String>,
}

/// Whether to look for the records, and how much they may cost.
#[derive(Debug, Clone, Copy)]
pub(super) enum Records {
    /// The content alone is wanted.
    NotWanted,
    /// At most this many bytes; looking stops there.
    AtMost(u64),
}

enum GzipPart {
    Verbatim(Vec<u8>),
    Trailer(Vec<u8>),
    /// A chunk, and whether it is the file's first.
    Chunk(Chunk, bool),
    /// The content before an error: it tells where in the content that is.
    Rest(Vec<u8>),
    /// The end of the file, and what the file is.
    End(Descriptor),
}

/// Reads `source` to its end on `cores`, and gives its content to `on_content` in order. What was found to be
/// right is proved: the records were used to write the file again, and its digest compared.
///
/// `fault` makes an error of what is wrong with the file.
pub(super) fn scan(
    source: impl Read + Send,
    cores: usize,
    wanted: Records,
    fault: &(dyn Fn(io::Error) -> Error + Sync),
    on_content: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Scan> {
    let most = match wanted {
        Records::NotWanted => 0,
        Records::AtMost(bytes) => bytes,
    };
    let spent = AtomicU64::new(0);
    let guess = EncoderGuess::default();
    let mut records = Vec::new();
    let mut reason = matches!(wanted, Records::NotWanted).then(|| "it was not asked for".to_owned());
    let mut joined = Joiner::new(HashingWriter::new(io::sink()));
    let mut distance = POINT_DISTANCE;
    let (mut content, mut crc, mut points, mut end) = (0u64, Crc::new(), Vec::<Point>::new(), None);
    workers::ordered(
        cores,
        |emit| produce(source, fault, emit),
        |item| {
            let found = match &item {
                GzipPart::Chunk(chunk, is_first) if most > 0 && spent.load(Ordering::Relaxed) <= most => {
                    let found = Reconstruction::of(chunk, *is_first, &guess);
                    spent.fetch_add(found.size(), Ordering::Relaxed);
                    Some(found)
                }
                _ => None,
            };
            Ok((item, found))
        },
        |(item, found)| {
            match item {
                GzipPart::Verbatim(bytes) => {
                    // A file may be nothing but headers of members; only the first is in every file.
                    if !points.is_empty() && !bytes.is_empty() {
                        spent.fetch_add(bytes.len() as u64 + 16, Ordering::Relaxed);
                    }
                    joined.verbatim(&bytes).map_err(fault)?;
                    records.push(Record::Verbatim(bytes));
                }
                GzipPart::Trailer(bytes) => {
                    let expected: Vec<u8> =
                        crc.sum().to_le_bytes().into_iter().chain(crc.amount().to_le_bytes()).collect();
                    if bytes != expected {
                        return Err(fault(io::Error::new(
                            io::ErrorKind::InvalidData,
                            "its CRC-32 does not fit its content",
                        )));
                    }
                    crc.reset();
                    joined.verbatim(&bytes).map_err(fault)?;
                    records.push(Record::Verbatim(bytes));
                }
                GzipPart::Chunk(chunk, _) => {
                    if points.last().is_none_or(|last| content >= last.content + distance) && chunk.is_whole {
                        if points.len() == MOST_POINTS {
                            let mut number = 0;
                            points.retain(|_| (number % 2 == 0, number += 1).0);
                            distance *= 2;
                        }
                        points.push(point(&chunk, content));
                    }
                    content += chunk.content().len() as u64;
                    crc.update(chunk.content());
                    on_content(chunk.content())?;
                    if !(chunk.is_whole && chunk.is_padded_with_zeros) {
                        reason.get_or_insert_with(|| "it has blocks of a form that is not rebuilt".to_owned());
                    }
                    match found {
                        Some(found) if reason.is_none() => {
                            joined.chunk(chunk.exact_bits(), found.first_bit, found.bits).map_err(fault)?;
                            records.push(Record::Chunk(found));
                        }
                        _ => {
                            reason.get_or_insert_with(|| "its compressor cannot be predicted".to_owned());
                            records = Vec::new();
                        }
                    }
                }
                GzipPart::Rest(rest) => drop(on_content(&rest)),
                GzipPart::End(file) => end = Some(file),
            }
            Ok(())
        },
    )?;
    let file = end.ok_or_else(|| fault(io::ErrorKind::UnexpectedEof.into()))?;
    if reason.is_none() && spent.into_inner() > most {
        reason = Some("its compressor cannot be predicted".to_owned());
    }
    let (_, again) = joined.finish().map_err(fault)?.finish();
    if reason.is_none() && again != file {
        reason = Some("written again it differs".to_owned());
    }
    Ok(Scan { file, points, records: reason.map_or(Ok(records), Err) })
}

fn produce(
    source: impl Read,
    fault: &(dyn Fn(io::Error) -> Error + Sync),
    emit: &mut dyn FnMut(GzipPart) -> Result<()>,
) -> Result<()> {
    let mut source = HashingReader::new(source);
    let mut inflater = Inflater::new(&mut source);
    let header = header(&mut inflater, true).and_then(Header::expect).map_err(fault)?;
    emit(GzipPart::Verbatim(header))?;
    let mut is_first = true;
    loop {
        inflater.begin_stream();
        let mut last: Option<Chunk> = None;
        loop {
            let next = inflater.chunk(CHUNK, MAX_CHUNK);
            if let Some(mut chunk) = last.take() {
                if let Ok(Some(next)) = &next {
                    chunk.look_ahead(next);
                }
                emit(GzipPart::Chunk(chunk, std::mem::take(&mut is_first)))?;
            }
            match next {
                Ok(None) => break,
                Ok(next) => last = next,
                Err(error) => {
                    emit(GzipPart::Rest(inflater.rest().to_vec()))?;
                    return Err(fault(error));
                }
            }
        }
        emit(GzipPart::Trailer(trailer(&mut inflater).map_err(fault)?))?;
        match self::header(&mut inflater, false).map_err(fault)? {
            Header::Of(header) => emit(GzipPart::Verbatim(header))?,
            Header::Padding(padding) => {
                emit(GzipPart::Verbatim(padding))?;
                break;
            }
        }
    }
    drop(inflater);
    emit(GzipPart::End(source.finish().1))
}

fn point(chunk: &Chunk, content: u64) -> Point {
    Point { content, byte: chunk.start / 8, first_bit: chunk.first_bit, history: chunk.context.before().to_vec() }
}

/// What follows a member.
enum Header {
    /// The header of a (further) member.
    Of(Vec<u8>),
    /// Zeros up to the end of the file, or nothing.
    Padding(Vec<u8>),
}

impl Header {
    fn expect(self) -> io::Result<Vec<u8>> {
        match self {
            Header::Of(header) => Ok(header),
            Header::Padding(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it is no gzip file")),
        }
    }
}

fn header<R: Read>(inflater: &mut Inflater<R>, is_first: bool) -> io::Result<Header> {
    const MOST: usize = 1 << 16;
    let wrong = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    let mut bytes = inflater.input().bytes(1)?;
    if bytes.first().is_none_or(|&first| first == 0) {
        while !inflater.input().is_at_end()? {
            bytes.extend(inflater.input().bytes(1)?);
            if bytes.len() > MOST || bytes.last() != Some(&0) {
                return wrong("bytes follow the gzip file's end that are no gzip");
            }
        }
        return Ok(Header::Padding(bytes));
    }
    bytes.extend(inflater.input().bytes(9)?);
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return wrong(if is_first {
            "it is no gzip file"
        } else {
            "bytes follow the gzip file's end that are no gzip"
        });
    }
    let &[_, _, method, flags, ..] = &bytes[..] else { return Err(truncated()) };
    if bytes.len() < 10 {
        return Err(truncated());
    }
    if method != 8 || flags & 0xe0 != 0 {
        return wrong("its gzip header is of an unknown form");
    }
    if flags & 4 != 0 {
        let length = inflater.input().bytes(2)?;
        let &[low, high] = &length[..] else { return Err(truncated()) };
        bytes.extend(length);
        bytes.extend(inflater.input().bytes(usize::from(u16::from_le_bytes([low, high])))?);
    }
    for _ in 0..(flags & 8 != 0) as u32 + (flags & 16 != 0) as u32 {
        loop {
            let next = inflater.input().bytes(1)?;
            let &[byte] = &next[..] else { return Err(truncated()) };
            bytes.push(byte);
            if byte == 0 {
                break;
            }
            if bytes.len() > MOST {
                return wrong("its gzip header is too long");
            }
        }
    }
    if flags & 2 != 0 {
        bytes.extend(inflater.input().bytes(2)?);
    }
    if inflater.input().is_at_end()? { Err(truncated()) } else { Ok(Header::Of(bytes)) }
}

fn trailer<R: Read>(inflater: &mut Inflater<R>) -> io::Result<Vec<u8>> {
    let trailer = inflater.input().bytes(8)?;
    if trailer.len() == 8 { Ok(trailer) } else { Err(truncated()) }
}

/// The content of a gzip file from a point on, read on demand.
pub(super) struct ContentReader<R> {
    inflater: Inflater<R>,
    chunk: Option<Chunk>,
    at: usize,
}

impl<R: Read> ContentReader<R> {
    /// The content of a gzip file that is read once, from its first byte.
    pub(super) fn start(source: R) -> io::Result<Self> {
        let mut inflater = Inflater::new(source);
        header(&mut inflater, true)?.expect()?;
        Ok(ContentReader { inflater, chunk: None, at: 0 })
    }
}

impl<R: Read + io::Seek> ContentReader<R> {
    /// The content from byte `offset` on.
    pub(super) fn open(mut source: R, points: &[Point], offset: u64) -> io::Result<Self> {
        let nearest = points.iter().rev().find(|point| point.content <= offset);
        let (inflater, skip) = match nearest {
            Some(point) => {
                source.seek(io::SeekFrom::Start(point.byte))?;
                (Inflater::resume(source, point.first_bit, point.history.clone())?, offset - point.content)
            }
            None => {
                let mut inflater = Inflater::new(source);
                header(&mut inflater, true)?.expect()?;
                (inflater, offset)
            }
        };
        let mut reader = ContentReader { inflater, chunk: None, at: 0 };
        io::copy(&mut (&mut reader).take(skip), &mut io::sink())?;
        Ok(reader)
    }
}

impl<R: Read> Read for ContentReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(chunk) = &self.chunk
                && self.at < chunk.content().len()
            {
                let content = &chunk.content()[self.at..];
                let count = content.len().min(buffer.len());
                buffer[..count].copy_from_slice(&content[..count]);
                self.at += count;
                return Ok(count);
            }
            self.at = 0;
            self.chunk = self.inflater.chunk(1 << 20, MAX_CHUNK)?;
            if self.chunk.is_none() {
                trailer(&mut self.inflater)?;
                match header(&mut self.inflater, false)? {
                    Header::Of(_) => self.inflater.begin_stream(),
                    Header::Padding(_) => return Ok(0),
                }
            }
        }
    }
}
