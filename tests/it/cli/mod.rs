//! The commands as they are typed, and what they print.

mod download;
mod terminal;
mod usage;
