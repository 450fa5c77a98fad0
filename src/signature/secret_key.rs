//! A publisher's secret key: made, read from a file, and signing. The only part that takes the whole of minisign.

use std::io::{self, Cursor, Read};
use std::path::Path;

use minisign::{ErrorKind, KeyPair, SecretKeyBox, SignatureBox};

use super::{LIMIT, PublicKey};
use crate::digest::BoundedReader;
use crate::error::{Error, IoContext, Result};
use crate::language::tr;
use crate::small_file;

/// A publisher's secret key. Nothing prints it.
pub struct SecretKey(minisign::SecretKey);

impl SecretKey {
    /// Reads a key file; `password` is asked for one only when the key has one.
    ///
    /// # Errors
    /// The file cannot be read, is no secret key, or the password is wrong.
    pub fn read(path: &Path, password: impl FnOnce() -> Result<String>) -> Result<Self> {
        let no_key = || {
            Error::failed(tr!("this is no secret key"))
                .fact("path", path.display())
                .hint(tr!("name the .key file that 'pack keygen' or minisign wrote"))
        };
        let mut content = String::new();
        // It may be a pipe, as in `--key <(command)`, or a device that never ends.
        let file = small_file::open_or_pipe(path);
        match file.and_then(|file| BoundedReader::new(file, LIMIT).read_to_string(&mut content)) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(no_key()),
            other => other.doing("read the secret key", path)?,
        };
        if let Some(reason) = instead_of_secret(&content) {
            return Err(no_key().fact("reason", reason));
        }
        let parse = || SecretKeyBox::from_string(&content).map_err(|_| no_key());
        match parse()?.into_unencrypted_secret_key() {
            Ok(key) => return Ok(SecretKey(key)),
            Err(error) if matches!(error.kind(), ErrorKind::Verify) => {
                return Err(Error::failed(tr!(
                    "this secret key without a password cannot be checked, and is not used"
                ))
                .fact("path", path.display())
                .fact("reason", tr!("its checksum is missing or wrong; minisign -W writes none"))
                .hint(tr!("make a key with 'pack keygen --no-password', or one with a password")));
            }
            Err(_) => {}
        }
        parse()?.into_secret_key(Some(password()?)).map(SecretKey).map_err(|_| {
            Error::failed(tr!("the secret key cannot be opened: the password is wrong"))
                .fact("path", path.display())
                .hint(tr!("try again with the right password"))
        })
    }

    /// Signs `content`; `comment` is signed too. The text of a `.minisig` file.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(&self, content: &[u8], comment: &str) -> Result<String> {
        minisign::sign(None, &self.0, Cursor::new(content), Some(comment), Some("signature made by pack"))
            .map(SignatureBox::into_string)
            .map_err(|cause| {
                let error = Error::failed(tr!("cannot sign")).fact("cause", cause);
                error.hint(tr!("see whether the key signs with the stock program, or make another: pack keygen"))
            })
    }
}

/// What `content` is where it does not have the form of a secret key. A key under a password cannot be told from noise
/// otherwise, and the password would be blamed.
fn instead_of_secret(content: &str) -> Option<String> {
    // 158 bytes: Ed25519 (`Ed`), scrypt (`Sc`) or no password (two zeros), BLAKE2b (`B2`), then numbers only.
    let is_secret = |line: &str| line.len() == 212 && (line.starts_with("RWRTY0Iy") || line.starts_with("RWQAAEIy"));
    let is_public = |line: &str| PublicKey::from_base64(line.trim()).is_some();
    match content.lines().nth(1) {
        Some(line) if is_secret(line) => None,
        _ if content.trim().is_empty() => Some(tr!("it is empty")),
        _ if content.lines().any(is_public) => Some(tr!("it is a public key, which others check with")),
        _ => Some(tr!("it does not have the form of one")),
    }
}

/// A new pair of keys: the texts of a `.pub` and of a `.key` file, the latter under `password` if any.
///
/// # Errors
/// The system has no randomness to give.
pub fn generate(password: Option<String>) -> Result<(String, String)> {
    let pair = match password {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        None => KeyPair::generate_unencrypted_keypair(),
    };
    let texts = pair.and_then(|pair| {
        let public = pair.pk.to_box()?.into_string();
        let secret = pair.sk.to_box(Some("pack secret key: keep it to yourself"))?.into_string();
        Ok((public, secret))
    });
    texts.map_err(|cause| {
        let error = Error::failed(tr!("cannot make a key pair")).fact("cause", cause);
        error.hint(tr!("try again; where the system has no randomness yet, wait until it has"))
    })
}
