//! A public key of cosign's, whose signature an image in a registry must have to be pinned.

use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use crate::digest::{BoundedReader, Digest};
use crate::error::{Error, Result};
use crate::small_file;

/// The most that its file can have, in bytes; a key of RSA with 8,192 bits has 1.4 kB.
const LIMIT: u64 = 64 << 10;

/// The public key of a pair that `cosign generate-key-pair` made, or of any other that cosign signs with.
#[derive(Debug, Clone)]
pub struct CosignKey {
    path: PathBuf,
    key: SubjectPublicKeyInfoDer<'static>,
}

impl CosignKey {
    /// Reads a key from a PEM file, such as `cosign.pub`.
    ///
    /// # Errors
    /// The file cannot be read, or holds no public key that signatures can be checked with.
    pub fn read(path: &Path) -> Result<Self> {
        let mut text = Vec::new();
        small_file::open_or_pipe(path)
            .and_then(|file| BoundedReader::new(file, LIMIT).read_to_end(&mut text))
            .map_err(|cause| Error::io("read the key", path, cause))?;
        parse(&text).map(|key| CosignKey { path: path.to_owned(), key }).map_err(|why| {
            Error::usage("the file given with --cosign-key holds no key that can be used")
                .fact("path", path.display())
                .fact("reason", why)
                .hint("give the public key in PEM form: 'cosign public-key --key cosign.key' prints it")
        })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SHA-256 digest of the key in DER form: what `openssl pkey -pubin -in cosign.pub -outform DER | sha256sum` prints.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.key)
    }

    /// Whether `signature` is of `message` and by this key.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        // Nothing but the key says which algorithm was used: each of its kind is tried.
        let Ok(key) = webpki::RawPublicKeyEntity::try_from(&self.key) else { return false };
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        algorithms.all.iter().any(|algorithm| key.verify_signature(*algorithm, message, signature).is_ok())
    }
}

fn parse(text: &[u8]) -> std::result::Result<SubjectPublicKeyInfoDer<'static>, String> {
    let has = |words: &str| text.windows(words.len()).any(|window| window == words.as_bytes());
    let key = SubjectPublicKeyInfoDer::from_pem_slice(text).map_err(|why| {
        let known = if has("PRIVATE KEY-----") {
            "it is a private key: keep it secret, and give the public one beside it"
        } else if has("-----BEGIN CERTIFICATE-----") {
            "it is a certificate: 'openssl x509 -pubkey -noout' prints the key in it"
        } else if !has("-----BEGIN PUBLIC KEY-----") {
            "it has no line '-----BEGIN PUBLIC KEY-----'"
        } else {
            return why.to_string();
        };
        known.to_owned()
    })?;
    let key = key.into_owned();
    match webpki::RawPublicKeyEntity::try_from(&key) {
        Ok(_) => Ok(key),
        Err(why) => Err(format!("the key is damaged: {why}")),
    }
}
