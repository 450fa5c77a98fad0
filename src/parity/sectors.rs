//! Reading a file in sectors where any of them may be unreadable.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use super::layout::{Layout, SECTOR};

/// A file's sectors; the last one is filled up with zeros.
#[derive(Debug, Clone, Copy)]
pub struct Sectors<'a> {
    file: &'a File,
    layout: &'a Layout,
}

impl<'a> Sectors<'a> {
    /// The sectors of `file`, which should have the length that `layout` says.
    pub fn new(file: &'a File, layout: &'a Layout) -> Self {
        Sectors { file, layout }
    }

    /// How they are divided.
    pub fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// Fills `buffer`, of whole sectors, from sector `first` on. Returns whether all of it could be read: a file that is
    /// too short and a device that fails are the same here. What lies behind the end is zeros.
    pub fn read(&self, first: u64, buffer: &mut [u8]) -> bool {
        let offset = first * SECTOR;
        let there = self.layout.length().saturating_sub(offset).min(buffer.len() as u64) as usize;
        let (bytes, beyond) = buffer.split_at_mut(there);
        beyond.fill(0);
        read_at(self.file, bytes, offset)
    }
}

/// Whether all of `bytes` could be read from `offset` on.
pub(super) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> bool {
    while !bytes.is_empty() {
        match file.read_at(bytes, offset) {
            Ok(0) => return false,
            Ok(count) => {
                bytes = &mut bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    true
}
