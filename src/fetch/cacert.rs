//! The file given with `--cacert`.

use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH};
use x509_cert::der::{Decode, Reader, SliceReader, Tag, Tagged};

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
    // Editors of Windows put a byte order mark before a text; OpenSSL, and curl with it, passes over it.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let plain = with_one_label(text);
    let read: std::result::Result<Vec<Certificate>, String> = CertificateDer::pem_slice_iter(&plain)
        .filter_map(|found| found.map_err(|why| why.to_string()).and_then(|der| trusted(&der)).transpose())
        .collect();
    let has = |words: &str| text.windows(words.len()).any(|window| window == words.as_bytes());
    let why = match read {
        Ok(found) if !found.is_empty() => return Ok(found),
        Err(why) if has("CERTIFICATE-----") && !has("CERTIFICATE REQUEST-----") => {
            return Err(format!("a certificate in it is damaged: {why}"));
        }
        _ if has("PRIVATE KEY-----") => "it is a private key: keep it secret, and give the certificate beside it",
        _ if has("-----BEGIN CERTIFICATE REQUEST-----") => "it is a request for a certificate, which nobody signed yet",
        _ if has("-----BEGIN PUBLIC KEY-----") => "it is a public key: give the certificate that holds it",
        _ if has("-----BEGIN TRUSTED CERTIFICATE-----") => {
            "it is in OpenSSL's own form, and says in it that it is not for servers: to use it all the same, convert it \
             with 'openssl x509 -in FILE -out ca.pem'"
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

/// `text` with the one label that the library knows where OpenSSL takes another for the same.
fn with_one_label(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let is_other = |label: &&str| line.starts_with(b"-----") && line[5..].starts_with(label.as_bytes());
        let labels = ["BEGIN X509 ", "END X509 ", "BEGIN TRUSTED ", "END TRUSTED "];
        match labels.iter().find(|label| is_other(label) && line[5 + label.len()..].starts_with(b"CERTIFICATE-----")) {
            Some(label) => {
                let word = if label.starts_with("BEGIN") { "-----BEGIN " } else { "-----END " };
                plain.extend(word.as_bytes());
                plain.extend(&line[5 + label.len()..]);
            }
            None => plain.extend(line),
        }
    }
    plain
}

/// The certificate; `None` where what OpenSSL adds to it says that it is not for servers.
fn trusted(found: &CertificateDer<'_>) -> std::result::Result<Option<Certificate>, String> {
    let size = SliceReader::new(found).and_then(|mut reader| {
        AnyRef::decode(&mut reader)?;
        Ok(found.len() - usize::try_from(reader.remaining_len())?)
    });
    let (certificate, added) = found.split_at(size.unwrap_or(found.len()));
    if !is_for_servers(added).map_err(|why| why.to_string())? {
        return Ok(None);
    }
    Certificate::read(&CertificateDer::from(certificate)).map(Some)
}

/// What a TRUSTED CERTIFICATE has after the certificate (OpenSSL's `X509_CERT_AUX`): the uses it is trusted for where that is
/// not any, under `[0]` those that it is not trusted for, a name and a key's ID.
fn is_for_servers(added: &[u8]) -> x509_cert::der::Result<bool> {
    if added.is_empty() {
        return Ok(true);
    }
    let names_servers = |uses: &[u8]| {
        let mut uses = SliceReader::new(uses)?;
        let mut found = false;
        while !uses.is_finished() {
            let id = AnyRef::decode(&mut uses)?;
            found |= [ID_KP_SERVER_AUTH, ANY_EXTENDED_KEY_USAGE].iter().any(|known| known.as_bytes() == id.value());
        }
        Ok::<bool, x509_cert::der::Error>(found)
    };
    let added = AnyRef::from_der(added)?;
    let mut parts = SliceReader::new(added.value())?;
    let mut is_trusted = true;
    while !parts.is_finished() {
        let part = AnyRef::decode(&mut parts)?;
        match part.tag() {
            Tag::Sequence => is_trusted &= names_servers(part.value())?,
            Tag::ContextSpecific { .. } if part.tag().number().value() == 0 => {
                is_trusted &= !names_servers(part.value())?
            }
            _ => {}
        }
    }
    Ok(is_trusted)
}
