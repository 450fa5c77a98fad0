//! Why a server's certificate was refused, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::IpAddr;

use rustls::CertificateError;
use url::Url;

use super::verifier::{NoAuthorities, WrongAuthority};
use crate::error::Error;

/// Why a TLS connection was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsProblem {
    /// The certificate's time is over.
    Expired {
        /// The library's words, with both times where it has them.
        cause: String,
    },
    /// The certificate's time has not come.
    NotYetValid {
        /// The library's words, with both times where it has them.
        cause: String,
    },
    /// The certificate names other hosts.
    WrongName {
        /// The names it has.
        names: Vec<String>,
    },
    /// The authority that was given with `--cacert` signed it, and is not valid now.
    AuthorityOutdated {
        /// The library's words, with both times.
        cause: String,
    },
    /// What was given with `--cacert` signed it, and is no authority.
    NotAnAuthority,
    /// No trusted authority signed it.
    UnknownIssuer,
    /// No trusted authority signed it, and this machine knows none.
    NoAuthorities {
        /// Why not.
        cause: String,
    },
    /// It says that it is for something else than a server.
    WrongUse,
    /// It is an authority's certificate, as OpenSSL makes self-signed ones by default.
    IsAuthority,
    /// It is of X.509 version 1 or 2, without extensions.
    OldVersion,
    /// It was revoked.
    Revoked,
    /// Another fault of the certificate.
    Other {
        /// The library's words.
        cause: String,
    },
}

impl TlsProblem {
    /// The certificate's problem behind a failed request, if that is why it failed.
    pub(super) fn behind(error: &(dyn StdError + 'static)) -> Option<Self> {
        match rustls_error(error)? {
            rustls::Error::InvalidCertificate(problem) => Some(Self::of(problem)),
            _ => None,
        }
    }

    fn of(problem: &CertificateError) -> Self {
        let cause = problem.to_string();
        match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsProblem::Expired { cause },
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsProblem::NotYetValid { cause }
            }
            CertificateError::NotValidForName => TlsProblem::WrongName { names: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                TlsProblem::WrongName { names: presented.clone() }
            }
            // An authority of the issuer's name is trusted, and did not sign this.
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => TlsProblem::UnknownIssuer,
            CertificateError::Revoked => TlsProblem::Revoked,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => TlsProblem::WrongUse,
            CertificateError::Other(other) if other.0.is::<NoAuthorities>() => TlsProblem::NoAuthorities { cause },
            CertificateError::Other(other) if other.0.is::<WrongAuthority>() => {
                match other.0.downcast_ref::<WrongAuthority>() {
                    Some(WrongAuthority(CertificateError::InvalidPurpose)) => TlsProblem::NotAnAuthority,
                    _ => TlsProblem::AuthorityOutdated { cause },
                }
            }
            CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
                Some(webpki::Error::CaUsedAsEndEntity) => TlsProblem::IsAuthority,
                Some(webpki::Error::UnsupportedCertVersion) => TlsProblem::OldVersion,
                _ => TlsProblem::Other { cause },
            },
            _ => TlsProblem::Other { cause },
        }
    }

    /// The error for the request of `url`, which carries no secrets.
    pub(super) fn error(&self, url: &str) -> Error {
        const GIVE: &str = "if this certificate is the server's own, and you trust it, give it itself with --cacert";
        let (host, port) = host_and_port(url);
        let alternative = alternative_name(&host);
        let see = format!("see it with: openssl s_client -showcerts -connect {host}:{port}");
        let error = Error::failed(self).fact("url", url);
        let clock = || httpdate::fmt_http_date(std::time::SystemTime::now());
        match self {
            TlsProblem::Expired { cause } | TlsProblem::NotYetValid { cause } => {
                error.fact("cause", cause).fact("this machine's clock", clock()).hint(
                    "check the clock with 'date -u', and set it if it is wrong; if it is right, the server needs a \
                     certificate that is valid today",
                )
            }
            TlsProblem::AuthorityOutdated { cause } => {
                error.fact("cause", cause).fact("this machine's clock", clock()).hint(
                    "check the clock with 'date -u', and set it if it is wrong; if it is right, give the authority's \
                     new certificate with --cacert",
                )
            }
            TlsProblem::NotAnAuthority => error
                .fact("cause", "it is no authority's certificate (CA:TRUE), and signed the server's all the same")
                .hint(format_args!("give the server's own certificate with --cacert ({see})")),
            TlsProblem::WrongName { names } => {
                let error = match names.is_empty() {
                    true => error.fact("names in the certificate", "none as subjectAltName, so no host's"),
                    false => error.fact("names in the certificate", names.join(", ")),
                };
                error.hint(format_args!(
                    "use one of these names in the URL; if there is none, the server needs a certificate with \
                     subjectAltName, for example made with: openssl req … -addext subjectAltName={alternative}; a common name \
                     counts only where --cacert gives this certificate or its authority"
                ))
            }
            TlsProblem::UnknownIssuer => error.hint(format_args!(
                "if a proxy or a private authority signs here, or the server signs for itself, give that certificate \
                 with --cacert ({see})"
            )),
            TlsProblem::NoAuthorities { cause } => error.fact("cause", cause).hint(
                "install the system's list of authorities, on Debian with 'apt-get install ca-certificates', or give \
                 the server's authority with --cacert",
            ),
            TlsProblem::WrongUse => error
                .fact("cause", "its key usage does not name servers (serverAuth, digitalSignature)")
                .hint("the server needs a certificate with extendedKeyUsage=serverAuth and keyUsage=digitalSignature"),
            TlsProblem::IsAuthority => error
                .fact("cause", "it is an authority's certificate (CA:TRUE), and its authority made it no server's")
                .hint(format_args!("{GIVE} ({see}); else the server needs one with basicConstraints=CA:FALSE")),
            TlsProblem::OldVersion => error
                .fact("cause", "it is an X.509 certificate of version 1 or 2, which cannot name hosts")
                .hint(format_args!("{GIVE} ({see}); else the server needs one of version 3, with subjectAltName")),
            TlsProblem::Revoked => error.hint("ask the server's operator for a new certificate"),
            TlsProblem::Other { cause } => {
                error.fact("cause", cause).hint(format_args!("look at the certificate; {see}"))
            }
        }
    }
}

