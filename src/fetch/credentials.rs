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
    /// User and password for `url`; of a user whom it names without one, the password may be in netrc.
    pub(super) fn of(&self, url: &Url) -> Option<(String, Option<String>)> {
        match in_url(url) {
            Some((user, None)) => Some(self.in_netrc(url, Some(&user)).unwrap_or((user, None))),
            Some(whole) => Some(whole),
            None => self.in_netrc(url, None),
        }
    }

    fn in_netrc(&self, url: &Url, user: Option<&str>) -> Option<(String, Option<String>)> {
        self.netrc.get_or_init(read).as_ref()?.of(url.host_str()?, user)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// `next`, to which a redirect leads, with what `first` carries, where both are of one origin: nobody else is
/// told. What a redirect itself names is its own business.
pub(super) fn carried(first: &Url, mut next: Url) -> Url {
    if next.origin() == first.origin() && in_url(&next).is_none() {
        // Both have a host, and such URLs take a user.
        let _ = next.set_username(first.username());
        let _ = next.set_password(first.password());
    }
    next
}

fn in_url(url: &Url) -> Option<(String, Option<String>)> {
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let known = !url.username().is_empty() || url.password().is_some();
    known.then(|| (plain(url.username()), url.password().map(plain)))
}

/// `$NETRC`, else `~/.netrc`; a file that cannot be read holds nothing. Bytes that are not UTF-8 spoil only their own
/// words.
fn read() -> Option<Netrc> {
    let named = std::env::var_os("NETRC").map(PathBuf::from);
    let path = named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".netrc")))?;
    Some(Netrc::parse(&String::from_utf8_lossy(&std::fs::read(path).ok()?)))
}
