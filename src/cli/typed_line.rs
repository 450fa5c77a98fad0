//! A line of standard input: a value or a password that is not to stand among a command's words.

use std::io::{self, BufRead, Read};

/// The next line without its end; `None` where there is no more.
///
/// # Errors
/// It has more than `limit` bytes, is not UTF-8, or cannot be read.
pub(super) fn read(mut input: impl BufRead, limit: usize) -> io::Result<Option<String>> {
    let mut line = String::new();
    // The end of a line may have two bytes.
    if input.by_ref().take(limit as u64 + 2).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.len() > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("the line has more than {limit} bytes")));
    }
    Ok(Some(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_as_long_as_the_limit_is_read_and_a_longer_one_is_not_cut() {
        let mut input = "abc\nabc\r\n\nabc".as_bytes();
        let mut next = || read(&mut input, 3).expect("a line");
        assert_eq!(
            [next(), next(), next(), next(), next()].map(Option::unwrap_or_default),
            ["abc", "abc", "", "abc", ""]
        );
        for longer in ["abcd\n", "abcd", "abcd\r\n", "abcde", "abcdefgh\n"] {
            assert!(read(longer.as_bytes(), 3).is_err(), "{longer:?}");
        }
        // Read, and not waited for.
        assert!(read(io::BufReader::new(io::repeat(b'x')), 3).is_err());
    }
}
