//! One pass over an image archive: which members it has, what their digests are, and what lies between.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use super::recipe::Part;
use super::tar::{Member, MemberKind, TarReader, Visitor};
use crate::digest::{Digest, Hasher};
use crate::path::RelPath;

/// A member up to this size is kept with the framing, in memory.
const SMALL: u64 = 16 << 10;
/// Symbolic links that may lead to one another.
const MOST_LINKS: usize = 8;

/// How a layer is compressed inside its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// A file in the archive.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// Where it begins in the archive's tar stream.
    pub(super) offset: u64,
    /// Its bytes, when it is small or may be JSON.
    pub(super) bytes: Option<Vec<u8>>,
    /// What lies under its compression.
    pub(super) inner: Option<Inner>,
}

/// What lies under a member's compression.
#[derive(Debug, Clone)]
pub(super) struct Inner {
    pub(super) compression: Compression,
    /// Digest and size without the compression, or why they could not be found.
    pub(super) text: Result<(Digest, u64), String>,
}

#[derive(Debug)]
enum Entry {
    File(Content),
    Folder,
    /// A link to a path in the archive; symbolic targets are already resolved against their folder.
    Link(RelPath),
}

/// What is wrong with an archive, and in which of its members.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) member: Option<String>,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn new(member: impl Into<String>, reason: impl Into<String>) -> Self {
        Fault { member: Some(member.into()), reason: reason.into() }
    }
}

/// The members of an archive.
#[derive(Debug, Default)]
pub(super) struct Members {
    entries: BTreeMap<RelPath, Entry>,
}

impl Members {
    /// Whether there is a member of that name.
    pub(super) fn has(&self, path: &str) -> bool {
        path.parse().is_ok_and(|path: RelPath| self.entries.contains_key(&path))
    }

    /// The file at `path`, through links.
    pub(super) fn file(&self, path: &str) -> Result<&Content, Fault> {
        let mut at: RelPath = path.parse().map_err(|why| Fault::new(path, format!("{why}")))?;
        for _ in 0..=MOST_LINKS {
            match self.entries.get(&at) {
                Some(Entry::File(content)) => return Ok(content),
                Some(Entry::Link(target)) => at = target.clone(),
                Some(Entry::Folder) => return Err(Fault::new(path, "it should be a file and is a folder")),
                None => return Err(Fault::new(path, "the archive names this file but does not have it")),
            }
        }
        Err(Fault::new(path, "its links lead in a circle"))
    }

    /// Where a file with this content begins in the tar stream.
    pub(super) fn offset_of(&self, digest: &Digest) -> Option<u64> {
        self.entries.values().find_map(|entry| match entry {
            Entry::File(content) if content.digest == *digest => Some(content.offset),
            _ => None,
        })
    }

    /// The bytes of the file at `path`, which is to be JSON.
    pub(super) fn json(&self, path: &str, limits: &Limits) -> Result<&[u8], Fault> {
        let content = self.file(path)?;
        content.bytes.as_deref().ok_or_else(|| {
            let too_large = content.size > limits.json_bytes;
            let limit = limits.json_bytes;
            let why = if too_large { format!("it is larger than {limit} bytes") } else { "it is no JSON".to_owned() };
            Fault::new(path, why)
        })
    }
}

/// Reads an archive's tar stream as it is pushed in.
pub(super) struct ArchiveReader {
    tar: TarReader,
    found: Finder,
}

impl ArchiveReader {
    pub(super) fn new(limits: Limits) -> Self {
        let found = Finder {
            limits,
            members: Members::default(),
            parts: Vec::new(),
            literal: Vec::new(),
            framing: 0,
            text: 0,
            at: None,
            current: None,
            json: 0,
        };
        ArchiveReader { tar: TarReader::new(limits.members, limits.extension_bytes), found }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let limit = self.found.limits.text_bytes;
        let room = usize::try_from(limit - self.found.text).unwrap_or(usize::MAX).min(bytes.len());
        let (within, beyond) = bytes.split_at(room);
        self.found.text += within.len() as u64;
        self.tar.feed(within, &mut self.found).map_err(|reason| Fault { member: self.at(), reason })?;
        if beyond.is_empty() {
            return Ok(());
        }
        Err(Fault { member: self.at(), reason: format!("it unpacks to more than {limit} bytes") })
    }

    /// The name of the last member that was begun, as the archive has it.
    pub(super) fn at(&self) -> Option<String> {
        self.found.at.clone()
    }

    /// The members, and the parts the tar stream is made of.
    pub(super) fn finish(mut self) -> Result<(Members, Vec<Part>), Fault> {
        self.tar.finish().map_err(|reason| Fault { member: self.found.at.clone(), reason })?;
        self.found.flush();
        Ok((self.found.members, self.found.parts))
    }
}

