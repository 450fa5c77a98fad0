//! Users and passwords: from the URL, else from netrc. They are sent and never shown.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use url::Url;

use super::netrc::{Netrc, UserAndPassword};
use crate::digest::BoundedReader;
use crate::small_file;

/// The most that netrc can have, in bytes.
const LIMIT: u64 = 4 << 20;

/// The credentials of this user.
pub(super) struct Credentials {
    netrc: Netrc,
    fault: Option<String>,
}

impl Credentials {
    /// Reads `$NETRC`, else `~/.netrc`. One that cannot be read fails nothing, for most servers ask for nobody:
    /// [`Credentials::fault`] tells it.
    pub(super) fn read() -> Self {
        let named = std::env::var_os("NETRC").map(PathBuf::from);
        let path = named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".netrc")));
        let Some(path) = path else { return Credentials { netrc: Netrc::default(), fault: None } };
        match read_bounded(&path) {
            Ok(text) => {
                let netrc = Netrc::parse(&text);
                let fault = netrc.fault().map(|fault| format!("{}: {fault}", path.display()));
                Credentials { netrc, fault }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Credentials { netrc: Netrc::default(), fault: None }
            }
            Err(error) => {
                let fault = format!("{} cannot be read, so it gives no credentials: {error}", path.display());
                Credentials { netrc: Netrc::default(), fault: Some(fault) }
            }
        }
    }

    /// Why netrc may lack what somebody put there, if anything is wrong with it. It tells no secret.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The user and password for `url`. If it names a user without a password, that may be in netrc.
    pub(super) fn of(&self, url: &Url) -> Option<UserAndPassword> {
        match in_url(url) {
            Some(named) if named.password.is_none() => Some(self.in_netrc(url, Some(&named.user)).unwrap_or(named)),
            Some(whole) => Some(whole),
            None => self.in_netrc(url, None),
        }
    }

    fn in_netrc(&self, url: &Url, user: Option<&[u8]>) -> Option<UserAndPassword> {
        self.netrc.of(url.host_str()?, user)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// `next`, the target of a redirect, with the credentials of `first` if both have one origin: no other origin gets them.
/// Credentials in the redirect itself are kept.
pub(super) fn carried(first: &Url, mut next: Url) -> Url {
    if next.origin() == first.origin() && in_url(&next).is_none() {
        // Both have a host, and such URLs take a user.
        let _ = next.set_username(first.username());
        let _ = next.set_password(first.password());
    }
    next
}

fn in_url(url: &Url) -> Option<UserAndPassword> {
    let plain = |text: &str| percent_encoding::percent_decode_str(text).collect();
    let known = !url.username().is_empty() || url.password().is_some();
    known.then(|| UserAndPassword { user: plain(url.username()), password: url.password().map(plain) })
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    BoundedReader::new(small_file::open(path)?, LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}
