//! Parity beside a file, `x.run.parity`: what a medium damaged can be computed again.
//!
//! ```text
//! head       what the file is, and how it is divided
//! table      a short digest of every sector, of the file's and of the parity's
//! parity     Reed-Solomon over GF(2^16), the groups interleaved
//! table      again
//! head       again
//! ```
//!
//! A file is divided into sectors of 4 KiB, and sector `s` belongs to group `s mod groups`: a burst hits all groups alike.
//! [`encode`](mod@encode) makes the parity, [`scan`] finds the sectors that are wrong, [`rebuild`] computes them again.
//! [`map`] says which ranges of a file are wrong, and [`patch`] carries these out of a good copy.
//!
//! Nothing here is believed: whoever repairs a bundle checks it afterwards by the digests in it. `docs/format.md`
//! describes every byte.
//!
//! Every module is reached by its own path, so that a program which only repairs has no encoder in it.

pub mod encode;
mod head;
pub mod layout;
pub mod map;
pub mod patch;
pub mod rebuild;
pub mod scan;
pub mod sectors;
pub mod sidecar;
mod table;
pub mod target;
