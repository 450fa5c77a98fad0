//! The commands as they are typed, and what they print.

mod by_hand;
mod diff;
mod download;
mod mistaken;
mod next_step;
mod odd_names;
mod origin;
mod peak_memory;
mod pipes;
mod room;
mod signed;
mod terminal;
mod typed;
mod usage;
mod width;
