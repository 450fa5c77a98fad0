//! Which servers are trusted: those that a known authority vouches for, as webpki decides it, and those whose own
//! certificate was given with `--cacert`, byte for byte.
//!
//! | the server's certificate | its dates, its use | its name | the handshake's signature |
//! | --- | --- | --- | --- |
//! | was given | [`Certificate`] | [`Certificate`] | checked with its key |
//! | an authority signed it | webpki | webpki; a common name only below an authority that was given | webpki |

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::certificate::Certificate;

/// Verifies servers.
#[derive(Debug)]
pub(super) struct Verifier {
    given: Arc<Vec<Certificate>>,
    system: RootCertStore,
    /// Why the system's authorities are not known, if they are not.
    without_system: Option<String>,
    provider: Arc<CryptoProvider>,
}

/// Nothing is wrong with the server's certificate, but something with its authority's, which was given.
#[derive(Debug)]
pub(super) struct WrongAuthority(pub(super) CertificateError);

/// No authority signed it, and none is known on this machine.
#[derive(Debug)]
pub(super) struct NoAuthorities(pub(super) String);

impl Verifier {
    /// Trusts the system's authorities and the certificates that were `given`.
    pub(super) fn new(given: Arc<Vec<Certificate>>) -> Self {
        let found = rustls_native_certs::load_native_certs();
        let mut system = RootCertStore::empty();
        system.add_parsable_certificates(found.certs);
        let without_system = system.is_empty().then(|| match found.errors.first() {
            Some(error) => error.to_string(),
            None => "the system has no list of them".to_owned(),
        });
        Verifier { given, system, without_system, provider: Arc::new(aws_lc_rs::default_provider()) }
    }

    /// A client's settings that trust accordingly, and offer these protocols.
    ///
    /// # Errors
    /// The library knows no version of TLS.
    pub(super) fn config(self: &Arc<Self>, protocols: &[&str]) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(self.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(config)
    }

    fn given(&self, server: &CertificateDer<'_>) -> Option<&Certificate> {
        self.given.iter().find(|given| given.der() == server)
    }

    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    /// Checks that the chain leads to one of the certificates that were given, whatever that is worth.
    fn check_given<'a>(&self, chain: &Chain<'_>, given: impl Iterator<Item = &'a Certificate>) -> Result<(), Error> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(given.map(|given| given.der().clone()));
        self.check_chain(chain, &store)
    }

    /// Checks that the chain leads to an authority of `store`.
    fn check_chain(&self, chain: &Chain<'_>, store: &RootCertStore) -> Result<(), Error> {
        let Chain { server, others, now } = chain;
        verify_server_cert_signed_by_trust_anchor(server, store, others, *now, self.algorithms().all)
    }

    fn check_authority(&self, chain: &Chain<'_>) -> Result<Vouched, Error> {
        // webpki looks neither at the dates nor at the kind of a trusted authority, and OpenSSL does.
        let fault = |given: &Certificate| given.check_authority().and_then(|()| given.check_dates(chain.now)).err();
        let by_given = self.check_given(chain, self.given.iter().filter(|given| fault(given).is_none()));
        if by_given.is_ok() {
            return Ok(Vouched::ByGiven);
        }
        let error = match self.check_chain(chain, &self.system) {
            Ok(()) => return Ok(Vouched::BySystem),
            Err(error) => error,
        };
        for (given, why) in self.given.iter().filter_map(|given| Some((given, fault(given)?))) {
            if self.check_given(chain, std::iter::once(given)).is_ok() {
                return Err(other(WrongAuthority(why)));
            }
        }
        // Of both answers, the one that says more than that nobody knows the issuer.
        let error = by_given.err().filter(|_| is_unknown(&error)).unwrap_or(error);
        match &self.without_system {
            Some(why) if is_unknown(&error) && self.given.is_empty() => Err(other(NoAuthorities(why.clone()))),
            _ => Err(error),
        }
    }
}

/// What a server sent.
struct Chain<'a> {
    server: &'a ParsedCertificate<'a>,
    others: &'a [CertificateDer<'a>],
    now: UnixTime,
}

/// Whose authority signed a server's certificate.
#[derive(PartialEq, Eq)]
enum Vouched {
    ByGiven,
    BySystem,
}

fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// Whether webpki refuses the kind of certificate, no matter who signed it.
fn is_form(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    let why = other.0.downcast_ref::<webpki::Error>();
    matches!(why, Some(webpki::Error::CaUsedAsEndEntity | webpki::Error::UnsupportedCertVersion))
}

fn other(why: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(given) = self.given(server) {
            given.check_dates(now)?;
            given.check_use()?;
            given.check_name(name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let read = Certificate::read(server);
        // That it is an authority's, or too old, webpki says first, and of one that nobody vouches for it is no matter.
        let unknown = |error: Error| match &read {
            Ok(read) if read.is_self_issued() && is_form(&error) => CertificateError::UnknownIssuer.into(),
            _ => error,
        };
        let parsed = ParsedCertificate::try_from(server).map_err(unknown)?;
        let vouched = self.check_authority(&Chain { server: &parsed, others, now }).map_err(unknown)?;
        verify_server_name(&parsed, name).or_else(|error| match &read {
            Ok(read) if vouched == Vouched::ByGiven => read.check_name(name).map_err(Error::from),
            _ => Err(error),
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(given) = self.given(server) else {
            return verify_tls12_signature(message, server, signed, self.algorithms());
        };
        // With TLS 1.2 a scheme does not tell the curve: the one that fits the key decides.
        let scheme = self.algorithms().mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let key = given.key();
        let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        let is_right = |algorithm: &&dyn rustls::pki_types::SignatureVerificationAlgorithm| {
            key.verify_signature(*algorithm, message, signed.signature()).is_ok()
        };
        match scheme.is_some_and(|(_, algorithms)| algorithms.iter().any(is_right)) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.given(server) {
            Some(given) => verify_tls13_signature_with_raw_key(message, &given.key(), signed, self.algorithms()),
            None => verify_tls13_signature(message, server, signed, self.algorithms()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

impl fmt::Display for WrongAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the authority given with --cacert: {}", self.0)
    }
}

impl fmt::Display for NoAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongAuthority {}
impl std::error::Error for NoAuthorities {}