/// Collects what a tar reader hands out.
struct Finder {
    limits: Limits,
    members: Members,
    parts: Vec<Part>,
    literal: Vec<u8>,
    framing: u64,
    text: u64,
    json: u64,
    at: Option<String>,
    current: Option<Current>,
}

/// The member being read.
struct Current {
    path: RelPath,
    member: Member,
    hasher: Hasher,
    bytes: Option<Vec<u8>>,
    unpack: Option<(Compression, Unpacker)>,
}

impl Finder {
    fn flush(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Literal(std::mem::take(&mut self.literal)));
        }
    }

    fn add(&mut self, path: RelPath, entry: Entry) -> Result<(), String> {
        let known = match (self.members.entries.get(&path), &entry) {
            (None, _) | (Some(Entry::Folder), Entry::Folder) => false,
            (Some(Entry::File(old)), Entry::File(new)) => old.digest != new.digest,
            (Some(Entry::Link(old)), Entry::Link(new)) => old != new,
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
            MemberKind::Directory => self.add(path, Entry::Folder),
            MemberKind::HardLink(target) => {
                let target = target.strip_prefix("./").unwrap_or(target);
                let target = target.parse().map_err(|why| format!("the link '{path}' is not safe: {why}"))?;
                self.add(path, Entry::Link(target))
            }
            MemberKind::SymbolicLink(target) => {
                let target = resolve(&path, target).map_err(|why| format!("the link '{path}' is not safe: {why}"))?;
                self.add(path, Entry::Link(target))
            }
            MemberKind::File => {
                let bytes = (member.size <= SMALL).then(Vec::new);
                self.current = Some(Current { path, member, hasher: Hasher::new(), bytes, unpack: None });
                Ok(())
            }
        }
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.hasher.length() == 0 {
            let may_be_json = bytes.first().is_some_and(|first| matches!(first, b'{' | b'[' | b' ' | b'\n'));
            if may_be_json && current.bytes.is_none() && current.member.size <= self.limits.json_bytes {
                self.json += current.member.size;
                if self.json > self.limits.framing_bytes {
                    return Err(format!("its JSON takes more than {} bytes", self.limits.framing_bytes));
                }
                current.bytes = Some(Vec::new());
            }
            current.unpack = Unpacker::for_content(bytes, self.limits.text_bytes);
        }
        current.hasher.update(bytes);
        if let Some(kept) = &mut current.bytes {
            kept.extend_from_slice(bytes);
        }
        if let Some((_, unpacker)) = &mut current.unpack {
            unpacker.feed(bytes);
        }
        if current.member.size <= SMALL { self.framing(bytes) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let Current { path, member, hasher, bytes, unpack } = current;
        let digest = hasher.finish();
        let inner = unpack.map(|(compression, unpacker)| Inner { compression, text: unpacker.finish() });
        if member.size > SMALL {
            self.flush();
            self.parts.push(Part::Blob { digest, size: member.size });
        }
        let content = Content { digest, size: member.size, offset: member.offset, bytes, inner };
        self.add(path, Entry::File(content))
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

/// Finds the digest of what lies under a compression as the compressed bytes come by.
struct Unpacker {
    decoder: Decoder,
    failed: Option<String>,
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Sink>>),
}

impl Unpacker {
    fn for_content(first: &[u8], limit: u64) -> Option<(Compression, Self)> {
        let sink = Sink { hasher: Hasher::new(), limit };
        let (compression, decoder) = if first.starts_with(&[0x1f, 0x8b]) {
            (Compression::Gzip, Decoder::Gzip(Box::new(MultiGzDecoder::new(sink))))
        } else if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let decoder = zstd::stream::write::Decoder::new(sink).ok()?;
            (Compression::Zstd, Decoder::Zstd(Box::new(decoder)))
        } else {
            return None;
        };
        Some((compression, Unpacker { decoder, failed: None }))
    }

    fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let outcome = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.write_all(bytes),
            Decoder::Zstd(decoder) => decoder.write_all(bytes),
        };
        self.failed = outcome.err().map(|error| error.to_string());
    }

    fn finish(self) -> Result<(Digest, u64), String> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let sink = match self.decoder {
            Decoder::Gzip(decoder) => decoder.finish().map_err(|error| error.to_string())?,
            Decoder::Zstd(mut decoder) => {
                decoder.flush().map_err(|error| error.to_string())?;
                decoder.into_inner()
            }
        };
        let size = sink.hasher.length();
        Ok((sink.hasher.finish(), size))
    }
}

struct Sink {
    hasher: Hasher,
    limit: u64,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        if self.hasher.length() > self.limit {
            return Err(io::Error::other(format!("it unpacks to more than {} bytes", self.limit)));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
