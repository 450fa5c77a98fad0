//! Signatures in minisign's format (jedisct1's minisign, Ed25519): the stock program verifies ours, which are
//! prehashed, and we verify its, of the legacy format too.

mod secret_key;

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;

use minisign_verify::Signature;

pub use secret_key::{SecretKey, generate};

use crate::digest::BoundedReader;
use crate::error::{Error, IoContext, Result};
use crate::language::tr;
use crate::small_file;

/// What is appended to a file's name for its signature.
pub const EXTENSION: &str = "minisig";
/// The most that a signature's text can have, in bytes.
pub const LIMIT: u64 = 64 << 10;
/// How a signature's text begins.
const COMMENT_PREFIX: &str = "untrusted comment: ";

/// Whether `text` has the form of a signature, by any key.
pub fn is_signature(text: &str) -> bool {
    decode(text).is_some()
}

/// Reads a `.minisig` file's text.
fn decode(text: &str) -> Option<Signature> {
    let has_form = text.starts_with(COMMENT_PREFIX);
    has_form.then(|| Signature::decode(text).ok()).flatten()
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
        let signature = decode(text)?;
        let key_id = key_id(text.lines().nth(1)?)?;
        Some(SignatureClaim { key_id, comment: signature.trusted_comment().to_owned() })
    }
}

/// The ID in the base64 of a key or signature, as minisign prints it. After two bytes that tell the algorithm come the
/// eight of the ID, a little-endian number.
fn key_id(base64: &str) -> Option<String> {
    let mut bits = 0u128;
    // Sixteen letters are twelve bytes.
    for letter in base64.as_bytes().get(..16)? {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u128::from(value);
    }
    let id = (bits >> 16) as u64;
    Some(format!("{:016X}", id.swap_bytes()))
}

/// Whether `text` can only be meant as the name of a file: base64 has no dot, and a key's text lines or spaces. A slash
/// may be base64's, but not where a folder of that name is there.
fn is_file_name(text: &str) -> bool {
    let in_folder = || Path::new(text).parent().is_some_and(|folder| !folder.as_os_str().is_empty() && folder.is_dir());
    match text.contains(char::is_whitespace) {
        true => text.ends_with(".pub") && !text.contains(char::is_control),
        false => text.contains('.') || in_folder(),
    }
}

/// A publisher's public key.
#[derive(Debug, Clone)]
pub struct PublicKey {
    key: minisign_verify::PublicKey,
    /// As minisign prints it.
    text: String,
}

