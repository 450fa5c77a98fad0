//! One pass over an image archive: which members it has, what their digests are, and what lies between.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Sink, Write};

use super::fault::ArchiveFault;
use super::limits::ImageLimits;
use super::recipe::Part;
use super::sniff::{HEAD, sniff};
use super::tar::{Member, MemberKind, TarReader, Visitor};
use super::unpacker::{Decompressed, Unpacker};
use crate::digest::{Descriptor, Digest, HashingWriter};
use crate::path::RelPath;

/// A member up to this size is kept with the framing, in memory.
const SMALL: u64 = 16 << 10;
/// Symbolic links that may lead to one another.
const MOST_LINKS: usize = 8;

/// A file in the archive.
#[derive(Debug, Clone)]
pub(super) struct ArchiveFile {
    pub(super) descriptor: Descriptor,
    /// Where it begins in the archive's tar stream.
    pub(super) offset: u64,
    /// Its bytes, when it is small or may be JSON.
    pub(super) bytes: Option<Vec<u8>>,
    /// Its decompressed content, where it is compressed; or why that cannot be found.
    pub(super) decompressed: Option<Result<Decompressed, String>>,
}

#[derive(Debug)]
enum ArchiveEntry {
    File(ArchiveFile),
    Folder,
    /// A link to a path in the archive; symbolic targets are already resolved against their folder.
    Link(RelPath),
}

/// The members of an archive.
#[derive(Debug, Default)]
pub(super) struct ArchiveMembers {
    entries: BTreeMap<RelPath, ArchiveEntry>,
}

impl ArchiveMembers {
    /// Whether there is a member of that name.
    pub(super) fn has(&self, path: &str) -> bool {
        path.parse().is_ok_and(|path: RelPath| self.entries.contains_key(&path))
    }

    /// The file at `path`, through links.
    pub(super) fn file(&self, path: &str) -> Result<&ArchiveFile, ArchiveFault> {
        let mut at: RelPath = path.parse().map_err(|why| ArchiveFault::new(path, format!("{why}")))?;
        for _ in 0..=MOST_LINKS {
            match self.entries.get(&at) {
                Some(ArchiveEntry::File(file)) => return Ok(file),
                Some(ArchiveEntry::Link(target)) => at = target.clone(),
                Some(ArchiveEntry::Folder) => {
                    return Err(ArchiveFault::new(path, "it should be a file and is a folder"));
                }
                None => return Err(ArchiveFault::new(path, "the archive names this file but does not have it")),
            }
        }
        Err(ArchiveFault::new(path, format!("more than {MOST_LINKS} links lead on from it, or in a circle")))
    }

    /// Where a file with each content begins in the tar stream.
    pub(super) fn offsets(&self) -> HashMap<Digest, u64> {
        let files = self.entries.values().rev().filter_map(|entry| match entry {
            ArchiveEntry::File(file) => Some((file.descriptor.digest, file.offset)),
            ArchiveEntry::Folder | ArchiveEntry::Link(_) => None,
        });
        files.collect()
    }

    /// The bytes of the file at `path`, which is to be JSON.
    pub(super) fn json(&self, path: &str, limits: &ImageLimits) -> Result<&[u8], ArchiveFault> {
        let file = self.file(path)?;
        file.bytes.as_deref().ok_or_else(|| {
            let too_large = file.descriptor.size > limits.json_bytes;
            let limit = limits.json_bytes;
            let why = if too_large { format!("it is larger than {limit} bytes") } else { "it is not JSON".to_owned() };
            ArchiveFault::new(path, why)
        })
    }
}

/// Reads an archive's tar stream as it is pushed in.
pub(super) struct ArchiveReader {
    tar: TarReader,
    /// The stream's first bytes.
    head: Vec<u8>,
    found: Finder,
}

impl ArchiveReader {
    pub(super) fn new(limits: ImageLimits) -> Self {
        let found = Finder {
            limits,
            members: ArchiveMembers::default(),
            parts: Vec::new(),
            literal: Vec::new(),
            framing: 0,
            content: 0,
            at: None,
            current: None,
            json: 0,
        };
        ArchiveReader { tar: TarReader::new(limits.members, limits.extension_bytes), head: Vec::new(), found }
    }

