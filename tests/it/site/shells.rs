//! Shells with options, variables and functions that scripts do not expect.

use std::fs;
use std::process::{Command, Stdio};

use super::stick::{SHELLS, Site, site};
use crate::support::texts;

#[track_caller]
fn runs(site: &Site, command: &mut Command, what: &str) {
    let output = command.arg("a").output().expect("the shell runs");
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(7), "ran <a>\n"), "{what}: {err}");
    assert!(err.lines().all(|line| line.starts_with("ok bundle")), "{what}: {err}");
    site.nothing_is_left();
}

#[test]
fn it_runs_whatever_options_the_shell_has() {
    let site = site();
    for shell in [
        &["dash", "-e"][..],
        &["dash", "-u"],
        &["dash", "-euaCf"],
        &["bash", "-eo", "pipefail"],
        &["bash", "-euCfo", "posix"],
        &["bash", "-ao", "noclobber"],
        &["busybox", "sh", "-eu"],
        &["busybox", "sh", "-o", "pipefail", "-e"],
    ] {
        runs(&site, &mut site.command(shell), &format!("{shell:?}"));
    }
}

#[test]
fn it_runs_whatever_the_environment_has() {
    let site = site();
    for shell in SHELLS {
        for (name, value) in [
            ("GZIP", "-v"),
            ("GZIP", "--list"),
            ("POSIXLY_CORRECT", "1"),
            ("POSIXLY_CORRECT", ""),
            ("CDPATH", "/usr:/tmp"),
            ("IFS", "/p"),
            ("TAPE", "x"),
            ("SHELLOPTS", "errexit:nounset:pipefail"),
            ("PWD", "/nowhere"),
        ] {
            let mut command = site.command(shell);
            runs(&site, command.env(name, value), &format!("{shell:?} {name}={value}"));
        }
    }
}

#[test]
fn exported_functions_do_not_stand_in_for_programs() {
    let site = site();
    let programs = "cd ls grep head tail gzip rm mkdir mktemp id cksum command printf pwd umask";
    // A bash in POSIX mode does not take these for functions, and ends by itself.
    let special = "unset exec exit set trap return shift";
    for (shell, names) in [
        (&["bash"][..], format!("{programs} {special}")),
        (&["bash", "--posix"], programs.to_owned()),
        (&["dash"], format!("{programs} {special}")),
        (&["busybox", "sh"], format!("{programs} {special}")),
    ] {
        let mut command = site.command(shell);
        for name in names.split(' ') {
            command.env(format!("BASH_FUNC_{name}%%"), "() { echo a function >&2; return 3; }");
        }
        runs(&site, &mut command, &format!("{shell:?}"));
    }
}

#[test]
fn it_is_found_in_a_folder_whose_name_ends_in_a_line_feed() {
    let site = site();
    let folder = site.stick.join("odd\n");
    fs::create_dir(&folder).expect("a folder");
    fs::copy(&site.bundle, folder.join("x.run")).expect("copied");
    for shell in SHELLS {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("x.run").current_dir(&folder).env("TMPDIR", &site.tmp).stdin(Stdio::null());
        runs(&site, &mut command, &format!("{shell:?}"));
    }
}

#[test]
fn the_script_gets_the_callers_mask_and_no_descriptor_of_ours() {
    let site = super::stick::site_with("#!/bin/sh\numask\nls -l /proc/self/fd\n");
    for shell in SHELLS {
        let mut words = vec!["-c", "umask 027; exec \"$@\" a", "sh"];
        words.extend(shell);
        let mut command = Command::new("sh");
        command.args(words).arg(&site.bundle).current_dir(&site.stick).env("TMPDIR", &site.tmp).stdin(Stdio::null());
        let (out, err) = texts(&command.output().expect("runs"));
        assert!(out.starts_with("0027\n") && out.contains(" 0 -> "), "{shell:?}: {err}");
        // The runtime's file has no name any more.
        assert!(!out.contains("(deleted)"), "{shell:?}: {out}");
    }
}
