//! A publisher's pair of keys, as files.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::path::shell_word;
use crate::signature;
use crate::staged_file::StagedFile;

/// A pair of keys that was written.
#[derive(Debug)]
pub struct Report {
    /// The secret key's file.
    pub secret: PathBuf,
    /// The public key's file.
    pub public: PathBuf,
    /// The public key in one line, as `--pubkey` takes it.
    pub key: String,
}

/// Makes a pair of keys and writes `name.key` (mode 0600) and `name.pub`. `password` is asked for a password once it is
/// clear that nothing is in the way; `None` leaves the secret key without one.
///
/// # Errors
/// One of the files is there already, there is no password, or the disk refuses.
pub fn run(name: &Path, password: impl FnOnce() -> Result<Option<String>>) -> Result<Report> {
    let with_ending = |ending: &str| {
        let mut path = name.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    let (secret_path, public_path) = (with_ending(".key"), with_ending(".pub"));
    for path in [&secret_path, &public_path] {
        if path.exists() {
            return Err(Error::failed("a key is there already: it is not overwritten")
                .fact("path", path.display())
                .hint(format_args!("choose another name: pack keygen {}", shell_word(&with_ending("-2")))));
        }
    }
    let (public, secret) = signature::generate(password()?)?;
    StagedFile::write(&secret_path, secret.as_bytes(), 0o600)?;
    StagedFile::write(&public_path, public.as_bytes(), 0o644)?;
    let key = public.lines().nth(1).unwrap_or_default().to_owned();
    Ok(Report { secret: secret_path, public: public_path, key })
}
