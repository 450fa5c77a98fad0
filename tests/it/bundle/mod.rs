//! Folders packed into bundles, and bundles read back.

mod cat;
mod contradiction;
mod damage;
mod detached;
mod forged;
mod forged_images;
mod format_1;
mod hostile;
mod limits;
mod lock;
mod over_a_folder;
mod product;
mod proved;
mod pubkey;
mod round_trip;
pub(crate) mod second_reader;
mod several_frames;
