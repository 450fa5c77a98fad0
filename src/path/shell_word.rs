//! A path as a word of a shell command, for hints that work when typed as they stand.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::is_bidi_control;

/// A path as a word of a shell command: quoted where a shell would split it or run it, and in `$'…'` (POSIX.1-2024)
/// where it has what no terminal shows.
pub fn shell_word(path: &Path) -> String {
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '=' | ':' | '@' | '%' | ',');
    let is_shown = |c: char| !c.is_control() && !is_bidi_control(c);
    match path.to_str().filter(|text| text.chars().all(is_shown)) {
        Some(text) if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('-') => text.to_owned(),
        // What begins with a dash would be an option, quoted or not.
        Some(text) if text.starts_with('-') => shell_word(&Path::new(".").join(text)),
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => {
            let escaped = path.as_os_str().as_bytes().iter().map(|&byte| match byte {
                b' '..=b'~' if !matches!(byte, b'\'' | b'\\') => char::from(byte).to_string(),
                _ => format!("\\{byte:03o}"),
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_split_or_run_it() {
        for (path, shown) in [
            ("a/b-c.run", "a/b-c.run"),
            ("数据", "数据"),
            ("a b", "'a b'"),
            ("a'$(x)", r"'a'\''$(x)'"),
            ("-x", "./-x"),
            ("-x y", "'./-x y'"),
            ("", "''"),
            ("a\u{1b}[2J'", r"$'a\033[2J\047'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), shown);
        }
    }

    #[test]
    fn a_shell_makes_the_same_path_of_it() {
        for path in [&b"a b'c\"$HOME`x`\\"[..], b"f\xff\n!", b"\x1b\xe2\x80\xae'\\z", "数 据".as_bytes()] {
            let line = format!("printf %s {}", shell_word(Path::new(OsStr::from_bytes(path))));
            let output = Command::new("bash").args(["-c", &line]).output().expect("bash runs");
            assert_eq!(output.stdout, path, "{line}");
        }
    }
}