    /// Reads the next bytes of the stream.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), ArchiveFault> {
        self.head.extend(bytes.iter().take(HEAD - self.head.len()));
        let limit = self.found.limits.content_bytes;
        let room = usize::try_from(limit - self.found.content).unwrap_or(usize::MAX).min(bytes.len());
        let (within, beyond) = bytes.split_at(room);
        self.found.content += within.len() as u64;
        self.tar.feed(within, &mut self.found).map_err(|reason| self.fault(reason))?;
        if beyond.is_empty() {
            return Ok(());
        }
        Err(ArchiveFault { member: self.at(), reason: format!("it unpacks to more than {limit} bytes") })
    }

    /// The fault of a stream that is not a tar archive because of `reason`, or because of what it is instead.
    fn fault(&self, reason: String) -> ArchiveFault {
        if self.found.at.is_none() {
            match sniff(&self.head, &self.found.limits) {
                Ok(None) => {}
                Ok(Some(codec)) => {
                    let why = format!("it is compressed once more, with {}: decompress it once", codec.name());
                    return ArchiveFault::whole(why);
                }
                Err(unsupported) => return ArchiveFault::whole(unsupported.to_string()),
            }
        }
        ArchiveFault { member: self.at(), reason }
    }

    /// The name of the last member whose header was read, as the archive has it.
    pub(super) fn at(&self) -> Option<String> {
        self.found.at.clone()
    }

    /// The members, and the parts the tar stream is made of.
    pub(super) fn finish(mut self) -> Result<(ArchiveMembers, Vec<Part>), ArchiveFault> {
        self.tar.finish().map_err(|reason| self.fault(reason))?;
        self.found.flush();
        Ok((self.found.members, self.found.parts))
    }
}

/// Collects what a tar reader hands out.
struct Finder {
    limits: ImageLimits,
    members: ArchiveMembers,
    parts: Vec<Part>,
    literal: Vec<u8>,
    framing: u64,
    content: u64,
    json: u64,
    at: Option<String>,
    current: Option<Current>,
}

/// The member being read.
struct Current {
    path: RelPath,
    member: Member,
    hashed: HashingWriter<Sink>,
    bytes: Option<Vec<u8>>,
    compression: MemberCompression,
}

/// What is known of a member's compression.
enum MemberCompression {
    /// Its first bytes so far.
    Undecided(Vec<u8>),
    None,
    Unpacking(Box<Unpacker>),
    Unsupported(String),
}

impl MemberCompression {
    fn of(head: &[u8], limits: &ImageLimits) -> Self {
        let codec = match sniff(head, limits) {
            Ok(None) => return MemberCompression::None,
            Ok(Some(codec)) => codec,
            Err(unsupported) => return MemberCompression::Unsupported(unsupported.to_string()),
        };
        match Unpacker::new(codec, limits.content_bytes) {
            Ok(mut unpacker) => {
                unpacker.feed(head);
                MemberCompression::Unpacking(Box::new(unpacker))
            }
            Err(why) => MemberCompression::Unsupported(why),
        }
    }

    /// Takes the next bytes of the member; `is_whole` says that there are no more.
    fn feed(&mut self, mut bytes: &[u8], is_whole: bool, limits: &ImageLimits) {
        if let MemberCompression::Undecided(head) = self {
            let (more, rest) = bytes.split_at((HEAD - head.len()).min(bytes.len()));
            head.extend_from_slice(more);
            bytes = rest;
            if head.len() == HEAD || is_whole {
                *self = Self::of(&std::mem::take(head), limits);
            }
        }
        if let MemberCompression::Unpacking(unpacker) = self {
            unpacker.feed(bytes);
        }
    }

    fn finish(self) -> Option<Result<Decompressed, String>> {
        match self {
            MemberCompression::Undecided(_) | MemberCompression::None => None,
            MemberCompression::Unpacking(unpacker) => Some(unpacker.finish()),
            MemberCompression::Unsupported(why) => Some(Err(why)),
        }
    }
}

impl Finder {
    fn flush(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Literal(std::mem::take(&mut self.literal)));
        }
    }

    fn add(&mut self, path: RelPath, entry: ArchiveEntry) -> Result<(), String> {
        let known = match (self.members.entries.get(&path), &entry) {
            (None, _) | (Some(ArchiveEntry::Folder), ArchiveEntry::Folder) => false,
            (Some(ArchiveEntry::File(old)), ArchiveEntry::File(new)) => old.descriptor.digest != new.descriptor.digest,
            (Some(ArchiveEntry::Link(old)), ArchiveEntry::Link(new)) => old != new,
            _ => true,
        };
        if known {
            return Err(format!("the archive has '{path}' twice, with other content"));
        }
        self.members.entries.insert(path, entry);
        Ok(())
    }
}

