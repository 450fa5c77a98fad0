//! Secrets.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{IoContext, Result};

/// 192 bits of the kernel's generator, in hexadecimal.
///
/// # Errors
/// It gives none.
pub(super) fn random_hex() -> Result<String> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 24];
    File::open(path).doing("open", path)?.read_exact(&mut bytes).doing("read", path)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
