//! Reading a tar stream (POSIX.1-2001 ustar and pax, GNU long names) as it comes by.
//!
//! Unlike a reader made for unpacking, this one also hands out every byte that is not content (headers,
//! padding, the zeros at the end), so that the archive can be written again exactly, and it bounds what a
//! long name may take.

use tar::{EntryType, Header};

use super::pax::PaxRecords;

/// A tar block, in bytes.
const BLOCK: usize = 512;

/// A member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: String,
    pub(super) kind: MemberKind,
    /// The size of its content, in bytes.
    pub(super) size: u64,
    /// Where its content begins in the tar stream.
    pub(super) offset: u64,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MemberKind {
    File,
    Directory,
    /// A symbolic link; the target is relative to the link's folder.
    SymbolicLink(String),
    /// A hard link; the target is a path in the archive.
    HardLink(String),
}

/// What a reader hands out, in the order of the stream. The reason of an error is a sentence's end.
pub(super) trait Visitor {
    /// Bytes that are no content.
    fn framing(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// A member begins.
    fn begin(&mut self, member: Member) -> Result<(), String>;
    /// Content of that member.
    fn content(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// That member's content is whole.
    fn end(&mut self) -> Result<(), String>;
}

/// What comes next in the stream.
enum TarState {
    Header,
    Extension { kind: EntryType, left: u64, padding: u64 },
    Content { left: u64, padding: u64 },
    Padding { left: u64 },
    End,
}

/// The state of reading a tar stream.
pub(super) struct TarReader {
    state: TarState,
    /// The received part of a header block or an extension.
    held: Vec<u8>,
    position: u64,
    zeros: u32,
    long_path: Option<String>,
    long_link: Option<String>,
    size: Option<u64>,
    members: usize,
    most_members: usize,
    most_extension: u64,
}

impl TarReader {
    /// A reader that accepts this many members and this many bytes in one extension header.
    pub(super) fn new(most_members: usize, most_extension: u64) -> Self {
        TarReader {
            state: TarState::Header,
            held: Vec::new(),
            position: 0,
            zeros: 0,
            long_path: None,
            long_link: None,
            size: None,
            members: 0,
            most_members,
            most_extension,
        }
    }

    /// Reads the next bytes of the stream.
    ///
    /// # Errors
    /// They are no tar stream, break a limit, or the visitor refuses them.
    pub(super) fn feed(&mut self, mut bytes: &[u8], visitor: &mut dyn Visitor) -> Result<(), String> {
        while !bytes.is_empty() {
            let wanted = match &self.state {
                TarState::Header => (BLOCK - self.held.len()) as u64,
                TarState::Extension { left, padding, .. } => left + padding,
                TarState::Content { left, .. } => *left,
                TarState::Padding { left } => *left,
                TarState::End => u64::MAX,
            };
            let (now, rest) = bytes.split_at(wanted.min(bytes.len() as u64) as usize);
            bytes = rest;
            self.position += now.len() as u64;
            self.step(now, visitor)?;
        }
        Ok(())
    }

    fn step(&mut self, now: &[u8], visitor: &mut dyn Visitor) -> Result<(), String> {
        match &mut self.state {
            TarState::Header => {
                visitor.framing(now)?;
                self.held.extend_from_slice(now);
                if self.held.len() == BLOCK {
                    self.header(visitor)?;
                }
            }
            TarState::Extension { kind, left, padding } => {
                visitor.framing(now)?;
                let content = now.len().min(*left as usize);
                self.held.extend_from_slice(&now[..content]);
                *left -= content as u64;
                *padding -= (now.len() - content) as u64;
                if *left == 0 && *padding == 0 {
                    let kind = *kind;
                    self.extension(kind)?;
                }
            }
            TarState::Content { left, padding } => {
                visitor.content(now)?;
                *left -= now.len() as u64;
                if *left == 0 {
                    let padding = *padding;
                    self.state = after_content(padding);
                    visitor.end()?;
                }
            }
            TarState::Padding { left } => {
                visitor.framing(now)?;
                *left -= now.len() as u64;
                if *left == 0 {
                    self.state = TarState::Header;
                }
            }
            TarState::End => {
                // What comes out of a stream that is refused does not depend on where it is cut either.
                let zeros = now.iter().take_while(|&&byte| byte == 0).count();
                visitor.framing(&now[..zeros])?;
                (zeros == now.len()).then_some(()).ok_or("bytes follow the end of the archive")?;
            }
        }
        Ok(())
    }

    fn header(&mut self, visitor: &mut dyn Visitor) -> Result<(), String> {
        let block = std::mem::take(&mut self.held);
        if block.iter().all(|&byte| byte == 0) {
            self.zeros += 1;
            if self.zeros == 2 {
                self.state = TarState::End;
            }
            return Ok(());
        }
        if self.zeros > 0 {
            return Err("a header follows an empty block".into());
        }
        self.members += 1;
        if self.members > self.most_members {
            return Err(format!("it has more than {} members", self.most_members));
        }
        let header = Header::from_byte_slice(&block);
        if !has_its_checksum(&block, header) {
            let at = self.position - BLOCK as u64;
            // What has not even the mark of a tar archive was never one.
            let is_one = at > 0 || block[257..262] == *b"ustar";
            let damaged = format!("the header at byte {at} is damaged");
            return Err(if is_one { damaged } else { "it does not begin as a tar archive does".to_owned() });
        }
        let kind = header.entry_type();
        let declared = header.entry_size().map_err(|_| "a header has a size that is no number".to_owned())?;
        if kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_local_extensions() || is_global(kind) {
            if declared > self.most_extension {
                return Err(format!("an extended header has {declared} bytes; the limit is {}", self.most_extension));
            }
            self.state = TarState::Extension { kind, left: declared, padding: padding_of(declared) };
            if declared == 0 {
                self.extension(kind)?;
            }
            return Ok(());
        }
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| format!("the name '{}' is no UTF-8", bytes.escape_ascii()))
        };
        let path = match self.long_path.take() {
            Some(path) => path,
            None => text(&header.path_bytes())?,
        };
        let link = match self.long_link.take() {
            Some(link) => link,
            None => text(&header.link_name_bytes().unwrap_or_default())?,
        };
        let size = self.size.take().unwrap_or(declared);
        let kind = match kind {
            EntryType::Regular | EntryType::Continuous => MemberKind::File,
            EntryType::Directory => MemberKind::Directory,
            EntryType::Symlink => MemberKind::SymbolicLink(link),
            EntryType::Link => MemberKind::HardLink(link),
            other => return Err(format!("the member '{path}' is {}: no image archive has one", named(other))),
        };
        // Some writers repeat the target's size in a hard link's header; no content follows it.
        let size = if kind == MemberKind::File { size } else { 0 };
        visitor.begin(Member { path, kind, size, offset: self.position })?;
        if size == 0 {
            self.state = TarState::Header;
            visitor.end()
        } else {
            self.state = TarState::Content { left: size, padding: padding_of(size) };
            Ok(())
        }
    }

