//! Folders packed into bundles, and bundles read back.

mod cat;
mod contradiction;
mod damage;
mod forged;
mod format_1;
mod hostile;
mod lock;
mod over_a_folder;
mod pubkey;
mod round_trip;
