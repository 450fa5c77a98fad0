//! The netrc file: users and passwords of hosts, as curl and wget read it.
//!
//! Words, separated by blanks: `machine HOST` or `default`, then `login`, `password` and `account`, each
//! with its word. These keywords may be in capitals. A word is bytes in no character set. In double quotes it may hold blanks,
//! `\n`, `\r` and `\t`, and any other byte after `\` as it is. `macdef` names a macro that ends at an empty line; macros are for ftp and not kept. A word that begins with `#` where a keyword is
//! expected starts a comment; a value may begin with it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

/// What is known about one host, or, without a host, about every other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct NetrcEntry {
    host: Option<Vec<u8>>,
    login: UserAndPassword,
}

/// What is sent to a host, as bytes: a server compares them, whatever characters they stand for.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct UserAndPassword {
    pub(super) user: Vec<u8>,
    pub(super) password: Option<Vec<u8>>,
}

impl UserAndPassword {
    /// Made of text.
    pub(super) fn of_text(user: String, password: String) -> Self {
        UserAndPassword { user: user.into_bytes(), password: Some(password.into_bytes()) }
    }

    /// The value of the header `Authorization` (RFC 7617).
    pub(super) fn header(&self) -> HeaderValue {
        let password = self.password.as_deref().unwrap_or_default();
        let text = format!("Basic {}", STANDARD.encode([&self.user[..], b":", password].concat()));
        // Letters of base64 are no wrong value.
        let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for UserAndPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserAndPassword")
    }
}

/// A netrc file that was read.
#[derive(Default)]
pub(super) struct Netrc {
    entries: Vec<NetrcEntry>,
    fault: Option<String>,
}

impl Netrc {
    /// Reads a netrc file's text. Words that mean nothing are passed over, as curl does, and reported by [`Netrc::fault`].
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut entries: Vec<NetrcEntry> = Vec::new();
        let mut fault: Option<String> = None;
        let mut words = Words { rest: text, is_open: false };
        let line_feeds = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
        let line = |words: &Words<'_>| line_feeds(&text[..text.len() - words.rest.len()]) + 1;
        while let Some(word) = words.next() {
            let at = line(&words);
            // The word itself may be half a password: it is not repeated.
            let wrong = match (&word.to_ascii_lowercase()[..], entries.last_mut()) {
                (b"machine", _) => {
                    let host = words.value();
                    let is_missing = host.is_none();
                    entries.push(NetrcEntry { host, ..NetrcEntry::default() });
                    is_missing.then_some("names no machine")
                }
                (b"default", _) => {
                    entries.push(NetrcEntry::default());
                    None
                }
                (b"login", Some(entry)) => {
                    let user = words.value();
                    let is_missing = user.is_none();
                    entry.login.user = user.unwrap_or_default();
                    is_missing.then_some("names no login")
                }
                (b"password", Some(entry)) => {
                    entry.login.password = words.value();
                    entry.login.password.is_none().then_some("has no password")
                }
                (b"login" | b"password", None) => {
                    words.value();
                    Some("has a login or password before the first machine")
                }
                (b"account", _) => {
                    words.value();
                    None
                }
                (b"macdef", _) => {
                    words.skip_macro();
                    None
                }
                _ => Some("has a word that is none of machine, default, login, password, account, macdef"),
            };
            let wrong = if words.is_open { Some("begins a quoted word that does not end") } else { wrong };
            if let Some(wrong) = wrong {
                fault.get_or_insert_with(|| format!("line {at} {wrong}"));
            }
        }
        Netrc { entries, fault }
    }

    /// What is wrong with the file, with its line and without its words; the first only.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// User and password for `host`: of the first entry that names it, else of `default`; of `user` only, where
    /// one is requested.
    pub(super) fn of(&self, host: &str, user: Option<&[u8]>) -> Option<UserAndPassword> {
        let mut entries = self.entries.iter().filter(|entry| user.is_none_or(|user| user == entry.login.user));
        let named = |entry: &&NetrcEntry| {
            entry.host.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(host.as_bytes()))
        };
        let entry = entries.clone().find(named).or_else(|| entries.find(|entry| entry.host.is_none()))?;
        Some(entry.login.clone())
    }
}

struct Words<'a> {
    rest: &'a [u8],
    /// Whether the last word was in quotes, and they did not end.
    is_open: bool,
}

impl Words<'_> {
    /// The next word that is not in a comment.
    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            self.skip_blanks();
            if !self.rest.starts_with(b"#") {
                break;
            }
            self.rest = after_line(self.rest);
        }
        self.value()
    }

    /// The next word, whatever it begins with.
    fn value(&mut self) -> Option<Vec<u8>> {
        self.skip_blanks();
        let Some(quoted) = self.rest.strip_prefix(b"\"") else {
            let end = self.rest.iter().position(is_blank).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            return (!word.is_empty()).then(|| word.to_owned());
        };
        let mut word = Vec::new();
        let mut bytes = quoted.iter().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(word);
                }
                b'\\' => word.extend(bytes.next().map(|(_, byte)| match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                })),
                _ => word.push(*byte),
            }
        }
        self.rest = b"";
        self.is_open = true;
        Some(word)
    }

    fn skip_blanks(&mut self) {
        let blanks = self.rest.iter().take_while(|byte| is_blank(byte)).count();
        self.rest = &self.rest[blanks..];
    }

    fn skip_macro(&mut self) {
        // The first line is the rest of the macro's name.
        let mut rest = after_line(self.rest);
        while !rest.is_empty() {
            let is_end = rest.starts_with(b"\n") || rest.starts_with(b"\r\n");
            rest = after_line(rest);
            if is_end {
                break;
            }
        }
        self.rest = rest;
    }
}

