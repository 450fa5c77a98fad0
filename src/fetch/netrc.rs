//! The netrc file: users and passwords of hosts, as curl and wget read it.
//!
//! Words, separated by blanks: `machine HOST` or `default`, then `login`, `password` and `account`, each
//! with its word. A word in double quotes may hold blanks, with `\"` and `\\` inside. `macdef` names a
//! macro that ends at an empty line; macros are for ftp and not kept. A word that begins with `#` where a keyword is
//! expected starts a comment; a value may begin with it.

/// What is known about one host, or, without a host, about every other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct NetrcEntry {
    host: Option<String>,
    user: String,
    password: Option<String>,
}

/// A netrc file that was read.
#[derive(Default)]
pub(super) struct Netrc {
    entries: Vec<NetrcEntry>,
    fault: Option<String>,
}

impl Netrc {
    /// Reads a netrc file's text. Words that mean nothing are passed over, as curl does, and reported by [`Netrc::fault`].
    pub(super) fn parse(text: &str) -> Self {
        let mut entries: Vec<NetrcEntry> = Vec::new();
        let mut fault: Option<String> = None;
        let mut words = Words { rest: text, is_open: false };
        let line = |words: &Words<'_>| text[..text.len() - words.rest.len()].matches('\n').count() + 1;
        while let Some(word) = words.next() {
            let at = line(&words);
            // The word itself may be half a password: it is not repeated.
            let wrong = match (word.as_str(), entries.last_mut()) {
                ("machine", _) => {
                    let host = words.value();
                    let is_missing = host.is_none();
                    entries.push(NetrcEntry { host, ..NetrcEntry::default() });
                    is_missing.then_some("names no machine")
                }
                ("default", _) => {
                    entries.push(NetrcEntry::default());
                    None
                }
                ("login", Some(entry)) => {
                    let user = words.value();
                    let is_missing = user.is_none();
                    entry.user = user.unwrap_or_default();
                    is_missing.then_some("names no login")
                }
                ("password", Some(entry)) => {
                    entry.password = words.value();
                    entry.password.is_none().then_some("has no password")
                }
                ("login" | "password", None) => {
                    words.value();
                    Some("has a login or password before the first machine")
                }
                ("account", _) => {
                    words.value();
                    None
                }
                ("macdef", _) => {
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
    pub(super) fn of(&self, host: &str, user: Option<&str>) -> Option<(String, Option<String>)> {
        let mut entries = self.entries.iter().filter(|entry| user.is_none_or(|user| user == entry.user));
        let named = |entry: &&NetrcEntry| entry.host.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(host));
        let entry = entries.clone().find(named).or_else(|| entries.find(|entry| entry.host.is_none()))?;
        Some((entry.user.clone(), entry.password.clone()))
    }
}

struct Words<'a> {
    rest: &'a str,
    /// Whether the last word was in quotes, and they did not end.
    is_open: bool,
}

impl Words<'_> {
    /// The next word that is not in a comment.
    fn next(&mut self) -> Option<String> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                break;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, after)| after);
        }
        self.value()
    }

    /// The next word, whatever it begins with.
    fn value(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
            let (word, rest) = self.rest.split_at(end);
            self.rest = rest;
            return (!word.is_empty()).then(|| word.to_owned());
        };
        let mut word = String::new();
        let mut letters = quoted.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(word);
                }
                '\\' => word.extend(letters.next().map(|(_, letter)| letter)),
                _ => word.push(letter),
            }
        }
        self.rest = "";
        self.is_open = true;
        Some(word)
    }

    fn skip_macro(&mut self) {
        // The first line is the rest of the macro's name.
        let mut rest = self.rest.split_once('\n').map_or("", |(_, after)| after);
        while let Some((line, after)) = rest.split_once('\n') {
            rest = after;
            if line.trim_end_matches('\r').is_empty() {
                self.rest = rest;
                return;
            }
        }
        self.rest = "";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netrc_is_read_as_curl_reads_it() {
        let text = "# machine no login no password no\nmachine a login u password p\n\nmachine b.example\n\tlogin \"u v\"\n\
                    \taccount x\n\tpassword \"p\\\"q\\\\\"\nmacdef init\nmachine c login no\n\nmachine d login only\n\
                    default login anonymous password me@";
        let netrc = Netrc::parse(text);
        let of =
            |host: &str| netrc.of(host, None).map(|(user, password)| (user, password.unwrap_or_else(|| "-".into())));
        assert_eq!(of("a"), Some(("u".into(), "p".into())));
        assert_eq!(of("B.EXAMPLE"), Some(("u v".into(), "p\"q\\".into())));
        assert_eq!(of("d"), Some(("only".into(), "-".into())));
        for other in ["no", "c"] {
            assert_eq!(of(other), Some(("anonymous".into(), "me@".into())));
        }
        let several = Netrc::parse("machine a login u password p machine a login v password q default login u");
        assert_eq!(several.of("a", Some("v")), Some(("v".into(), Some("q".into()))));
        assert_eq!(several.of("b", Some("u")), Some(("u".into(), None)));
        assert_eq!(several.of("a", Some("w")), None);
        assert_eq!(Netrc::parse("machine a login \"u").of("a", None), Some(("u".into(), None)));
        assert_eq!(Netrc::parse("").of("a", None), None);
    }

    #[test]
    fn a_password_may_begin_with_a_number_sign() {
        for text in [
            "machine a login u password #p machine b login v password q",
            "machine\na\nlogin\nu\npassword\n#p\nmachine\nb\nlogin\nv\npassword\nq",
        ] {
            let netrc = Netrc::parse(text);
            assert_eq!(netrc.of("a", None), Some(("u".into(), Some("#p".into()))), "{text}");
            assert_eq!(netrc.of("b", None), Some(("v".into(), Some("q".into()))), "{text}");
        }
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        let text =
            "machine a login u password p\r\nmacdef init\r\nmachine c login no\r\n\r\nmachine d login v password q\r\n";
        let netrc = Netrc::parse(text);
        assert_eq!(netrc.of("a", None), Some(("u".into(), Some("p".into()))));
        assert_eq!(netrc.of("c", None), None);
        assert_eq!(netrc.of("d", None), Some(("v".into(), Some("q".into()))));
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
            let netrc = Netrc::parse(text);
            match fault {
                None => assert_eq!(netrc.fault(), None, "{text}"),
                Some(fault) => assert!(netrc.fault().is_some_and(|told| told.starts_with(fault)), "{text}"),
            }
            assert!(netrc.fault().is_none_or(|told| !told.contains("s3cret")), "{text}");
        }
    }
}