    fn extension(&mut self, kind: EntryType) -> Result<(), String> {
        let held = std::mem::take(&mut self.held);
        self.state = TarState::Header;
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            String::from_utf8(bytes[..end].to_vec()).map_err(|_| "a long name is no UTF-8".to_owned())
        };
        if kind.is_gnu_longname() {
            self.long_path = Some(text(&held)?);
        } else if kind.is_gnu_longlink() {
            self.long_link = Some(text(&held)?);
        } else if kind.is_pax_local_extensions() {
            for record in PaxRecords(&held) {
                let (key, value) = record?;
                match key {
                    b"path" => self.long_path = Some(text(value)?),
                    b"linkpath" => self.long_link = Some(text(value)?),
                    b"size" => {
                        let size = str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                        self.size = Some(size.ok_or("a pax header has a size that is not a number")?);
                    }
                    key if key.starts_with(b"GNU.sparse") => return Err("a member is sparse".into()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// To be called when the stream is at its end.
    ///
    /// # Errors
    /// The archive is not whole.
    pub(super) fn finish(&self) -> Result<(), String> {
        match self.state {
            TarState::End => Ok(()),
            // GNU tar warns and goes on when only one of the two empty blocks is there; Docker too.
            TarState::Header if self.held.is_empty() && self.members > 0 && self.long_path.is_none() => Ok(()),
            TarState::Header if self.position < BLOCK as u64 => {
                Err(format!("it is no tar archive: it has {} bytes", self.position))
            }
            _ => Err(format!("it ends too early, after {} bytes", self.position)),
        }
    }
}

/// Whether the sum of a header's bytes is that which it says: of unsigned bytes, as POSIX has it, or of signed ones, as some
/// old programs wrote.
fn has_its_checksum(block: &[u8], header: &Header) -> bool {
    let bytes = || block[..148].iter().chain(&block[156..]).copied();
    let unsigned: i64 = bytes().map(i64::from).sum::<i64>() + 8 * 32;
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum::<i64>() + 8 * 32;
    header.cksum().is_ok_and(|sum| [unsigned, signed].contains(&i64::from(sum)))
}

/// What a member is that has no place here.
fn named(kind: EntryType) -> String {
    match kind {
        EntryType::Char | EntryType::Block => "a device".to_owned(),
        EntryType::Fifo => "a pipe".to_owned(),
        EntryType::GNUSparse => "a sparse file".to_owned(),
        other => format!("of the kind '{}'", other.as_byte().escape_ascii()),
    }
}

fn is_global(kind: EntryType) -> bool {
    kind.is_pax_global_extensions()
}

fn padding_of(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn after_content(padding: u64) -> TarState {
    if padding == 0 { TarState::Header } else { TarState::Padding { left: padding } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen {
        all: Vec<u8>,
        members: Vec<(Member, Vec<u8>)>,
    }

    impl Visitor for Seen {
        fn framing(&mut self, bytes: &[u8]) -> Result<(), String> {
            self.all.extend_from_slice(bytes);
            Ok(())
        }
        fn begin(&mut self, member: Member) -> Result<(), String> {
            self.members.push((member, Vec::new()));
            Ok(())
        }
        fn content(&mut self, bytes: &[u8]) -> Result<(), String> {
            self.all.extend_from_slice(bytes);
            self.members.last_mut().expect("begun").1.extend_from_slice(bytes);
            Ok(())
        }
        fn end(&mut self) -> Result<(), String> {
            let (member, content) = self.members.last().expect("begun");
            assert_eq!(member.size, content.len() as u64);
            Ok(())
        }
    }

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, size) in [("a".to_owned(), 0), ("b/c".to_owned(), 700), (format!("long/{}", "x".repeat(200)), 512)] {
            let mut header = Header::new_gnu();
            header.set_size(size);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, &vec![7u8; size as usize][..]).expect("memory");
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "l", "../b/c").expect("memory");
        builder.into_inner().expect("memory")
    }

    #[test]
    fn every_byte_and_every_member_comes_out_however_the_stream_is_cut() {
        let bytes = archive();
        for step in [1, 7, 511, 512, 513, 100_000] {
            let (mut reader, mut seen) = (TarReader::new(100, 10_000), Seen::default());
            for part in bytes.chunks(step) {
                reader.feed(part, &mut seen).expect("valid");
            }
            reader.finish().expect("whole");
            assert!(seen.all == bytes);
            let names: Vec<_> = seen.members.iter().map(|(member, _)| member.path.len()).collect();
            assert_eq!(names, [1, 3, 205, 1]);
            assert_eq!(seen.members[3].0.kind, MemberKind::SymbolicLink("../b/c".into()));
            for (member, content) in &seen.members {
                assert_eq!(&bytes[member.offset as usize..][..content.len()], &content[..]);
            }
        }
    }

    #[test]
    fn a_cut_or_damaged_archive_is_an_error() {
        let bytes = archive();
        let read = |bytes: &[u8]| {
            let mut reader = TarReader::new(100, 10_000);
            reader.feed(bytes, &mut Seen::default()).and_then(|()| reader.finish())
        };
        for cut in [0, 1, 511, 513, 1200, 1536 + 100] {
            let why = read(&bytes[..cut]).expect_err("cut");
            assert_eq!(why.contains("no tar archive"), cut < 512, "cut at {cut}: {why}");
        }
        for other in [&b"070701"[..], b"#!/usr/bin/env run-singularity\n", b"PAR1"] {
            let other = [other, &[b'x'; 600]].concat();
            assert!(read(&other).expect_err("no archive").contains("not begin as a tar archive"));
        }
        let mut damaged = bytes.clone();
        damaged[3] ^= 1;
        assert!(read(&damaged).expect_err("damaged").contains("the header at byte 0 is damaged"));
        // The sum of signed bytes: a byte beyond 127 makes it less by 256.
        let mut signed = bytes.clone();
        signed[345] = 0xff;
        let sum = |bytes: &[u8]| bytes[..148].iter().chain(&bytes[156..512]).map(|&byte| u32::from(byte)).sum::<u32>();
        let sum = sum(&signed) + 8 * 32 - 256;
        signed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(!read(&signed).is_err_and(|why| why.contains("damaged")));
        assert!(TarReader::new(2, 10_000).feed(&bytes, &mut Seen::default()).expect_err("bomb").contains("members"));
        assert!(TarReader::new(100, 100).feed(&bytes, &mut Seen::default()).expect_err("bomb").contains("extended"));
    }
}
