//! The file given with `--cacert`.

use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::certificate::Certificate;
use crate::digest::BoundedReader;
use crate::error::{Error, Result};
use crate::small_file;

/// The most that it can have, in bytes; the list of all public authorities has 220 kB.
const LIMIT: u64 = 16 << 20;

/// The certificates in it, at least one.
///
/// # Errors
/// It cannot be read, or is something else; the error says what.
pub(super) fn read(path: &Path) -> Result<Vec<Certificate>> {
    let mut text = Vec::new();
    let file = small_file::open_or_pipe(path);
    let found = match file.and_then(|file| BoundedReader::new(file, LIMIT).read_to_end(&mut text)) {
        Ok(_) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(format!("it has {error}")),
        Err(cause) => return Err(Error::io("read the certificates", path, cause)),
    };
    found.map_err(|why| {
        Error::usage("the file given with --cacert holds no certificate that can be used")
            .fact("path", path.display())
            .fact("reason", why)
            .hint("give a PEM file: it has lines '-----BEGIN CERTIFICATE-----'")
    })
}

fn parse(text: &[u8]) -> std::result::Result<Vec<Certificate>, String> {
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let read: std::result::Result<Vec<_>, String> = match &found {
        Ok(found) => found.iter().map(Certificate::read).collect(),
        Err(why) => Err(why.to_string()),
    };
    let has = |words: &str| text.windows(words.len()).any(|window| window == words.as_bytes());
    let why = match read {
        Ok(found) if !found.is_empty() => return Ok(found),
        Err(why) if has("-----BEGIN CERTIFICATE-----") => return Err(format!("a certificate in it is damaged: {why}")),
        _ if has("PRIVATE KEY-----") => "it is a private key: keep it secret, and give the certificate beside it",
        _ if has("-----BEGIN CERTIFICATE REQUEST-----") => "it is a request for a certificate, which nobody signed yet",
        _ if has("-----BEGIN PUBLIC KEY-----") => "it is a public key: give the certificate that holds it",
        _ if has("-----BEGIN TRUSTED CERTIFICATE-----") => {
            "it is in OpenSSL's own form: convert it with 'openssl x509 -in FILE -out ca.pem'"
        }
        _ if has("-----BEGIN PKCS7-----") => {
            "it is in PKCS #7 form: convert it with 'openssl pkcs7 -print_certs -in FILE -out ca.pem'"
        }
        _ if text.first() == Some(&0x30) => "it is in DER form: convert it with 'openssl x509 -inform der -out ca.pem'",
        _ if text.is_empty() => "it is empty",
        _ => "it has no line '-----BEGIN CERTIFICATE-----'",
    };
    Err(why.to_owned())
}
