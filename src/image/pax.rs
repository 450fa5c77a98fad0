//! The records of a pax header.

/// The records of a pax header (POSIX.1-2001, pax): `LENGTH KEY=VALUE` and a line feed, where LENGTH is that of the whole
/// record. A value may hold any byte, line feeds too, as those of extended attributes do.
pub(super) struct PaxRecords<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for PaxRecords<'a> {
    type Item = Result<PaxRecord<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some((record, rest)) = pax_record(self.0) else {
            self.0 = &[];
            return Some(Err("a pax header is damaged".to_owned()));
        };
        self.0 = rest;
        Some(Ok(record))
    }
}

/// A key and its value.
pub(super) type PaxRecord<'a> = (&'a [u8], &'a [u8]);

/// The first record, and what follows it.
fn pax_record(bytes: &[u8]) -> Option<(PaxRecord<'_>, &[u8])> {
    let space = bytes.iter().position(|&byte| byte == b' ')?;
    let length: usize = str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let content = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = content.iter().position(|&byte| byte == b'=')?;
    Some(((&content[..equals], &content[equals + 1..]), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_value_may_hold_a_line_feed() {
        let records = b"32 SCHILY.xattr.user.note=a\nb\nc\n12 path=a/b\n";
        let found: Result<Vec<_>, _> = PaxRecords(records).collect();
        let expected: [(&[u8], &[u8]); 2] = [(b"SCHILY.xattr.user.note", b"a\nb\nc"), (b"path", b"a/b")];
        assert_eq!(found.expect("whole"), expected);
        for damaged in [&b"13 path=a/b\n"[..], b"11 path=a/b\n", b"x path=a/b\n", b"0 \n", b"2 ", b"3 \n", b"5 ab\n"] {
            assert!(PaxRecords(damaged).any(|record| record.is_err()), "{damaged:?}");
        }
    }
}
