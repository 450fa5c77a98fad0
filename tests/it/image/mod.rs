//! Image archives: read, refused, shared by layer, and rebuilt bit for bit.

mod archives;
mod bundles;
mod compressors;
mod damage;
mod hostile;
mod limits;
mod progress;
mod refused;
mod shared;
mod unusual;
