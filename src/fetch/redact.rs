//! URLs without the parts that may be secrets.

use url::Url;

/// The URL without user, password, fragment and the values of its query, any of which may be a secret
/// (a signed URL carries its signature there).
pub(super) fn shown(url: &Url) -> String {
    if url.cannot_be_a_base() {
        // `token:x@host`, with the scheme forgotten, parses as such a URL.
        return "…".to_owned();
    }
    let mut bare = bare(url);
    let hidden = !url.username().is_empty() || url.password().is_some();
    if let Some(query) = url.query() {
        let names: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, _)) => format!("{name}=…"),
                None => "…".to_owned(),
            })
            .collect();
        bare.set_query(None);
        return with_user(format!("{bare}?{}", names.join("&")), hidden);
    }
    with_user(bare.into(), hidden)
}

/// The URL without user, password and fragment: what names the file.
pub(super) fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    // Only URLs that cannot have a user refuse this, and those have none.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_fragment(None);
    bare
}

fn with_user(text: String, hidden: bool) -> String {
    if hidden { text.replacen("://", "://…@", 1) } else { text }
}

/// A header's URL without secrets; nothing of it if it is not a URL.
pub(super) fn shown_location(base: &Url, location: &str) -> String {
    base.join(location).map_or_else(|_| "a place that is not a URL".to_owned(), |url| shown(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_of_a_url_is_shown() {
        let url = Url::parse("https://me:s3cret@host:8443/a/b.tar?X-Sig=s3cret&s3cret#s3cret").expect("a URL");
        assert_eq!(shown(&url), "https://…@host:8443/a/b.tar?X-Sig=…&…");
        assert_eq!(shown(&Url::parse("s3cret:x@host/a").expect("a URL")), "…");
        let plain = Url::parse("http://host/a").expect("a URL");
        assert_eq!(shown(&plain), "http://host/a");
        assert_eq!(shown_location(&plain, "//u:s3cret@other/x?k=s3cret"), "http://…@other/x?k=…");
    }
}