/// C's white space.
fn is_blank(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || *byte == 0x0b
}

/// What follows the line that `text` begins with.
fn after_line(text: &[u8]) -> &[u8] {
    text.iter().position(|&byte| byte == b'\n').map_or(b"", |at| &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known about `host`, as text.
    fn netrc_of(netrc: &Netrc, host: &str, user: Option<&str>) -> Option<(String, Option<String>)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        netrc.of(host, user.map(str::as_bytes)).map(|login| (text(login.user), login.password.map(text)))
    }

    #[test]
    fn a_netrc_is_read_as_curl_reads_it() {
        let text = "# machine no login no password no\nmachine a login u password p\n\nmachine b.example\n\tlogin \"u v\"\n\
                    \taccount x\n\tpassword \"p\\\"q\\\\\"\nmacdef init\nmachine c login no\n\nmachine d login only\n\
                    default login anonymous password me@";
        let netrc = Netrc::parse(text.as_bytes());
        let of = |host: &str| {
            netrc_of(&netrc, host, None).map(|(user, password)| (user, password.unwrap_or_else(|| "-".into())))
        };
        assert_eq!(of("a"), Some(("u".into(), "p".into())));
        assert_eq!(of("B.EXAMPLE"), Some(("u v".into(), "p\"q\\".into())));
        assert_eq!(of("d"), Some(("only".into(), "-".into())));
        for other in ["no", "c"] {
            assert_eq!(of(other), Some(("anonymous".into(), "me@".into())));
        }
        let several = Netrc::parse(b"machine a login u password p machine a login v password q default login u");
        assert_eq!(netrc_of(&several, "a", Some("v")), Some(("v".into(), Some("q".into()))));
        assert_eq!(netrc_of(&several, "b", Some("u")), Some(("u".into(), None)));
        assert_eq!(netrc_of(&several, "a", Some("w")), None);
        assert_eq!(netrc_of(&Netrc::parse(b"machine a login \"u"), "a", None), Some(("u".into(), None)));
        assert_eq!(netrc_of(&Netrc::parse(b""), "a", None), None);
    }

    #[test]
    fn a_password_may_begin_with_a_number_sign() {
        for text in [
            "machine a login u password #p machine b login v password q",
            "machine\na\nlogin\nu\npassword\n#p\nmachine\nb\nlogin\nv\npassword\nq",
        ] {
            let netrc = Netrc::parse(text.as_bytes());
            assert_eq!(netrc_of(&netrc, "a", None), Some(("u".into(), Some("#p".into()))), "{text}");
            assert_eq!(netrc_of(&netrc, "b", None), Some(("v".into(), Some("q".into()))), "{text}");
        }
    }

    #[test]
    fn a_word_is_bytes_and_a_keyword_may_be_in_capitals() {
        let of = |text: &[u8]| Netrc::parse(text).of("a", None).map(|login| (login.user, login.password));
        let is = |user: &[u8], password: &[u8]| Some((user.to_owned(), Some(password.to_owned())));
        assert_eq!(of(b"machine a login \xfc password p\xe9 machine b login c"), is(b"\xfc", b"p\xe9"));
        assert_eq!(of("machine a login u password p\u{a0}q".as_bytes()), is(b"u", "p\u{a0}q".as_bytes()));
        assert_eq!(of(b"machine a login u password \"a\\\"b\\n\\r\\t\\\\\\x\xe9\""), is(b"u", b"a\"b\n\r\t\\x\xe9"));
        assert_eq!(of(b"MACHINE a Login u PASSWORD P"), is(b"u", b"P"));
        assert_eq!(of(b"DEFAULT LOGIN u ACCOUNT x PASSWORD p\nMACDEF m\nx\n\n"), is(b"u", b"p"));
        assert_eq!(Netrc::parse(b"MACHINE a LOGIN u ACCOUNT x MACDEF m\nx\n\nDEFAULT").fault(), None);
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        let text =
            "machine a login u password p\r\nmacdef init\r\nmachine c login no\r\n\r\nmachine d login v password q\r\n";
        let netrc = Netrc::parse(text.as_bytes());
        assert_eq!(netrc_of(&netrc, "a", None), Some(("u".into(), Some("p".into()))));
        assert_eq!(netrc_of(&netrc, "c", None), None);
        assert_eq!(netrc_of(&netrc, "d", None), Some(("v".into(), Some("q".into()))));
    }
    #[test]
    fn what_means_nothing_is_told_by_its_line() {
        for (text, fault) in [
            ("machine a login u password p\ndefault login v", None),
            ("# s3cret\nmachine a\n\tlogin u\n\taccount x # s3cret\nmacdef m\ns3cret\n\nmachine b login v", None),
            ("machine a\nlogin u\npasword s3cret\n", Some("line 3 has a word that is none of")),
            ("machine a login u password two s3cret\n", Some("line 1 has a word that is none of")),
            ("login u password p\n", Some("line 1 has a login or password before")),
            ("\nmachine", Some("line 2 names no machine")),
            ("machine a login", Some("line 1 names no login")),
            ("machine a\nlogin u password ", Some("line 2 has no password")),
            ("machine a\nlogin u password \"s3cret\nmachine b", Some("line 2 begins a quoted word")),
        ] {
            let netrc = Netrc::parse(text.as_bytes());
            match fault {
                None => assert_eq!(netrc.fault(), None, "{text}"),
                Some(fault) => assert!(netrc.fault().is_some_and(|told| told.starts_with(fault)), "{text}"),
            }
            assert!(netrc.fault().is_none_or(|told| !told.contains("s3cret")), "{text}");
        }
    }
}
