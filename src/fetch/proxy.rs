//! The proxy of a URL, from the environment, as curl reads it.
//!
//! | variable | for |
//! | --- | --- |
//! | `http_proxy` (lower case only: a CGI program gets `HTTP_PROXY` from its client) | `http` URLs |
//! | `https_proxy`, `HTTPS_PROXY` | `https` URLs |
//! | `all_proxy`, `ALL_PROXY` | both, where the one above is not set |
//! | `no_proxy`, `NO_PROXY` | hosts that are reached directly |
//!
//! `no_proxy` is exactly `*`, or a list of names, addresses and address ranges, separated by commas or blanks. A name stands for
//! itself and for all names below it. A proxy is a URL, without a scheme `http`; its port is 1080 unless it says so, as
//! with curl.

use std::ffi::OsString;
use std::net::IpAddr;

use url::{Host, Url};

use crate::error::{Error, Result};

/// The proxies of this process's environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    all_direct: bool,
    direct: Vec<String>,
}

impl Proxies {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable's value is not a proxy. The error does not repeat it, for it may hold a password.
    pub(super) fn from_environment() -> Result<Self> {
        Self::read(std::env::var_os)
    }

    fn read(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<Self> {
        let first = |names: &[&'static str]| -> Result<Option<(&'static str, String)>> {
            let set = |&name: &&'static str| Some((name, variable(name).filter(|value| !value.is_empty())?));
            let Some((name, value)) = names.iter().find_map(set) else { return Ok(None) };
            let text = value.into_string().map_err(|_| wrong(name, "it is not UTF-8 text".to_owned()))?;
            Ok(Some((name, text)))
        };
        let proxy = |names: &[&'static str]| first(names)?.map(|(name, value)| parse(name, &value)).transpose();
        let direct = first(&["no_proxy", "NO_PROXY"])?.map(|(_, list)| list).unwrap_or_default();
        let words = direct.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        Ok(Proxies {
            http: proxy(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            https: proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            all_direct: direct == "*",
            direct: words.map(str::to_ascii_lowercase).collect(),
        })
    }

    /// The proxy of `url`; `None` if its host is reached directly.
    pub(super) fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.is_direct(url))
    }

    fn is_direct(&self, url: &Url) -> bool {
        if self.all_direct {
            return true;
        }
        let (name, address) = match url.host() {
            Some(Host::Domain(name)) => (name.trim_end_matches('.').to_ascii_lowercase(), name.parse().ok()),
            Some(Host::Ipv4(address)) => (String::new(), Some(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => (String::new(), Some(IpAddr::V6(address))),
            None => return false,
        };
        self.direct.iter().any(|word| match address {
            Some(address) => contains(word, address),
            None => {
                let word = word.strip_prefix('.').unwrap_or(word).trim_end_matches('.');
                let above = name.strip_suffix(word);
                !word.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
        })
    }
}

/// Whether `word` is the address, or a range (`10.0.0.0/8`) that contains it.
fn contains(word: &str, address: IpAddr) -> bool {
    let (base, length) = word.split_once('/').map_or((word, None), |(base, length)| (base, Some(length)));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let Ok(base) = base.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
    let ((base, width), (address, other_width)) = (bits(base), bits(address));
    let Ok(length) = length.map_or(Ok(width), str::parse::<u32>) else { return false };
    let differing = (base ^ address).leading_zeros();
    width == other_width && length <= width && (length == 0 || differing >= length)
}

fn wrong(variable: &'static str, why: String) -> Error {
    let example = match variable {
        "no_proxy" | "NO_PROXY" => "a list of hosts such as localhost,.internal.example,10.0.0.0/8",
        _ => "a URL such as http://proxy.example:3128",
    };
    Error::usage(format_args!("the proxy in {variable} cannot be used"))
        .fact("reason", why)
        .hint(format_args!("set {variable} to {example}, or unset it"))
}

fn parse(variable: &'static str, value: &str) -> Result<Url> {
    let wrong = |why: String| wrong(variable, why);
    let text = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let mut url = Url::parse(&text).map_err(|why| wrong(why.to_string()))?;
    match url.scheme() {
        "http" | "https" | "socks4" | "socks4a" | "socks5" | "socks5h" => {}
        other => return Err(wrong(format!("its scheme is {other}"))),
    }
    if !url.has_host() {
        return Err(wrong("it names no host".to_owned()));
    }
    let authority = text.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if url.scheme() != "https" && url.port().is_none() && !authority.ends_with(":80") {
        // Such URLs have a host, and take a port.
        let _ = url.set_port(Some(1080));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies> {
        Proxies::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
    }

    fn of(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let url = url.parse().expect("a URL");
        proxies(variables).expect("usable").of(&url).map(Url::to_string)
    }

    #[test]
    fn each_scheme_has_its_variables() {
        let all = ("all_proxy", "socks5h://s");
        assert_eq!(of(&[("http_proxy", "p:1"), all], "http://a/"), Some("http://p:1/".into()));
        assert_eq!(of(&[("http_proxy", "p:1"), all], "https://a/"), Some("socks5h://s:1080".into()));
        assert_eq!(of(&[("HTTPS_PROXY", "https://p")], "https://a/"), Some("https://p/".into()));
        assert_eq!(of(&[("https_proxy", "x"), ("HTTPS_PROXY", "y")], "https://a/"), Some("http://x:1080/".into()));
        assert_eq!(of(&[("HTTP_PROXY", "p:1")], "http://a/"), None);
        assert_eq!(of(&[("http_proxy", ""), all], "http://a/"), Some("socks5h://s:1080".into()));
        assert_eq!(of(&[("http_proxy", "http://p:80")], "http://a/"), Some("http://p/".into()));
    }

    #[test]
    fn no_proxy_is_a_star_or_a_list() {
        let direct = |list: &str, url: &str| of(&[("all_proxy", "p:1"), ("no_proxy", list)], url).is_none();
        for (list, url) in [
            ("*", "http://127.0.0.1/"),
            ("*", "https://a.example/"),
            ("*", "https://[::1]/"),
            ("b.example a.example", "http://a.example/"),
            ("b.example,\ta.example", "http://a.example:8080/"),
            (".a.example", "http://a.example/"),
            ("a.example", "http://x.A.example./"),
            ("10.0.0.0/8", "http://10.1.2.3/"),
            ("127.0.0.1", "http://127.0.0.1/"),
            ("::1", "http://[::1]/"),
            ("[::1]", "http://[::1]/"),
            ("fe80::/10", "http://[fe80::5]/"),
            ("0.0.0.0/0", "http://10.1.2.3/"),
        ] {
            assert!(direct(list, url), "{list} {url}");
        }
        for (list, url) in [
            ("", "http://a.example/"),
            (" * ", "http://127.0.0.1/"),
            ("*,b.example", "http://a.example/"),
            ("a.example", "http://xa.example/"),
            ("a.example", "http://example/"),
            ("10.0.0.0/8", "http://11.0.0.1/"),
            ("10.0.0.0/33", "http://10.0.0.1/"),
            ("0.0.1", "http://127.0.0.1/"),
            ("::/0", "http://10.0.0.1/"),
        ] {
            assert!(!direct(list, url), "{list} {url}");
        }
    }

    #[test]
    fn a_value_that_is_not_a_proxy_is_an_error_that_does_not_repeat_it() {
        for value in ["ftp://me:s3cret@p", "http://me:s3cret@p:port", "http://", "me:s3cret@p q"] {
            let error = proxies(&[("https_proxy", value)]).expect_err(value);
            assert!(error.title().contains("https_proxy") && !error.to_string().contains("s3cret"), "{error}");
        }
    }
}