/// As minisign prints it.
impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl PublicKey {
    /// Reads `text`: a key as minisign prints it (`RW…`), else the path of a `.pub` file.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: impl AsRef<OsStr>) -> Result<Self> {
        let path = Path::new(text.as_ref());
        // What is no text can only be a path.
        let text = path.to_str();
        if let Some(key) = text.and_then(Self::from_base64) {
            return Ok(key);
        }
        let no_key = || {
            let error = Error::usage(tr!("this is no public key"));
            // A file's name is shown; what may be a secret key, or a part of one, never is.
            let error = if text.is_none_or(is_file_name) { error.fact("path", path.display()) } else { error };
            error.hint(tr!("give a key that begins with RW, or the .pub file that 'pack keygen' or minisign wrote"))
        };
        if !path.exists() && text.is_none_or(is_file_name) {
            return Err(Error::usage(tr!("the file of the public key is not there"))
                .fact("path", path.display())
                .hint(tr!(
                    "name the .pub file that the publisher sent, or give the key itself, which begins with RW"
                )));
        }
        if !path.exists() || path.is_dir() {
            return Err(no_key());
        }
        // It may be a pipe, as in `--pubkey <(command)`, or a device that never ends.
        let mut content = String::new();
        let read = small_file::open_or_pipe(path)
            .and_then(|file| BoundedReader::new(file, LIMIT).read_to_string(&mut content));
        match read {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(no_key()),
            other => other.doing("read the public key", path)?,
        };
        content.lines().nth(1).and_then(Self::from_base64).ok_or_else(no_key)
    }

    /// Reads a key as minisign prints it.
    pub fn from_base64(text: &str) -> Option<Self> {
        let key = minisign_verify::PublicKey::from_base64(text).ok()?;
        Some(PublicKey { key, text: text.to_owned() })
    }

    /// Its ID, as minisign prints it: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        key_id(&self.text).unwrap_or_default()
    }

    /// The text of its `.pub` file, as minisign writes one.
    pub fn file_text(&self) -> String {
        format!("{COMMENT_PREFIX}minisign public key {}\n{self}\n", self.id())
    }

    /// Checks that `signature` (a `.minisig` file's text) is this key's for `content`; its trusted comment.
    /// `what` names the content in an error.
    ///
    /// # Errors
    /// It is not.
    pub fn verify(&self, content: &[u8], signature: &str, what: &str) -> Result<String> {
        let wrong = |why: &str| {
            Error::integrity(tr!("the signature is not right"))
                .fact("signed", what)
                .fact("key", &self.text)
                .fact("reason", why)
                .hint(tr!("do not use it: ask the publisher which key signs, and get the file again"))
        };
        let signature = decode(signature).ok_or_else(|| wrong(&tr!("it is no minisign signature")))?;
        // Signatures of the format before minisign 0.8, or made with its -l, count as with the stock program.
        self.key.verify(content, &signature, true).map_err(|cause| match cause {
            minisign_verify::Error::UnexpectedKeyId => wrong(&tr!("it was made with another key")),
            _ => wrong(&tr!("the content is not what was signed")),
        })?;
        Ok(signature.trusted_comment().to_owned())
    }

    /// The error for `what` when a key was given and there is no signature at all.
    pub fn unsigned(&self, what: &str) -> Error {
        Error::integrity(tr!("this is not signed, and a key was given"))
            .fact("unsigned", what)
            .fact("key", &self.text)
            .hint(tr!("ask the publisher for the signature: it is made with 'pack sign manifest.json'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key, and its signature of the content `test`, from minisign's documentation.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1633700835\tfile:test\tprehashed
wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==
";

    #[test]
    fn a_signature_that_is_not_this_keys_says_why() {
        let key = PublicKey::parse(KEY).expect("a key");
        let comment = "timestamp:1633700835\tfile:test\tprehashed";
        assert_eq!(key.verify(b"test", SIGNATURE, "x").expect("right"), comment);
        let reason = |content: &[u8], signature: &str| {
            let error = key.verify(content, signature, "x").expect_err("wrong");
            let reason = error.facts().iter().find(|(name, _)| *name == "reason").expect("a reason");
            reason.1.clone()
        };
        assert_eq!(reason(b"tent", SIGNATURE), "the content is not what was signed");
        assert_eq!(reason(b"test", &SIGNATURE.replace("file:test", "file:tent")), "the content is not what was signed");
        assert_eq!(reason(b"test", &SIGNATURE.replace("RUQf", "RUQg")), "it was made with another key");
        for broken in ["", &SIGNATURE[1..], &SIGNATURE[..150], &SIGNATURE.replace("trusted comment: t", "t")] {
            assert_eq!(reason(b"test", broken), "it is no minisign signature");
            assert!(!is_signature(broken) && SignatureClaim::read(broken).is_none());
        }
        // Four letters less: too short for a signature of the comment.
        assert_eq!(reason(b"test", &SIGNATURE.replace("AgAooBQ==", "AgA==")), "it is no minisign signature");
    }

    #[test]
    fn a_key_and_its_signatures_show_one_id() {
        let id = "E7620F1842B4E81F";
        assert_eq!(PublicKey::parse(KEY).expect("a key").id(), id);
        assert_eq!(SignatureClaim::read(SIGNATURE).expect("a signature").key_id, id);
        // `+` and `/` too: three IDs in ten have one of them.
        assert_eq!(key_id("AAAAAAAAAAAAAAAA").as_deref(), Some("0000000000000000"));
        assert_eq!(key_id("RW//////////////").as_deref(), Some("FFFFFFFFFFFFFFFF"));
        assert_eq!(key_id("RWQ+//ABYZabyz01").as_deref(), Some("CB9B966101F0FF3E"));
        assert_eq!(key_id("RW-_AAAAAAAAAAAA"), None, "the base64 of URLs");
        let (public, _) = generate(None).expect("a pair");
        let key = PublicKey::parse(public.lines().nth(1).expect("the key")).expect("a key");
        assert!(public.lines().next().is_some_and(|comment| comment.ends_with(&key.id())), "{public}");
    }
}
