//! Folders packed into bundles, and bundles read back.

mod cat;
mod damage;
mod format_1;
mod hostile;
mod lock;
mod round_trip;
