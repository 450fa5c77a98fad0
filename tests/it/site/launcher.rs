//! A bundle on somebody else's machine: other shells, odd mounts, interruptions.

use std::fs;
use std::process::Command;

use super::stick::{SHELLS, site, site_of, site_with};
use crate::support::mounts::Tmpfs;
use crate::support::{file, portable, stand_in, texts};

#[test]
fn it_runs_under_every_shell_without_the_exec_bit() {
    let site = site();
    for shell in SHELLS {
        let output = site.run(shell, &["a", "b  c", "--help", "", "*"]);
        let (out, err) = texts(&output);
        assert_eq!(
            (output.status.code(), out.as_str()),
            (Some(7), "ran <a> <b  c> <--help> <> <*>\n"),
            "{shell:?}: {err}"
        );
        let output = site.run(shell, &["pack", "verify", "--json"]);
        assert!(output.status.success() && texts(&output).0.contains("\"ok\": true"), "{shell:?}");
        site.nothing_is_left();
    }
}

#[test]
fn nothing_but_busybox_is_enough() {
    let site = site();
    let applets = site.stick.join("applets");
    fs::create_dir(&applets).expect("a folder");
    let installed = Command::new("busybox").args(["--install", "-s"]).arg(&applets).status();
    assert!(installed.expect("busybox runs").success());
    let mut command = Command::new(applets.join("sh"));
    let output = command.arg(&site.bundle).arg("a").env_clear().env("PATH", &applets).env("TMPDIR", &site.tmp).output();
    let output = output.expect("runs");
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(7), "ran <a>\n"), "{err}");
    site.nothing_is_left();
}

#[test]
fn pack_itself_works_on_the_bundle_it_is_in() {
    let site = site();
    let out = |words: &[&str]| texts(&site.run(&["sh"], words)).0;
    assert!(out(&["pack", "inspect"]).contains("noise"));
    assert!(out(&["pack", "-v", "verify"]).contains("every one accounted for"));
    assert!(out(&["pack", "--version"]).starts_with("pack "));
    assert_eq!(site.run(&["sh"], &["pack", "nonsense"]).status.code(), Some(2));
    assert_eq!(site.run(&["sh"], &["pack", "extract", "out", "noise"]).status.code(), Some(0));
    assert_eq!(fs::read(site.stick.join("out/noise")).expect("extracted"), crate::support::noise(1, 3_000));
    site.nothing_is_left();
}

#[test]
fn a_name_with_blanks_and_a_dash_is_a_name() {
    let mut site = site();
    let odd = site.stick.join("-a b'$c.run");
    fs::rename(&site.bundle, &odd).expect("renamed");
    site.bundle = "./-a b'$c.run".into();
    assert_eq!(site.run(&["dash"], &["x"]).status.code(), Some(7));
    site.bundle = odd;
    assert_eq!(site.run(&["busybox", "sh"], &["x"]).status.code(), Some(7));
    site.nothing_is_left();
}

#[test]
fn the_script_finds_its_files_and_who_carried_them() {
    let site = site_with(
        "#!/bin/sh\ncat data\n\"$PACK\" verify -q \"$PACK_BUNDLE\" && echo verified\necho \"$PACK_NAME $PACK_VERSION\"\nstat -c %a .\n",
    );
    let (out, err) = texts(&site.run(&["sh"], &[]));
    assert_eq!(out, "some data\nverified\nprobe 1.0.0\n700\n", "{err}");
    site.nothing_is_left();
}

#[test]
fn it_runs_from_a_stick_that_is_read_only_and_noexec_with_a_noexec_tmp() {
    let site = site();
    let Some(stick) = Tmpfs::mount(&site.stick.join("mnt"), "noexec") else { return };
    let Some(tmp) = Tmpfs::mount(&site.tmp.join("noexec"), "noexec") else { return };
    let bundle = stick.path().join("x.run");
    fs::copy(&site.bundle, &bundle).expect("copied");
    stick.remount("ro,noexec");
    let elsewhere = site.tmp.join("home");
    fs::create_dir(&elsewhere).expect("a folder");
    for shell in SHELLS {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(&bundle).arg("a").current_dir("/");
        // The first place offered is noexec; the next one must be found.
        let output = command.env("PACK_TMPDIR", tmp.path()).env("TMPDIR", &elsewhere).output().expect("runs");
        assert_eq!(output.status.code(), Some(7), "{shell:?}: {}", texts(&output).1);
        assert_eq!(fs::read_dir(tmp.path()).expect("read").count(), 0);
        assert_eq!(fs::read_dir(&elsewhere).expect("read").count(), 0);
    }
}

#[test]
fn without_any_place_to_run_it_says_so() {
    let site = site();
    let Some(tmp) = Tmpfs::mount(&site.tmp.join("noexec"), "noexec") else { return };
    site.offer_only_tmpdir();
    let output = site.command(&["dash"]).env("TMPDIR", tmp.path()).output().expect("runs");
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("no place") && err.contains("PACK_TMPDIR="), "{err}");
}

#[test]
fn a_damaged_bundle_runs_nothing() {
    let site = site();
    let whole = fs::read(&site.bundle).expect("read");
    let payload = whole.len() - 2_000;
    for (offset, what) in [(9_000, "runtime"), (payload, "payload"), (whole.len() - 30, "trailer")] {
        let mut bytes = whole.clone();
        bytes[offset] ^= 1;
        fs::write(&site.bundle, bytes).expect("written");
        for shell in SHELLS {
            let output = site.run(shell, &["a"]);
            let (out, err) = texts(&output);
            assert_eq!((output.status.code(), out.as_str()), (Some(3), ""), "{what} under {shell:?}: {err}");
            assert!(err.contains("damaged") && err.contains("sha256sum -c"), "{err}");
        }
    }
    fs::write(&site.bundle, &whole[..whole.len() / 2]).expect("written");
    assert_eq!(site.run(&["dash"], &["a"]).status.code(), Some(3), "cut in half");
    site.nothing_is_left();
}

#[test]
fn another_machine_is_told_so() {
    let site = site();
    let path = stand_in(&site.tmp, "uname", "echo s390x");
    let output = site.command(&["dash"]).env("PATH", path).output().expect("runs");
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("expected: x86_64") && err.contains("actual: s390x"), "{err}");
}

#[test]
fn a_program_that_is_missing_is_named_and_no_other_thing_is_blamed() {
    let site = site();
    let empty = site.tmp.join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    for shell in [&["/bin/dash"][..], &["/bin/bash"], &["/bin/busybox", "sh"]] {
        for path in [std::path::Path::new(""), &empty] {
            let mut command = Command::new(shell[0]);
            command.args(&shell[1..]).arg(&site.bundle).env("PATH", path).env("TMPDIR", &site.tmp);
            let output = command.output().expect("runs");
            let (out, err) = texts(&output);
            assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{shell:?} {path:?}: {err}");
            let told = err.contains("this program is not on this machine: ") && err.contains("PATH=");
            assert!(told, "{shell:?} {path:?}: {err}");
        }
    }
}

#[test]
fn a_script_without_a_first_line_is_for_sh_and_one_that_is_not_there_is_told() {
    let site = site_with("echo \"plain $1\"\n");
    assert_eq!(texts(&site.run(&["sh"], &["x"])).0, "plain x\n");
    let site = site_of(|folder| {
        portable(folder, &[file("data", "file", "d")]);
    });
    let output = site.run(&["sh"], &[]);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("nothing to run") && err.contains("pack extract"), "{err}");
    site.nothing_is_left();
}
