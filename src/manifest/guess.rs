//! What kind an artifact is likely to be, by its name and its first bytes.

use super::Kind;

/// The endings of systemd's units.
const UNITS: [&str; 6] = [".service", ".socket", ".timer", ".mount", ".path", ".target"];

/// A guess at the kind of a file that is no archive, no stack file and no product, by the last part of its name, its first bytes, and whether
/// it may be executed.
///
/// ```
/// # use pack::manifest::{Kind, guess::kind_of_file};
/// assert_eq!(kind_of_file("install.sh", b"#!/bin/sh\n", false), Kind::Script);
/// assert_eq!(kind_of_file("install.sh", b"", false), Kind::File);
/// ```
pub fn kind_of_file(name: &str, head: &[u8], is_executable: bool) -> Kind {
    let has_line = |line: &[u8]| head.split(|&byte| byte == b'\n').any(|found| found.trim_ascii() == line);
    let is_unit = UNITS.iter().any(|ending| name.ends_with(ending));
    match () {
        () if is_unit && (has_line(b"[Unit]") || has_line(b"[Service]")) => Kind::Unit,
        () if head.starts_with(b"#!") => Kind::Script,
        // A library has that bit in some build systems' opinion too.
        () if head.starts_with(b"\x7fELF") && is_executable && !name.contains(".so") => Kind::Script,
        () => Kind::File,
    }
}

/// A guess at the kind of what a web server has under this name.
pub fn kind_of_name(name: &str) -> Kind {
    let is_version = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let is_engine = name.strip_prefix("docker-").is_some_and(is_version) && name.ends_with(".tgz");
    match () {
        // As download.docker.com names them.
        () if is_engine => Kind::Engine,
        () if name.ends_with(".sh") => Kind::Script,
        () if name.ends_with(".service") => Kind::Unit,
        () => Kind::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_guessed_by_content_before_names() {
        for (name, head, is_executable, kind) in [
            ("run", &b"#!/bin/sh\n"[..], false, Kind::Script),
            ("run.sh", b"echo", true, Kind::File),
            ("tool", b"\x7fELF\x02", true, Kind::Script),
            ("tool", b"\x7fELF\x02", false, Kind::File),
            ("libx.so.1", b"\x7fELF\x02", true, Kind::File),
            ("docker.service", b"# x\n[Unit]\r\nA=b", false, Kind::Unit),
            ("docker.service", b"text", false, Kind::File),
        ] {
            assert_eq!(kind_of_file(name, head, is_executable), kind, "{name}");
        }
        for (name, kind) in [
            ("docker-24.0.9.tgz", Kind::Engine),
            ("docker-compose.tgz", Kind::File),
            ("install.sh", Kind::Script),
            ("docker.service", Kind::Unit),
            ("a.tar.gz", Kind::File),
        ] {
            assert_eq!(kind_of_name(name), kind, "{name}");
        }
    }
}
