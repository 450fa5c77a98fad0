//! The bundle, format 1: one file that carries a folder and gives every byte of it back.
//!
//! ```text
//! header    launcher (POSIX sh) and runtime (gzip)      made by `site`; to this module, opaque bytes
//! payload   one tar stream, cut into independent zstd frames
//! index     zstd skippable frame: what is where, in JSON
//! trailer   zstd skippable frame of fixed size: where the index is, its digest, the total length
//! ```
//!
//! From the payload to the end the file is a valid `.tar.zst`. `docs/format.md` describes every byte.
//! [`write()`] makes a bundle, [`Bundle`] reads one; no byte leaves it before its frame's digest held.

mod cat;
mod closure;
mod compression;
mod damage;
mod extract;
mod format;
mod frames;
mod gather;
mod images;
mod index;
mod payload;
mod read;
mod shares;
mod spare;
mod stream;
mod target;
mod write;

pub use cat::{Wanted, cat, no_such_file};
pub use closure::check_closure;
pub use compression::Compression;
pub use damage::{Damage, Part, verify};
pub use extract::{extract, extract_all, extract_some, prove};
pub use gather::{Gathered, gather};
pub use images::Form;
pub use index::{CarriedArtifact, Entry, Frame, Index};
pub use payload::{Content, Open, Source};
pub use read::Bundle;
pub use shares::Share;
pub use stream::EntryReader;
pub use write::{Plan, Written, write};
