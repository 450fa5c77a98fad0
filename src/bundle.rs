//! The bundle, format 1: one file that carries a folder and gives every byte of it back.
//!
//! ```text
//! header    launcher (POSIX sh) and runtime (gzip)      what makes the file start itself on site
//! payload   one tar stream, cut into independent zstd frames
//! index     zstd skippable frame: what is where, in JSON
//! trailer   zstd skippable frame of fixed size: where the index is, its digest, the total length
//! ```
//!
//! From the payload to the end the file is a valid `.tar.zst`. `docs/format.md` describes every byte.
//! [`write()`] makes a bundle, [`Bundle`] reads one; no byte leaves it before its frame's digest was compared.

mod access;
mod artifact_proof;
mod beside;
mod buffer_pool;
mod carried;
mod cat;
mod checksum_file;
mod contents;
mod damage;
mod division;
mod entry_check;
mod extract;
mod files;
mod footprint;
mod format;
mod frame_cache;
pub(crate) mod fuzzing;
mod image_union;
mod in_volumes;
mod index;
mod index_read;
mod interpreter;
mod launcher;
mod layout;
mod lookup;
mod next_step;
mod parts;
mod payload;
mod preset;
mod product_check;
mod proof;
mod proved_files;
mod proved_frame;
mod read;
mod runtime;
mod script_check;
mod script_fault;
mod seal;
mod sink;
mod stack_check;
mod stream;
mod tar_check;
mod tar_member;
mod volume_places;
mod volume_table;
mod volumes;
mod write;

pub use access::{Authenticity, BundleAccess};
pub use beside::not_beside;
pub use carried::{Carried, CarriedArtifact, LARGEST_SMALL, is_small};
pub use cat::{Wanted, cat, no_such_file};
pub use checksum_file::{checksum_line, checksum_of_the_whole};
pub use contents::Contents;
pub use damage::{BundlePart, Damage, verify};
pub use division::Division;
pub use extract::{extract, extract_all, extract_some};
pub use files::VolumePlace;
pub use footprint::Footprint;
pub use in_volumes::is_in_volumes;
pub use index::Index;
pub use interpreter::Interpreter;
pub use launcher::header;
pub use layout::{Frame, PayloadEntry};
pub use next_step::compare_bundle;
pub use payload::{FileContent, OpenStream, PayloadFile};
pub use preset::Preset;
pub use product_check::check_product;
pub use proof::{Scope, prove};
pub use read::Bundle;
pub use runtime::Runtime;
pub use script_check::check_scripts;
pub use seal::seal;
pub use stack_check::check_stacks;
pub use stream::EntryReader;
pub use volume_places::{
    AskForVolume, VOLUMES_VARIABLE, VolumeAnswer, WantedVolume, ask_for_volumes, look_for_volumes_in, volumes_variable,
};
pub use volume_table::{Volume, volume_beside};
pub use write::{BundleSpec, Written, write};
