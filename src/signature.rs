//! Signatures in minisign's format (jedisct1's minisign, Ed25519): the stock program verifies ours, which are
//! prehashed, and we verify its, of the legacy format too.

use std::ffi::OsStr;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use minisign::{ErrorKind, KeyPair, PublicKeyBox, SecretKeyBox, SignatureBox};

use crate::error::{Error, IoContext, Result};

/// What is appended to a file's name for its signature.
pub const EXTENSION: &str = "minisig";
/// The most that a signature's text can have, in bytes.
pub const LIMIT: u64 = 64 << 10;

/// Whether `text` has the form of a signature, whoever made it.
pub fn is_signature(text: &str) -> bool {
    SignatureBox::from_string(text).is_ok()
}

/// What a signature says of itself; nothing of it is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureClaim {
    /// The ID of the key that made it, as minisign prints it: 16 hexadecimal digits.
    pub key_id: String,
    /// Its trusted comment.
    pub comment: String,
}

impl SignatureClaim {
    /// Reads a `.minisig` file's text; `None` where it does not have the form of one.
    pub fn read(text: &str) -> Option<Self> {
        let signature = SignatureBox::from_string(text).ok()?;
        Some(SignatureClaim { key_id: hex_id(signature.keynum()), comment: signature.trusted_comment().ok()? })
    }
}

/// A key's ID as minisign prints it: its bytes are a little-endian number.
fn hex_id(number: &[u8]) -> String {
    number.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

/// Whether `text` can only be meant as the name of a file: base64 has no dot, and a key's text lines or spaces.
fn is_file_name(text: &str) -> bool {
    Path::new(text).extension().is_some() && !text.contains(char::is_whitespace)
}

/// A publisher's public key.
#[derive(Debug, Clone)]
pub struct PublicKey(minisign::PublicKey);

impl PublicKey {
    /// Reads `text`: a key as minisign prints it (`RW…`), else the path of a `.pub` file.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Self> {
        let path = Path::new(text.as_ref());
        // What is no text can only be a path.
        let text = path.to_str();
        if let Some(key) = text.and_then(|text| minisign::PublicKey::from_base64(text).ok()) {
            return Ok(PublicKey(key));
        }
        let no_key = || {
            let error = Error::usage("this is no public key");
            // A file's name is shown; what may be a secret key, or a part of one, never is.
            let error = if text.is_none_or(is_file_name) { error.fact("path", path.display()) } else { error };
            error.hint("give a key that begins with RW, or the .pub file that 'pack keygen' or minisign wrote")
        };
        if !path.exists() || path.is_dir() {
            return Err(no_key());
        }
        // It may be a pipe, as in `--pubkey <(command)`, or a device that never ends.
        let mut content = String::new();
        let read = fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut content));
        read.doing("read the public key", path)?;
        PublicKeyBox::from_string(&content).and_then(PublicKeyBox::into_public_key).map(PublicKey).map_err(|_| no_key())
    }

    /// Its ID, as minisign prints it: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        hex_id(self.0.keynum())
    }

    /// Checks that `signature` (a `.minisig` file's text) is this key's for `content`; its trusted comment.
    /// `what` names the content in an error.
    ///
    /// # Errors
    /// It is not.
    pub fn verify(&self, content: &[u8], signature: &str, what: &str) -> Result<String> {
        let wrong = |why: &str| {
            Error::integrity("the signature is not right")
                .fact("signed", what)
                .fact("key", self.0.to_base64())
                .fact("reason", why)
                .hint("do not use it: ask the publisher which key signs, and get the file again")
        };
        let signature = SignatureBox::from_string(signature).map_err(|_| wrong("it is no minisign signature"))?;
        if signature.keynum() != self.0.keynum() {
            return Err(wrong("it was made with another key"));
        }
        // Signatures of the format before minisign 0.8, or made with its -l, count as with the stock program.
        minisign::verify(&self.0, &signature, Cursor::new(content), true, false, true)
            .map_err(|_| wrong("the content is not what was signed"))?;
        signature.trusted_comment().map_err(|_| wrong("it has no trusted comment"))
    }

    /// The error for `what` when a key was given and there is no signature at all.
    pub fn unsigned(&self, what: &str) -> Error {
        Error::integrity("this is not signed, and a key was given")
            .fact("unsigned", what)
            .fact("key", self.0.to_base64())
            .hint("ask the publisher for the signature: it is made with 'pack sign manifest.json'")
    }
}

/// A publisher's secret key. Nothing prints it.
pub struct SecretKey(minisign::SecretKey);

impl SecretKey {
    /// Reads a key file; `password` is asked for one only when the key has one.
    ///
    /// # Errors
    /// The file cannot be read, is no secret key, or the password is wrong.
    pub fn read(path: &Path, password: impl FnOnce() -> Result<String>) -> Result<Self> {
        let content = fs::read_to_string(path).doing("read the secret key", path)?;
        let parse = || {
            SecretKeyBox::from_string(&content).map_err(|_| {
                Error::failed("this is no secret key")
                    .fact("path", path.display())
                    .hint("name the .key file that 'pack keygen' or minisign wrote")
            })
        };
        match parse()?.into_unencrypted_secret_key() {
            Ok(key) => return Ok(SecretKey(key)),
            Err(error) if matches!(error.kind(), ErrorKind::Verify) => {
                return Err(Error::failed("this secret key without a password cannot be checked, and is not used")
                    .fact("path", path.display())
                    .fact("reason", "its checksum is missing or wrong; minisign -W writes none")
                    .hint("make a key with 'pack keygen --no-password', or one with a password"));
            }
            Err(_) => {}
        }
        parse()?.into_secret_key(Some(password()?)).map(SecretKey).map_err(|_| {
            Error::failed("the secret key cannot be opened: the password is wrong")
                .fact("path", path.display())
                .hint("try again with the right password")
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
                let error = Error::failed("cannot sign").fact("cause", cause);
                error.hint("see whether the key signs with the stock program, or make another: pack keygen")
            })
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
        let error = Error::failed("cannot make a key pair").fact("cause", cause);
        error.hint("try again; where the system has no randomness yet, wait until it has")
    })
}
