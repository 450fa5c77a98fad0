//! Where a registry is, and whether it is spoken to with TLS.

use url::Url;

use crate::error::Error;
use crate::fetch::error::FetchError;
use crate::fetch::options::Options;
use crate::manifest::registry_ref::RegistryRef;

/// The URL below which the image's repository is.
///
/// # Errors
/// The host cannot be part of a URL.
pub(super) fn base(reference: &RegistryRef, options: &Options) -> Result<Url, FetchError> {
    let host = reference.host();
    // Docker Hub's name is not that of its registry.
    let server = if host == "docker.io" { "registry-1.docker.io" } else { host };
    let scheme = if is_plain(host, options) { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{server}/v2/{}/", reference.repository())).map_err(|why| {
        let error = Error::failed("the registry's URL cannot be used").fact("url", reference).fact("reason", why);
        FetchError::Unusable(error.hint("correct the URL in the manifest"))
    })
}

/// Whether `host` (with its port, if it has one) is spoken to without TLS: where it is this machine, or where the user
/// says so.
pub(super) fn is_plain(host: &str, options: &Options) -> bool {
    is_loopback(host) || options.insecure_registries.iter().any(|known| known == host)
}

/// `HOST` or `HOST:PORT`, as users write it.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether it may be spoken to with TLS although plain HTTP was tried first: where nobody said which.
pub(super) fn may_have_tls(host: &str, options: &Options) -> bool {
    is_loopback(host) && !options.insecure_registries.iter().any(|known| known == host)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_and_for_those_that_are_named() {
        let options = Options { insecure_registries: vec!["r.example:5000".to_owned()], ..Options::default() };
        for here in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000", "r.example:5000"] {
            assert!(is_plain(here, &options), "{here}");
        }
        let others = [
            "localhost.example",
            "127.0.0.1.example:80",
            "10.0.0.1:5000",
            "[2001:db8::1]:5000",
            "r.example",
            "r.example:5001",
        ];
        for other in others {
            assert!(!is_plain(other, &options), "{other}");
        }
    }

    #[test]
    fn docker_hubs_registry_has_another_name() {
        let url = |text: &str| {
            let reference = RegistryRef::parse(text).expect(text);
            base(&reference, &Options::default()).expect(text).to_string()
        };
        assert_eq!(url("oci://docker.io/redis:6"), "https://registry-1.docker.io/v2/library/redis/");
        assert_eq!(url("oci://index.docker.io/a/b:6"), "https://registry-1.docker.io/v2/a/b/");
        assert_eq!(url("oci://localhost:5000/a:6"), "http://localhost:5000/v2/a/");
        assert_eq!(authority(&url("oci://r.example:5000/a:6").parse().expect("a URL")), "r.example:5000");
    }
}
