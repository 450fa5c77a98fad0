//! The medium that a bundle travels on: what it is, and whether it holds what was written to it.
//!
//! ```text
//! file_system   what is mounted there, and what it cannot do
//! copy          onto it, synced while it is written; only what is not right yet
//! again         what is there already, looked at and put right in a few places
//! read_back     from the medium itself, past the cache
//! ```

pub mod again;
pub mod copy;
pub mod file_system;
mod read_back;
