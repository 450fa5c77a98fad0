//! Paths and URLs from outside, as they may be shown.

use std::io::{self, Write};
use std::path::Path;

use crate::error::is_bidi_control;

/// A path in a JSON document, which is Unicode while a path need not be: a byte that is not is shown as `�`.
pub(in crate::cli) fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A URL with the letters that it means instead of `%E6%95%B0`. Only what cannot mislead is decoded: whole characters
/// outside of ASCII, neither blank nor invisible.
pub(in crate::cli) fn url(url: &str) -> String {
    let mut shown = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(at) = rest.find('%') {
        let (before, escaped) = rest.split_at(at);
        shown.push_str(before);
        let (text, used) = decoded(escaped);
        shown.push_str(&text);
        rest = &escaped[used..];
    }
    shown + rest
}

/// The characters that a run of escapes at the beginning of `text` means, or the run as it is; and its length.
fn decoded(text: &str) -> (String, usize) {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|&digit| char::from(digit).to_digit(16));
    let mut run = Vec::new();
    while bytes.get(run.len() * 3) == Some(&b'%')
        && let (Some(high), Some(low)) = (hex(run.len() * 3 + 1), hex(run.len() * 3 + 2))
        && let Ok(byte) = u8::try_from(high * 16 + low)
        && !byte.is_ascii()
    {
        run.push(byte);
    }
    let used = (run.len() * 3).max(1);
    let misleads = |c: char| c.is_control() || c.is_whitespace() || is_bidi_control(c) || is_invisible(c);
    match String::from_utf8(run) {
        Ok(plain) if !plain.is_empty() && !plain.chars().any(misleads) => (plain, used),
        _ => (text[..used].to_owned(), used),
    }
}

/// Characters that take no room and so hide in a name (Unicode's default ignorables, those that are common).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Takes JSON as a serializer writes it, and passes it on without a character that could move a cursor or reorder what is
/// read: those are escaped, as JSON allows.
pub(super) struct InertJson<W>(pub(super) W);

impl<W: Write> Write for InertJson<W> {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        // A serializer writes texts, and cuts none within a character.
        let text = str::from_utf8(json).map_err(io::Error::other)?;
        let is_active = |c: char| c != '\n' && (c.is_control() || is_bidi_control(c));
        let mut rest = text;
        while let Some(at) = rest.find(is_active) {
            self.0.write_all(&rest.as_bytes()[..at])?;
            let mut after = rest[at..].chars();
            after.next().map_or(Ok(()), |c| write!(self.0, "\\u{:04x}", u32::from(c)))?;
            rest = after.as_str();
        }
        self.0.write_all(rest.as_bytes())?;
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_decoded_only_where_that_is_safe() {
        for (as_sent, shown) in [
            ("https://h/%E6%95%B0%E6%8D%AE/a.tar", "https://h/数据/a.tar"),
            ("https://h/a%20b%2Fc%25", "https://h/a%20b%2Fc%25"),
            ("https://h/%E2%80%AE%E6%95%B0", "https://h/%E2%80%AE%E6%95%B0"),
            ("https://h/%E6%95", "https://h/%E6%95"),
            ("https://h/%C2%A0%", "https://h/%C2%A0%"),
            ("https://h/%E2%80%8B", "https://h/%E2%80%8B"),
        ] {
            assert_eq!(url(as_sent), shown);
        }
    }

    #[test]
    fn json_is_the_same_value_and_moves_no_cursor() {
        let value = serde_json::json!({ "name": "a\u{9b}2J\u{202e}b\u{7f}数" });
        let mut text = Vec::new();
        serde_json::to_writer_pretty(InertJson(&mut text), &value).expect("JSON");
        let text = String::from_utf8(text).expect("text");
        assert!(
            text.contains("\\u009b") && text.contains("\\u202e") && text.contains("\\u007f") && text.contains('数')
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }
}
