//! Where a folder came from: the URL of its manifest, and its publisher's key. Both are shown, and prove nothing.

use std::io::Read;

use url::Url;

use super::{Folder, LockedFolder, OWN};
use crate::digest::BoundedReader;
use crate::error::{Result, printable};
use crate::manifest::{FILE_NAME, builtin};
use crate::own_file;
use crate::small_file;
use crate::staged_file::StagedFile;

/// The file in the folder's own sub-folder that says where the manifest came from.
pub(super) const ORIGIN: &str = "origin";

/// The file there that has the publisher's key.
const PUBLISHER: &str = "publisher.pub";

/// The most that these files can have, in bytes.
const LONGEST: u64 = 16 << 10;

impl Folder {
    /// The URL that the folder's manifest came from, without what may be a secret; where it was written down.
    pub fn origin(&self) -> Option<String> {
        self.origin_text().map(|origin| printable(&origin))
    }

    /// As [`Folder::origin`], to be fetched; `None` also where that cannot be, or is the folder's own manifest.
    pub fn origin_url(&self) -> Option<Url> {
        let url = without_secrets(Url::parse(&self.origin_text()?).ok()?);
        let own = || self.root().join(FILE_NAME).canonicalize().ok();
        match url.scheme() {
            "http" | "https" => Some(url),
            "file" => {
                let path = url.to_file_path().ok()?;
                let is_own = path.canonicalize().is_ok_and(|path| Some(path) == own());
                (!is_own).then_some(url)
            }
            _ => (url.as_str() == builtin::BASE).then_some(url),
        }
    }

    fn origin_text(&self) -> Option<String> {
        let mut text = String::new();
        let path = self.root().join(OWN).join(ORIGIN);
        let file = small_file::open_regular(&path).ok()?;
        BoundedReader::new(file, LONGEST).read_to_string(&mut text).ok()?;
        let origin = text.trim();
        (!origin.is_empty() && !origin.contains(char::is_whitespace)).then(|| origin.to_owned())
    }

    /// The publisher's key that the folder's manifest was checked with, where it was written down. It proves nothing.
    pub fn publisher(&self) -> Option<String> {
        let bytes = small_file::read_if_there(&self.root().join(OWN).join(PUBLISHER), LONGEST).ok()??;
        let text = String::from_utf8(bytes).ok()?;
        text.lines().nth(1).map(str::to_owned)
    }

    /// The first of an artifact's URLs that a browser opens, made absolute by where the manifest came from; to be shown.
    pub fn url_to_show(&self, urls: &[String]) -> Option<String> {
        let origin = self.origin();
        let base = origin.as_deref().and_then(|origin| origin.rsplit_once('/')).map(|(base, _)| base);
        let absolute = |url: &String| match base {
            _ if url.contains("://") => Some(url.clone()),
            Some(base) if !url.starts_with('/') => Some(format!("{base}/{url}")),
            _ => None,
        };
        let url =
            urls.iter().filter_map(absolute).find(|url| url.starts_with("https://") || url.starts_with("http://"))?;
        // What may be a secret: user and password, query, fragment.
        let url = url.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        Some(printable(&format!("{scheme}://{host}/{path}")))
    }
}

impl LockedFolder {
    /// Writes down where the manifest came from. User, password, query and fragment are left out: they may be secrets.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write_origin(&self, manifest: &Url) -> Result<()> {
        let url = without_secrets(manifest.clone());
        StagedFile::write(&self.root().join(OWN).join(ORIGIN), format!("{url}\n").as_bytes(), 0o644)
    }

    /// Writes down the publisher's key, as the text of its `.pub` file, or that there is none.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write_publisher(&self, key: Option<&str>) -> Result<()> {
        let path = self.root().join(OWN).join(PUBLISHER);
        match key {
            Some(key) => StagedFile::write(&path, key.as_bytes(), 0o644),
            None => own_file::remove(&path),
        }
    }
}

/// `url` without user, password, query and fragment.
fn without_secrets(mut url: Url) -> Url {
    // Only URLs that cannot have a user refuse this, and those have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_that_is_shown_can_be_opened_and_has_no_secret() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::at(place.path());
        let show = |urls: &[&str]| folder.url_to_show(&urls.iter().map(|&url| url.to_owned()).collect::<Vec<_>>());
        assert_eq!(show(&["a.tar.gz"]), None, "nobody knows where that is");
        let locked = folder.lock().expect("locked");
        locked.write_origin(&"https://example.org/p/manifest.json".parse().expect("a URL")).expect("written");
        assert_eq!(show(&["a.tar.gz"]).as_deref(), Some("https://example.org/p/a.tar.gz"));
        let secret = ["file:///srv/a", "https://me:secret@example.org/a?token=1#x"];
        assert_eq!(show(&secret).as_deref(), Some("https://example.org/a"));
        locked.write_origin(&"file:///home/me/manifest.json".parse().expect("a URL")).expect("written");
        assert_eq!(show(&["a.tar.gz"]), None, "nobody else can open it");
    }
}
