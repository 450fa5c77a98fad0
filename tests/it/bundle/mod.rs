//! Folders packed into bundles, and bundles read back.

mod cat;
mod damage;
mod forged;
mod format_1;
mod hostile;
mod lock;
mod pubkey;
mod round_trip;
