//! One certificate given with `--cacert`, where it is the server's own: what curl asks of it, and no more.
//!
//! webpki, which decides everywhere else, takes a certificate of X.509 version 1 for no server's, nor one that is an
//! authority's (what `openssl req -x509` makes), nor one whose only name is its common name. A user who
//! names the certificate itself means its key, and these are no reasons.

use std::net::IpAddr;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use x509_cert::certificate::{TbsCertificate, Version};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::oid::db::rfc5280::ID_KP_SERVER_AUTH;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

/// A certificate that was read.
#[derive(Debug)]
pub(super) struct Certificate {
    der: CertificateDer<'static>,
    tbs: TbsCertificate,
    /// In DER form.
    key: Vec<u8>,
}

impl Certificate {
    /// Reads it.
    ///
    /// # Errors
    /// It is not an X.509 certificate; the library's words.
    pub(super) fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let read = x509_cert::Certificate::from_der(der).map_err(|why| why.to_string())?;
        let tbs = read.tbs_certificate().clone();
        let key = tbs.subject_public_key_info().to_der().map_err(|why| why.to_string())?;
        Ok(Certificate { der: der.clone().into_owned(), tbs, key })
    }

    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Its public key.
    pub(super) fn key(&self) -> SubjectPublicKeyInfoDer<'_> {
        SubjectPublicKeyInfoDer::from(self.key.as_slice())
    }

    /// Whether it names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.tbs.issuer() == self.tbs.subject()
    }

    /// Checks its dates.
    ///
    /// # Errors
    /// It is not valid at this time.
    pub(super) fn check_dates(&self, now: UnixTime) -> Result<(), CertificateError> {
        let validity = self.tbs.validity();
        let [not_before, not_after] =
            [validity.not_before, validity.not_after].map(|time| UnixTime::since_unix_epoch(time.to_unix_duration()));
        match () {
            () if now < not_before => Err(CertificateError::NotValidYetContext { time: now, not_before }),
            () if now > not_after => Err(CertificateError::ExpiredContext { time: now, not_after }),
            () => Ok(()),
        }
    }

    /// Checks that it may sign others, as OpenSSL does; webpki asks that of nothing in its list of trusted authorities.
    ///
    /// # Errors
    /// It is no authority's.
    pub(super) fn check_authority(&self) -> Result<(), CertificateError> {
        let constraints = self.tbs.get_extension::<BasicConstraints>().map_err(|_| CertificateError::BadEncoding)?;
        let usage = self.tbs.get_extension::<KeyUsage>().map_err(|_| CertificateError::BadEncoding)?;
        let may_sign = usage.as_ref().is_none_or(|(_, usage)| usage.key_cert_sign());
        let is_old = self.tbs.version() == Version::V1 && self.is_self_issued();
        match constraints {
            Some((_, constraints)) if constraints.ca && may_sign => Ok(()),
            None if may_sign && (is_old || usage.is_some()) => Ok(()),
            _ => Err(CertificateError::InvalidPurpose),
        }
    }

    /// Checks that it may be a server's, as OpenSSL does: what it says of its use, if anything.
    ///
    /// # Errors
    /// It is for something else.
    pub(super) fn check_use(&self) -> Result<(), CertificateError> {
        let damaged = |_| CertificateError::BadEncoding;
        let extended = self.tbs.get_extension::<ExtendedKeyUsage>().map_err(damaged)?;
        let usage = self.tbs.get_extension::<KeyUsage>().map_err(damaged)?;
        let is_servers = extended.is_none_or(|(_, uses)| uses.0.contains(&ID_KP_SERVER_AUTH));
        let opens_connections = usage
            .is_none_or(|(_, usage)| usage.digital_signature() || usage.key_encipherment() || usage.key_agreement());
        if is_servers && opens_connections { Ok(()) } else { Err(CertificateError::InvalidPurpose) }
    }

    /// Checks that it names `server`: as an alternative name, or where there is none as its common name.
    ///
    /// # Errors
    /// It names others.
    pub(super) fn check_name(&self, server: &ServerName<'_>) -> Result<(), CertificateError> {
        let other = |presented: Vec<String>| CertificateError::NotValidForNameContext {
            expected: server.to_owned(),
            presented,
        };
        let names = self.tbs.get_extension::<SubjectAltName>().map_err(|_| CertificateError::BadEncoding)?;
        let names: Vec<Name> = names.iter().flat_map(|(_, names)| &names.0).filter_map(Name::of).collect();
        if names.is_empty() {
            let name = self.common_name();
            let is_it = name.as_deref().is_some_and(|name| matches(name, &server.to_str(), is_address(server)));
            return if is_it { Ok(()) } else { Err(other(name.into_iter().collect())) };
        }
        let is_it = names.iter().any(|name| match (name, server) {
            (Name::Host(pattern), ServerName::DnsName(host)) => matches(pattern, host.as_ref(), false),
            (Name::Address(address), ServerName::IpAddress(server)) => *address == IpAddr::from(*server),
            _ => false,
        });
        if is_it { Ok(()) } else { Err(other(names.iter().map(Name::to_string).collect())) }
    }

    /// The last of its common names, which is the one that counts.
    fn common_name(&self) -> Option<String> {
        let last = self.tbs.subject().iter().filter(|part| part.oid == COMMON_NAME).last()?;
        last.value.decode_as::<DirectoryString>().ok().map(|name| name.value().into_owned())
    }
}

/// An alternative name of a server.
enum Name {
    Host(String),
    Address(IpAddr),
}

impl Name {
    fn of(name: &GeneralName) -> Option<Self> {
        match name {
            GeneralName::DnsName(host) => Some(Name::Host(host.to_string())),
            GeneralName::IpAddress(bytes) => {
                let bytes = bytes.as_bytes();
                let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
                v4.or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok()).map(Name::Address)
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Host(host) => f.write_str(host),
            Name::Address(address) => address.fmt(f),
        }
    }
}

fn is_address(server: &ServerName<'_>) -> bool {
    matches!(server, ServerName::IpAddress(_))
}

/// Whether `pattern` is `host`, or has a `*` in place of its first label and two labels more (RFC 6125, section 6.4.3).
fn matches(pattern: &str, host: &str, is_address: bool) -> bool {
    let (pattern, host) = (pattern.trim_end_matches('.'), host.trim_end_matches('.'));
    let wildcard = || {
        let (below, (_, above)) = (pattern.strip_prefix("*.")?, host.split_once('.')?);
        Some(!is_address && below.contains('.') && below.eq_ignore_ascii_case(above))
    };
    pattern.eq_ignore_ascii_case(host) || wildcard().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label_of_a_name_with_three() {
        for (pattern, host) in [("A.example", "a.example"), ("*.b.example", "a.b.example."), ("10.0.0.1", "10.0.0.1")] {
            assert!(matches(pattern, host, false), "{pattern} {host}");
        }
        for (pattern, host) in [
            ("*.example", "a.example"),
            ("*.b.example", "x.a.b.example"),
            ("*.b.example", "b.example"),
            ("a*.b.example", "aa.b.example"),
            ("*", "a"),
        ] {
            assert!(!matches(pattern, host, false), "{pattern} {host}");
        }
        assert!(!matches("*.0.0.1", "10.0.0.1", true));
    }
}
