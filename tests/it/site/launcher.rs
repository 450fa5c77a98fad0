//! A bundle on somebody else's machine: other shells, odd mounts, interruptions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::mounts::Tmpfs;
use crate::support::{expect, file, interruptible, portable, shell, small_product, stand_in, texts};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash"], &["busybox", "sh"]];

struct Site {
    _folder: tempfile::TempDir,
    /// The stick: the bundle is there.
    stick: PathBuf,
    /// Where the bundle unpacks to, and must leave nothing.
    tmp: PathBuf,
    bundle: PathBuf,
}

fn site_of(product: impl FnOnce(&Path)) -> Site {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (stick, tmp) = (folder.path().join("stick"), folder.path().join("tmp"));
    fs::create_dir(&stick).expect("a folder");
    fs::create_dir(&tmp).expect("a folder");
    product(folder.path());
    expect(0, folder.path(), &["bundle", "-o", "stick/x.run", "-q"]);
    let bundle = stick.join("x.run");
    fs::set_permissions(&bundle, fs::Permissions::from_mode(0o644)).expect("a mode");
    Site { _folder: folder, stick, tmp, bundle }
}

fn site() -> Site {
    site_of(|folder| {
        small_product(folder);
    })
}

/// A product whose run script is `script`.
fn site_with(script: &'static str) -> Site {
    site_of(|folder| {
        portable(folder, &[file("run.sh", "script", script), file("data", "file", "some data\n")]);
    })
}

impl Site {
    fn command(&self, shell: &[&str]) -> Command {
        let mut command = interruptible(shell[0]);
        command.args(&shell[1..]).arg(&self.bundle).current_dir(&self.stick);
        command.env_remove("PACK_TMPDIR").env("TMPDIR", &self.tmp).stdin(Stdio::null());
        command
    }

    fn run(&self, shell: &[&str], words: &[&str]) -> Output {
        self.command(shell).args(words).output().expect("the shell runs")
    }

    fn nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(&self.tmp).expect("read").map(|entry| entry.expect("read").path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

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
    // The launcher's own list of places, with each of them noexec.
    let text = fs::read(&site.bundle).expect("read");
    let here = tmp.path().display().to_string();
    let list = b"/tmp /var/tmp /run /dev/shm \"${HOME:-}\"";
    let at = text.windows(list.len()).position(|window| window == list).expect("the list is there");
    let mut changed = text.clone();
    changed[at..at + list.len()].fill(b' ');
    fs::write(&site.bundle, changed).expect("written");
    let output = site.command(&["dash"]).env("TMPDIR", here).output().expect("runs");
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains("no place") && err.contains("PACK_TMPDIR="), "{err}");
}

#[test]
fn a_damaged_bundle_runs_nothing() {
    let site = site();
    let whole = fs::read(&site.bundle).expect("read");
    let payload = whole.len() - 2_000;
    for (offset, what) in [(5_000, "runtime"), (payload, "payload"), (whole.len() - 30, "trailer")] {
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

const WAITS: &str = "#!/bin/sh
trap 'echo got INT; exit 41' INT
trap 'echo got TERM; exit 42' TERM
echo ready
i=0; while [ $i -lt 300 ]; do sleep 0.1; i=$((i + 1)); done
exit 1
";

#[test]
fn signals_reach_the_script_and_its_exit_code_comes_out() {
    let site = site_with(WAITS);
    for shell in SHELLS {
        for (signal, code) in [("INT", 41), ("TERM", 42)] {
            let mut child = site.command(shell).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
            let mut out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
            let mut line = String::new();
            std::io::BufRead::read_line(&mut out, &mut line).expect("read");
            assert_eq!(line, "ready\n");
            let killed = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
            assert!(killed.expect("kill runs").success());
            let mut rest = String::new();
            std::io::Read::read_to_string(&mut out, &mut rest).expect("read");
            assert_eq!(child.wait().expect("ended").code(), Some(code), "{shell:?} {signal}");
            assert_eq!(rest, format!("got {signal}\n"));
            site.nothing_is_left();
        }
    }
}

#[test]
fn what_the_caller_ignores_stays_ignored() {
    let site = site_with(WAITS);
    let mut command = Command::new("env");
    command.args(["--ignore-signal=HUP,INT", "dash"]).arg(&site.bundle).env("TMPDIR", &site.tmp);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
    let mut out = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).expect("read");
    for signal in ["-HUP", "-INT", "-TERM"] {
        let killed = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
    }
    assert_eq!(child.wait().expect("ended").code(), Some(42), "only SIGTERM arrives");
    site.nothing_is_left();
}

/// What the launcher does one after the other, before the script runs.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Its private folder is there.
    Begun,
    /// The runtime is being unpacked, or tried.
    Unpacking,
    /// The runtime has taken over from the shell, and listens to signals.
    Checking,
    /// The product's files are being written.
    Extracting,
}

impl Stage {
    const ALL: [Stage; 4] = [Stage::Begun, Stage::Unpacking, Stage::Checking, Stage::Extracting];

    /// Whether the launcher with this process ID has come so far.
    fn is_reached(self, tmp: &Path, pid: u32) -> bool {
        let Some(home) = fs::read_dir(tmp).expect("listed").next() else { return false };
        let home = home.expect("an entry").path();
        match self {
            Stage::Begun => true,
            Stage::Unpacking => fs::metadata(home.join("pack")).is_ok_and(|runtime| runtime.len() > 0),
            Stage::Checking => {
                let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
                let status = read("status");
                let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
                let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
                let both = [rustix::process::Signal::TERM, rustix::process::Signal::QUIT];
                let catches = both.iter().all(|signal| caught >> (signal.as_raw() - 1) & 1 == 1);
                catches && read("cmdline").split('\0').nth(1) == Some("site")
            }
            Stage::Extracting => home.join("files").exists(),
        }
    }
}

#[test]
fn interrupted_before_the_script_runs_it_leaves_nothing_either() {
    let site = site_with(WAITS);
    for stage in Stage::ALL {
        for signal in ["-TERM", "-QUIT"] {
            let mut child = site.command(&["dash"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
            while !stage.is_reached(&site.tmp, child.id()) {
                assert!(child.try_wait().expect("asked").is_none(), "it ended before {stage:?}");
            }
            assert!(child.try_wait().expect("asked").is_none(), "it ended before it was interrupted, {stage:?}");
            shell(&site.stick, &format!("kill {signal} {}", child.id()));
            let begun = Instant::now();
            while child.try_wait().expect("asked").is_none() {
                assert!(begun.elapsed() < Duration::from_secs(60), "still there after {signal}, {stage:?}");
                std::thread::sleep(Duration::from_millis(5));
            }
            site.nothing_is_left();
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

#[test]
fn nothing_is_removed_that_the_launcher_did_not_make() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["precious", "pack.x"] {
        let precious = folder.path().join(name);
        fs::create_dir(&precious).expect("made");
        fs::write(precious.join("pack"), "another program").expect("written");
        let home = precious.to_str().expect("text");
        let (_, err) = expect(2, folder.path(), &["site", "--home", home, "--bundle", "x.run", "--", "pack", "man"]);
        assert!(err.contains("not the folder that a bundle's launcher made"), "{err}");
        assert!(precious.join("pack").exists());
    }
}
