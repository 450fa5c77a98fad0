//! One file in which Docker or podman keep logins: `config.json`, `auth.json`
//! (<https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md>).

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Who the user is for a registry. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::fetch) enum Login {
    /// A user and a password.
    Password(String, String),
    /// A token to exchange for another at the token server.
    Identity(String),
    /// A token for the registry itself.
    Token(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// The names that Docker Hub has in such files.
const HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];
/// What Docker calls Docker Hub in files and to helpers.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// What the file says.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthFile {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default, rename = "identitytoken")]
    identity_token: Option<String>,
    #[serde(default, rename = "registrytoken")]
    registry_token: Option<String>,
}

/// A helper to ask, and for which server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HelperCall<'a> {
    pub(super) helper: &'a str,
    pub(super) server: String,
}

impl AuthFile {
    /// Reads the file's text; an error has no words of it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes)
            .map_err(|why| format!("it is not JSON of that kind, at line {}, column {}", why.line(), why.column()))
    }

    /// The helpers that keep the logins for `host`, the one for it alone first.
    pub(super) fn helpers(&self, host: &str) -> Vec<HelperCall<'_>> {
        let server = if host == "docker.io" { HUB_SERVER.to_owned() } else { host.to_owned() };
        let of_host = self.cred_helpers.iter().flatten().filter(|(known, _)| same_host(known, host));
        let own = of_host.map(|(known, helper)| HelperCall { helper, server: known.clone() });
        let store = self.creds_store.iter().filter(|name| !name.is_empty());
        own.chain(store.map(|helper| HelperCall { helper, server: server.clone() })).collect()
    }

    /// The login for `host`, of the entry that names most of the repository's path.
    ///
    /// # Errors
    /// The entry cannot be read; the text has no words of it.
    pub(super) fn login(&self, host: &str, repository: &str) -> Result<Option<Login>, String> {
        let fits = |known: &str| {
            let place = known.trim_end_matches('/');
            match place.split_once("://") {
                // As Docker wrote it at first: the path is that of an interface, not of a repository.
                Some((_, place)) => same_host(place.split('/').next().unwrap_or_default(), host).then_some(0),
                None => match place.split_once('/') {
                    None => same_host(place, host).then_some(0),
                    Some((known, "v1" | "v2")) => same_host(known, host).then_some(0),
                    Some((known, path)) => {
                        let below =
                            repository.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                        (below && same_host(known, host)).then_some(path.len())
                    }
                },
            }
        };
        let entries = self.auths.iter().flatten();
        let mut fitting: Vec<_> = entries.filter_map(|(known, entry)| Some((fits(known)?, known, entry))).collect();
        fitting.sort_by_key(|(length, ..)| std::cmp::Reverse(*length));
        for (_, known, entry) in fitting {
            let login = entry.login().ok_or_else(|| format!("its entry for {known} cannot be read"))?;
            if login.is_some() {
                return Ok(login);
            }
        }
        Ok(None)
    }
}

impl Entry {
    /// The login; `Some(None)` where there is none, as where a helper keeps it; `None` where it cannot be read.
    fn login(&self) -> Option<Option<Login>> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.identity_token) {
            return Some(Some(Login::Identity(token)));
        }
        if let Some(token) = given(&self.registry_token) {
            return Some(Some(Login::Token(token)));
        }
        if let Some(auth) = given(&self.auth) {
            let bytes = STANDARD.decode(auth.trim()).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let (user, password) = text.split_once(':')?;
            // Docker pads what it writes with NUL.
            return Some(Some(Login::Password(user.to_owned(), password.trim_end_matches('\0').to_owned())));
        }
        let pair = given(&self.username).zip(given(&self.password));
        Some(pair.map(|(user, password)| Login::Password(user, password)))
    }
}

/// Whether both are names of one registry.
fn same_host(known: &str, host: &str) -> bool {
    let known = known.split_once("://").map_or(known, |(_, rest)| rest.split('/').next().unwrap_or_default());
    known == host || (HUB.contains(&known) && HUB.contains(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(json: &str) -> AuthFile {
        AuthFile::parse(json.as_bytes()).expect("JSON")
    }

    fn password(user: &str) -> Option<Login> {
        Some(Login::Password(user.to_owned(), "p:w".to_owned()))
    }

    fn entry(user: &str) -> String {
        format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(format!("{user}:p:w")))
    }

    #[test]
    fn the_entry_that_names_most_of_the_path_counts() {
        let json = format!(
            r#"{{"auths":{{"r.example":{},"r.example/a":{},"r.example/a/b":{},"https://index.docker.io/v1/":{},
                "s.example:5000":{{}},"t.example":{{"identitytoken":"i"}},"u.example":{{"username":"u","password":"p:w"}},
                "v.example":{{"registrytoken":"t"}},"http://w.example/v1/":{}}}}}"#,
            entry("host"),
            entry("a"),
            entry("b"),
            entry("hub"),
            entry("w")
        );
        let file = file(&json);
        let login = |host: &str, repository: &str| file.login(host, repository).expect("read");
        assert_eq!(login("r.example", "x"), password("host"));
        assert_eq!(login("r.example", "a/x"), password("a"));
        assert_eq!(login("r.example", "a/b"), password("b"));
        assert_eq!(login("r.example", "ab/c"), password("host"), "a path ends where a part ends");
        assert_eq!(login("docker.io", "library/redis"), password("hub"));
        assert_eq!(login("s.example:5000", "x"), None);
        assert_eq!(login("s.example", "x"), None, "another port is another registry");
        assert_eq!(login("t.example", "x"), Some(Login::Identity("i".to_owned())));
        assert_eq!(login("u.example", "x"), password("u"));
        assert_eq!(login("v.example", "x"), Some(Login::Token("t".to_owned())));
        assert_eq!(login("w.example", "x"), password("w"));
    }

    #[test]
    fn an_error_has_no_words_of_the_file() {
        for bad in [r#"{"auths":{"r":{"auth":"s3cret!"}}}"#, r#"{"auths":{"r":{"auth":"czNjcmV0"}}}"#] {
            let why = file(bad).login("r", "x").expect_err("not a login");
            assert!(!why.contains("s3cret") && !why.contains("czNj"), "{why}");
        }
        let why = AuthFile::parse(br#"{"auths":"s3cret"}"#).err().expect("not a map");
        assert!(!why.contains("s3cret"), "{why}");
    }

    #[test]
    fn a_helper_for_the_host_is_asked_before_the_one_for_all() {
        let file = file(r#"{"credsStore":"desktop","credHelpers":{"r.example":"own","docker.io":"hub"}}"#);
        let call = |helper, server: &str| HelperCall { helper, server: server.to_owned() };
        assert_eq!(file.helpers("r.example"), [call("own", "r.example"), call("desktop", "r.example")]);
        assert_eq!(file.helpers("docker.io"), [call("hub", "docker.io"), call("desktop", HUB_SERVER)]);
        assert_eq!(file.helpers("x.example"), [call("desktop", "x.example")]);
    }
}
