//! One error type: what happened, the facts, and what to type next.
//!
//! An [`Error`] is built where the facts are known and printed in one place (`cli`). Its texts may come
//! from a server or a bundle, so every one of them is made [`printable`] on the way in.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

use crate::language::tr;
use crate::language::translated;

/// The result of everything in this crate that can go wrong.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure this is; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Network, disk, a missing file, a manifest that is not valid: exit code 1.
    Failed,
    /// The command line is wrong: exit code 2.
    Usage,
    /// A digest, size, signature or version is not what was promised: exit code 3.
    Integrity,
}

impl Class {
    /// The process exit code of this class.
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Failed => 1,
            Class::Usage => 2,
            Class::Integrity => 3,
        }
    }
}

/// A title, the facts behind it, and a hint: the next command to type.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    class: Class,
    title: String,
    facts: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    fn new(class: Class, title: impl Display) -> Self {
        Error(Box::new(Inner {
            class,
            title: printable(&title.to_string()),
            facts: Vec::new(),
            hint: None,
            source: None,
        }))
    }

    /// The network, the disk or the input failed (exit code 1).
    pub fn failed(title: impl Display) -> Self {
        Self::new(Class::Failed, title)
    }

    /// The command was called wrongly (exit code 2).
    pub fn usage(title: impl Display) -> Self {
        Self::new(Class::Usage, title)
    }

    /// Bytes are not what was promised (exit code 3).
    pub fn integrity(title: impl Display) -> Self {
        Self::new(Class::Integrity, title)
    }

    /// An I/O error: what was being done, to which file, and what the system answered.
    ///
    /// `doing` completes the sentence "cannot …", for example `"read the manifest"`.
    pub fn io(doing: &str, path: &Path, cause: io::Error) -> Self {
        let hint = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                tr!("the disk is full: free some space (see 'df -h' and 'df -i'), then run the same command again")
            }
            io::ErrorKind::FileTooLarge => {
                tr!(
                    "the file system takes no file this large (FAT32 ends at 4 GiB): format the stick as exFAT or ext4; or \
                 'ulimit -f' of this shell does not"
                )
            }
            io::ErrorKind::NotADirectory => {
                tr!("a part of that path is no folder: move it away, or choose another place")
            }
            io::ErrorKind::PermissionDenied => {
                tr!("check who owns the file or folder with 'ls -ld', or run as a user who may use it")
            }
            io::ErrorKind::NotFound => tr!("check the path with 'ls'"),
            io::ErrorKind::ReadOnlyFilesystem => tr!("the file system is read-only: choose another place"),
            io::ErrorKind::IsADirectory => tr!("that is a folder: name a file"),
            io::ErrorKind::InvalidFilename => {
                tr!("a name is too long or not allowed on that file system: choose another")
            }
            io::ErrorKind::InvalidData => tr!("the file is not the text it should be: check that it is the right one"),
            io::ErrorKind::ExecutableFileBusy | io::ErrorKind::ResourceBusy => {
                tr!("another program uses it: wait until it is done, then run the same command again")
            }
            _ => match cause.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
                Some(rustix::io::Errno::IO) => {
                    tr!("the disk or stick may be failing: see 'dmesg', and copy the file again or use another stick")
                }
                Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                    tr!("too many files are open: allow more with 'ulimit -n 4096', then run the same command again")
                }
                Some(rustix::io::Errno::LOOP) => tr!("a symbolic link leads back to itself: see it with 'ls -l'"),
                _ => tr!("look at it with 'ls -ld', then run the same command again"),
            },
        };
        Self::failed(tr!("cannot {}", translated(doing)))
            .fact("path", path.display())
            .fact("cause", &cause)
            .caused_by(cause)
            .hint(hint)
    }

    /// Adds a fact: a short name (`path`, `url`, `expected`, `actual`, …) and its value.
    pub fn fact(mut self, name: &'static str, value: impl Display) -> Self {
        self.0.facts.push((name, printable(&value.to_string())));
        self
    }

    /// Says what to type next. The last hint given is the one shown.
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.0.hint = Some(printable(&hint.to_string()));
        self
    }

    /// Says what to type next, where nothing more exact is known: by somebody who knows the names.
    pub fn hint_where_none(self, hint: impl Display) -> Self {
        if self.0.hint.is_some() { self } else { self.hint(hint) }
    }

    /// Keeps the underlying error for callers that look at its type.
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(cause.into());
        self
    }

    /// What sort of failure this is.
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// What kind of I/O error is behind it, where one is.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.0.source.as_ref()?.downcast_ref::<io::Error>().map(io::Error::kind)
    }

    /// One sentence: what happened.
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// The facts, in the order they were added.
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.0.facts
    }

    /// The next command to type, where there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.title)?;
        for (name, value) in &self.0.facts {
            write!(f, "; {name}: {value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Turns an I/O result into one of ours by naming the deed and the file.
pub trait IoContext<T> {
    /// `doing` completes the sentence "cannot …"; see [`Error::io`].
    fn doing(self, doing: &str, path: &Path) -> Result<T>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn doing(self, doing: &str, path: &Path) -> Result<T> {
        self.map_err(|cause| Error::io(doing, path, cause))
    }
}

/// `text` without anything that could move a terminal's cursor or reorder what is read.
///
/// Control characters (line feeds and tabs too) and Unicode's bidirectional controls become `�`; what
/// comes from a server is cut after 2,000 characters.
pub fn printable(text: &str) -> String {
    const LONGEST: usize = 2_000;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => inert(&text[..end]) + "…",
        None => inert(text),
    }
}

/// As [`printable`], and not cut: for what has a limit of its own, such as a URL of a manifest.
pub fn inert(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_bidi_control(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether `c` is one of Unicode's explicit directional marks, embeddings, overrides or isolates (UAX #9).
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_move_the_cursor() {
        let error = Error::failed("a\x1b[2Jb").fact("url", "x\r\ny\u{202e}z").hint("h\u{7}");
        assert_eq!(error.title(), "a\u{fffd}[2Jb");
        assert_eq!(error.facts(), [("url", "x\u{fffd}\u{fffd}y\u{fffd}z".to_owned())]);
        assert_eq!(error.hint_text(), Some("h\u{fffd}"));
    }

    #[test]
    fn a_file_too_large_for_the_stick_says_what_to_do() {
        let error = Error::io("write", Path::new("x"), io::Error::from(io::ErrorKind::FileTooLarge));
        assert!(error.hint_text().is_some_and(|hint| hint.contains("exFAT")));
        assert_eq!(error.io_kind(), Some(io::ErrorKind::FileTooLarge));
    }

    #[test]
    fn every_io_error_has_a_hint() {
        for code in 1..=133 {
            let error = Error::io("read", Path::new("x"), io::Error::from_raw_os_error(code));
            assert!(error.hint_text().is_some_and(|hint| !hint.is_empty()), "{error}");
        }
        let hint = |errno: rustix::io::Errno| {
            let error = Error::io("read", Path::new("x"), errno.into());
            error.hint_text().unwrap_or_default().to_owned()
        };
        assert!(hint(rustix::io::Errno::IO).contains("dmesg"));
        assert!(hint(rustix::io::Errno::ISDIR).contains("name a file"));
        assert!(hint(rustix::io::Errno::NAMETOOLONG).contains("too long"));
        assert!(hint(rustix::io::Errno::ROFS).contains("read-only"));
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(printable(&"x".repeat(5_000)).chars().count(), 2_001);
    }
}
