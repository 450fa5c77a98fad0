//! Who runs a script: what the kernel reads in the first bytes of a file that is to be executed.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind, elf};

/// How many of a file's first bytes are looked at.
const HEAD: u64 = 4_096;

/// The shells, by name.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];

/// Those of them that take an option with a blank in it for none.
const ONE_WORD: [&str; 4] = ["sh", "bash", "dash", "ash"];

/// What the beginning of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interpreter {
    /// A `#!` line: the program in it, and what `env` is to look for where that is the program.
    Named {
        /// The program, as it stands there.
        program: PathBuf,
        /// The word after `env`.
        looked_for: Option<String>,
    },
    /// Text without a `#!` line: it is for `sh`.
    Unnamed,
    /// The first line ends as Windows ends lines, in CR and LF.
    WindowsLines {
        /// That line.
        first: String,
    },
    /// All lines end in CR alone: for Linux it is one line.
    ReturnLines {
        /// What would be its first line.
        first: String,
    },
    /// A `#!` line with more words after its program than one. Linux gives it them as one word, which it does not take.
    SeveralWords {
        /// The program, as it stands there.
        program: String,
        /// What it is given.
        argument: String,
    },
    /// A web page, as a server sends it in place of a file.
    WebPage,
    /// A byte order mark before the text: the kernel sees no `#!` behind it.
    ByteOrderMark,
    /// An ELF executable: its machine, and the loader it asks for where it is dynamically linked.
    Executable {
        /// `e_machine` of its header.
        machine: u16,
        /// Its `PT_INTERP`.
        loader: Option<PathBuf>,
    },
    /// Neither text nor an executable of Linux.
    Unknown,
}

impl Interpreter {
    /// Reads the beginning of the file at `path`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut head = Vec::new();
        File::open(path)?.take(HEAD).read_to_end(&mut head)?;
        Ok(Self::read(&head))
    }

    fn read(head: &[u8]) -> Self {
        if head.starts_with(b"\x7fELF") {
            return match FileKind::parse(head) {
                Ok(FileKind::Elf64) => executable::<elf::FileHeader64<Endianness>>(head),
                Ok(FileKind::Elf32) => executable::<elf::FileHeader32<Endianness>>(head),
                _ => Interpreter::Unknown,
            };
        }
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if is_web_page(head) {
            return Interpreter::WebPage;
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            return Interpreter::ByteOrderMark;
        }
        if line.contains(&0) {
            return Interpreter::Unknown;
        }
        let inner = line.strip_suffix(b"\r").unwrap_or(line);
        let has_other_end = line.starts_with(b"#!") || line.len() == head.len() && (head.len() as u64) < HEAD;
        if has_other_end && let Some(end) = inner.iter().position(|&byte| byte == b'\r') {
            return Interpreter::ReturnLines { first: String::from_utf8_lossy(&line[..=end]).into_owned() };
        }
        if line.ends_with(b"\r") {
            return Interpreter::WindowsLines { first: String::from_utf8_lossy(line).into_owned() };
        }
        let Some(line) = line.strip_prefix(b"#!") else { return Interpreter::Unnamed };
        let line = line.trim_ascii();
        let mut words = line.split(|byte| b" \t".contains(byte)).filter(|word| !word.is_empty());
        let Some(program) = words.next() else { return Interpreter::Unnamed };
        let argument = line[program.len()..].trim_ascii_start();
        if takes_one_word(program, argument) && words.clone().count() > 1 {
            let [program, argument] = [program, argument].map(|text| String::from_utf8_lossy(text).into_owned());
            return Interpreter::SeveralWords { program, argument };
        }
        let program = PathBuf::from(OsStr::from_bytes(program));
        let is_env = program.file_name().is_some_and(|name| name == "env");
        let is_name = |word: &&[u8]| !word.starts_with(b"-") && !word.contains(&b'=');
        let looked_for = words.find(is_name).filter(|_| is_env).map(|word| String::from_utf8_lossy(word).into_owned());
        Interpreter::Named { program, looked_for }
    }

    /// Whether it is a shell's script, as far as its first line tells: what has none is run by one.
    pub fn is_shell(&self) -> bool {
        let name = match self {
            Interpreter::Unnamed => return true,
            Interpreter::Named { looked_for: Some(name), .. } => Path::new(name).file_name(),
            Interpreter::Named { program, .. } => program.file_name(),
            _ => None,
        };
        name.and_then(OsStr::to_str).is_some_and(|name| SHELLS.contains(&name))
    }

    /// The program that would have to be on this machine and is not, as it is called in the file.
    pub fn missing(&self) -> Option<String> {
        let named = |path: &Path| path.display().to_string();
        match self {
            Interpreter::Named { program, .. } if !is_program(program) => Some(named(program)),
            Interpreter::Named { looked_for: Some(name), .. } if !is_found(name) => Some(name.clone()),
            Interpreter::Executable { loader: Some(loader), .. } if !loader.is_file() => Some(named(loader)),
            _ => None,
        }
    }
}

/// Whether a program fails over `argument` where that is several words in one. `env` takes it apart with -S alone.
fn takes_one_word(program: &[u8], argument: &[u8]) -> bool {
    let name = program.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if name == b"env" {
        let option = argument.split(|byte| b" \t".contains(byte)).next().unwrap_or_default();
        let is_short = option.starts_with(b"-") && !option.starts_with(b"--");
        return !(is_short && option.contains(&b'S') || option.starts_with(b"--split-string"));
    }
    ONE_WORD.iter().any(|shell| shell.as_bytes() == name)
}