/// The host and the port of a URL, as `openssl` takes them.
fn host_and_port(url: &str) -> (String, u16) {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or("localhost").to_owned();
    (host, url.as_ref().and_then(Url::port_or_known_default).unwrap_or(443))
}

/// A host as a certificate names it.
fn alternative_name(host: &str) -> String {
    let bare = host.trim_matches(['[', ']']);
    if bare.parse::<IpAddr>().is_ok() { format!("IP:{bare}") } else { format!("DNS:{host}") }
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsProblem::Expired { .. } => "the server's certificate has expired, or this machine's clock is wrong",
            TlsProblem::NotYetValid { .. } => {
                "the server's certificate is not valid yet, or this machine's clock is wrong"
            }
            TlsProblem::WrongName { .. } => "the server's certificate is for another host",
            TlsProblem::AuthorityOutdated { .. } => {
                "the authority given with --cacert is not valid now, or this machine's clock is wrong"
            }
            TlsProblem::NotAnAuthority => "the certificate given with --cacert may not sign others",
            TlsProblem::UnknownIssuer => "the server's certificate is not trusted: no known authority signed it",
            TlsProblem::NoAuthorities { .. } => {
                "the server's certificate is not trusted: this machine knows no authorities"
            }
            TlsProblem::WrongUse => "the server's certificate is for another purpose",
            TlsProblem::IsAuthority | TlsProblem::OldVersion => "the server's certificate cannot be a server's",
            TlsProblem::Revoked => "the server's certificate was revoked",
            TlsProblem::Other { .. } => "the server's certificate is not trusted",
        })
    }
}

/// The error of the TLS library in a chain of causes. An [`io::Error`] hides what it wraps from the chain.
fn rustls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    None
}