impl Visitor for Finder {
    fn framing(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.framing += bytes.len() as u64;
        if self.framing > self.limits.framing_bytes {
            return Err(format!("its headers and small members take more than {} bytes", self.limits.framing_bytes));
        }
        self.literal.extend_from_slice(bytes);
        Ok(())
    }

    fn begin(&mut self, member: Member) -> Result<(), String> {
        let name = member.path.trim_end_matches('/');
        let name = name.strip_prefix("./").unwrap_or(name);
        self.at = Some(name.to_owned());
        if matches!(name, "" | ".") && member.kind == MemberKind::Directory {
            return Ok(());
        }
        let path: RelPath = name.parse().map_err(|why| format!("{why}"))?;
        match &member.kind {
            MemberKind::Directory => self.add(path, ArchiveEntry::Folder),
            MemberKind::HardLink(target) => {
                let target = target.strip_prefix("./").unwrap_or(target);
                let target = target.parse().map_err(|why| format!("the link '{path}' is not safe: {why}"))?;
                self.add(path, ArchiveEntry::Link(target))
            }
            MemberKind::SymbolicLink(target) => {
                let target = resolve(&path, target).map_err(|why| format!("the link '{path}' is not safe: {why}"))?;
                self.add(path, ArchiveEntry::Link(target))
            }
            MemberKind::File => {
                let bytes = (member.size <= SMALL).then(Vec::new);
                let compression = MemberCompression::Undecided(Vec::new());
                self.current =
                    Some(Current { path, member, hashed: HashingWriter::new(io::sink()), bytes, compression });
                Ok(())
            }
        }
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.hashed.position() == 0 {
            let may_be_json = bytes.first().is_some_and(|first| matches!(first, b'{' | b'[' | b' ' | b'\n'));
            if may_be_json && current.bytes.is_none() && current.member.size <= self.limits.json_bytes {
                self.json += current.member.size;
                if self.json > self.limits.documents_bytes {
                    return Err(format!("its JSON takes more than {} bytes", self.limits.documents_bytes));
                }
                current.bytes = Some(Vec::new());
            }
        }
        current.hashed.write_all(bytes).map_err(|cause| cause.to_string())?;
        if let Some(kept) = &mut current.bytes {
            kept.extend_from_slice(bytes);
        }
        let is_whole = current.hashed.position() == current.member.size;
        current.compression.feed(bytes, is_whole, &self.limits);
        if current.member.size <= SMALL { self.framing(bytes) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let Current { path, member, hashed, bytes, compression } = current;
        let (_, descriptor) = hashed.finish();
        let decompressed = compression.finish();
        if member.size > SMALL {
            self.flush();
            self.parts.push(Part::Blob(descriptor));
        }
        let file = ArchiveFile { descriptor, offset: member.offset, bytes, decompressed };
        self.add(path, ArchiveEntry::File(file))
    }
}

/// Where a symbolic link at `path` leads; never out of the archive.
fn resolve(path: &RelPath, target: &str) -> Result<RelPath, String> {
    if target.starts_with('/') {
        return Err(format!("it leads to '{target}', an absolute path"));
    }
    let mut parts: Vec<&str> = path.parts().collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| format!("it leads to '{target}', out of the archive"))?;
            }
            part => parts.push(part),
        }
    }
    parts.join("/").parse().map_err(|why| format!("{why}"))
}

#[cfg(test)]
mod tests {
    use super::super::content::Codec;
    use super::*;

    #[test]
    fn a_compressed_member_is_known_however_the_stream_is_cut() {
        use std::io::Write;
        let content = [7; 1_000];
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&content).expect("memory");
        let packed = encoder.finish().expect("memory");
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in [("packed", &packed[..]), ("short", &packed[..3]), ("plain", &content)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, bytes).expect("memory");
        }
        let stream = builder.into_inner().expect("memory");
        for size in [1, 17, 18, 513, 100_000] {
            let mut archive = ArchiveReader::new(ImageLimits::DEFAULT);
            stream.chunks(size).for_each(|bytes| archive.feed(bytes).expect("a tar archive"));
            let (members, _) = archive.finish().expect("whole");
            let of = |name: &str| members.file(name).expect("there").decompressed.clone();
            let found = of("packed").expect("compressed").expect("whole");
            assert_eq!((found.codec, found.content), (Codec::Gzip, Descriptor::of(&content)), "{size} at a time");
            assert!(of("short").expect("compressed").is_err() && of("plain").is_none(), "{size} at a time");
        }
    }
}
