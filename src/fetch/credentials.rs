//! Users and passwords: from the URL, else from netrc. Sent, never shown.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use url::Url;

use super::netrc::Netrc;

/// What is known about who we are, read when first needed.
#[derive(Default)]
pub(super) struct Credentials {
    netrc: OnceLock<Option<Netrc>>,
}

impl Credentials {
    /// User and password for `url`. What the first URL of a chain of redirects carries goes to its own
    /// origin only.
    pub(super) fn of(&self, url: &Url, first: &Url) -> Option<(String, Option<String>)> {
        let same = url.origin() == first.origin();
        in_url(url).or_else(|| in_url(first).filter(|_| same)).or_else(|| self.in_netrc(url))
    }

    fn in_netrc(&self, url: &Url) -> Option<(String, Option<String>)> {
        self.netrc.get_or_init(read).as_ref()?.of(url.host_str()?)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

fn in_url(url: &Url) -> Option<(String, Option<String>)> {
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let known = !url.username().is_empty() || url.password().is_some();
    known.then(|| (plain(url.username()), url.password().map(plain)))
}

/// `$NETRC`, else `~/.netrc`; a file that cannot be read holds nothing.
fn read() -> Option<Netrc> {
    let named = std::env::var_os("NETRC").map(PathBuf::from);
    let path = named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".netrc")))?;
    Some(Netrc::parse(&std::fs::read_to_string(path).ok()?))
}