/// Whether it begins as HTML does.
fn is_web_page(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|tag| text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)))
}

fn executable<H: FileHeader<Endian = Endianness>>(head: &[u8]) -> Interpreter {
    let read = || {
        let header = H::parse(head)?;
        let endian = header.endian()?;
        let segments = header.program_headers(endian, head)?;
        let loader = segments.iter().find_map(|segment| segment.interpreter(endian, head).ok().flatten());
        let loader = loader.map(|loader| PathBuf::from(OsStr::from_bytes(loader)));
        Ok::<_, object::Error>(Interpreter::Executable { machine: header.e_machine(endian).0, loader })
    };
    read().unwrap_or(Interpreter::Unknown)
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Whether `env` finds a program of this name.
fn is_found(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    name.contains('/') && is_program(Path::new(name)) || env::split_paths(&path).any(|dir| is_program(&dir.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_read_as_the_kernel_reads_it() {
        let named = |program: &str, looked_for: Option<&str>| Interpreter::Named {
            program: program.into(),
            looked_for: looked_for.map(str::to_owned),
        };
        let returns = |first: &str| Interpreter::ReturnLines { first: first.to_owned() };
        let several = |program: &str, argument: &str| Interpreter::SeveralWords {
            program: program.to_owned(),
            argument: argument.to_owned(),
        };
        for (head, expected) in [
            (&b"#!/bin/sh\necho\n"[..], named("/bin/sh", None)),
            (b"#! \t/bin/bash -e\n", named("/bin/bash", None)),
            (b"#!/usr/bin/env bash\n", named("/usr/bin/env", Some("bash"))),
            (b"#!/usr/bin/env -S A=b python3 -u\n", named("/usr/bin/env", Some("python3"))),
            (b"#!/bin/sh", named("/bin/sh", None)),
            (b"#!\n", Interpreter::Unnamed),
            (b"echo\n", Interpreter::Unnamed),
            (b"", Interpreter::Unnamed),
            (b"#!/bin/sh\r\necho\r\n", Interpreter::WindowsLines { first: "#!/bin/sh\r".to_owned() }),
            (b"echo\r\n", Interpreter::WindowsLines { first: "echo\r".to_owned() }),
            (b"#!/bin/sh\recho\r", returns("#!/bin/sh\r")),
            (b"#!/bin/sh\recho\n", returns("#!/bin/sh\r")),
            (b"echo\recho", returns("echo\r")),
            (b"printf 'a\rb'\n", Interpreter::Unnamed),
            (b"#!/bin/sh -e -u\n", several("/bin/sh", "-e -u")),
            (b"#! /bin/bash \t-e  # all \n", several("/bin/bash", "-e  # all")),
            (b"#!/bin/sh -eu \t\n", named("/bin/sh", None)),
            (b"#!/usr/bin/perl -w -T\n", named("/usr/bin/perl", None)),
            (b"#!/usr/bin/env bash -e\n", several("/usr/bin/env", "bash -e")),
            (b"#!/usr/bin/env -i bash\n", several("/usr/bin/env", "-i bash")),
            (b"#!/usr/bin/env -vS bash -e\n", named("/usr/bin/env", Some("bash"))),
            (b"#!/usr/bin/env --split-string bash -e\n", named("/usr/bin/env", Some("bash"))),
            (b"\n<!DOCTYPE html>\n<ht", Interpreter::WebPage),
            (b"\xef\xbb\xbf<HTML><head>\r\n", Interpreter::WebPage),
            (b"\xef\xbb\xbf#!/bin/sh\n", Interpreter::ByteOrderMark),
            (b"MZ\x90\0\n", Interpreter::Unknown),
            (b"\x7fELF", Interpreter::Unknown),
        ] {
            assert_eq!(Interpreter::read(head), expected, "{}", String::from_utf8_lossy(head));
        }
        // An executable for i386: the header of ELF, 32 bits, with no segments.
        let mut small = b"\x7fELF\x01\x01\x01".to_vec();
        small.resize(52, 0);
        (small[16], small[18], small[20], small[40], small[42]) = (2, 3, 1, 52, 32);
        assert_eq!(Interpreter::read(&small), Interpreter::Executable { machine: 3, loader: None });
        let own = Interpreter::of(&env::current_exe().expect("a program")).expect("read");
        let Interpreter::Executable { machine, .. } = own else { panic!("{own:?}") };
        assert_eq!(Some(machine), crate::platform::Platform::host().map(crate::platform::Platform::elf_machine));
    }

    #[test]
    fn what_is_not_on_this_machine_is_named() {
        let missing = |head: &str| Interpreter::read(head.as_bytes()).missing();
        assert_eq!(missing("#!/bin/sh\n"), None);
        assert_eq!(missing("#!/usr/bin/env sh\n"), None);
        assert_eq!(missing("#!/opt/no/such -x\n").as_deref(), Some("/opt/no/such"));
        assert_eq!(missing("#!/usr/bin/env no-such-program\n").as_deref(), Some("no-such-program"));
        assert_eq!(missing("#!/usr/bin/env no/such\n").as_deref(), Some("no/such"), "a path, which env takes as it is");
        for no_program in ["/etc", "/etc/passwd"] {
            assert_eq!(missing(&format!("#!{no_program}\n")).as_deref(), Some(no_program));
        }
        let loader = Some("/lib/no-such-loader.so".into());
        assert!(Interpreter::Executable { machine: 62, loader }.missing().is_some());
    }
}
