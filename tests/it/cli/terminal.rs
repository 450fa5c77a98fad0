//! What a person sees on a terminal, what a log gets, and what a program reads.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{PACK, expect, file, noise, pack, portable, shell, skip, small_product, texts, write_product};
use serde_json::Value;

/// A server with a product of a few MB on it, slow enough that bars are seen.
fn slow(folder: &Path) -> Server {
    let src = folder.join("src");
    fs::create_dir(&src).expect("a folder");
    write_product(&src, "1.0.0", &[file("a", "file", noise(1, 3 << 20)), file("b", "file", noise(2, 2 << 20))]);
    serve(move |request: &Request| match fs::read(src.join(request.path.trim_start_matches('/'))) {
        Ok(content) => Reply::file(request, &content).drip(64 << 10, Duration::from_millis(20)),
        Err(_) => Reply::new(404, "not here"),
    })
}

/// What `line` shows on a terminal; `None` where there is no `script` to make one.
pub(super) fn on_a_terminal(folder: &Path, line: &str) -> Option<String> {
    let mut command = Command::new("script");
    command.args(["-qec", line, "/dev/null"]).current_dir(folder).env("TERM", "xterm").env("XDG_CACHE_HOME", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        skip("util-linux's script is not installed");
        return None;
    };
    let stdin = child.stdin.take().expect("a pipe");
    // Open until the end: script would pass its end on.
    let output = child.wait_with_output().expect("ended");
    drop(stdin);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}{err}");
    Some(out)
}

#[test]
fn bars_show_bytes_speed_and_time_left_a_file_and_in_all() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = slow(folder.path());
    let line = format!("stty cols 120; {PACK} download --no-cache {}", server.url("manifest.json"));
    let Some(shown) = on_a_terminal(folder.path(), &line) else { return };
    // On a terminal a line is padded to its full width instead of being ended.
    let lines_of = |what: &str| -> Vec<String> {
        shown.match_indices(what).map(|(at, _)| shown[at..].chars().take(110).collect()).collect()
    };
    for what in ["  a  ", "  b  ", "fetching 2 files"] {
        let lines = lines_of(what);
        let moving = |line: &&String| line.contains('>') && line.contains("MB/s") && line.contains("B/");
        let bar = lines.iter().find(moving).unwrap_or_else(|| panic!("no bar for {what:?} in {shown:?}"));
        let left = bar.split("MB/s").nth(1).expect("something after the speed").trim_start();
        assert!(left.starts_with(|c: char| c.is_ascii_digit()) && left.contains('s'), "no time left in {bar:?}");
    }
    assert!(shown.contains("/5.24 MB"), "all of both files: {shown:?}");
}

#[test]
fn what_is_shown_fits_the_terminal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let long = "images/dataflux-func-mysql-5.7.26-x86_64-with-a-name-as-long-as-products-have.tar.gz";
    portable(folder.path(), &[file(long, "file", noise(1, 2 << 20)), file("b", "file", "b")]);
    for columns in [40, 80, 200] {
        let line = format!(
            "stty rows 24 cols {columns}; rm -rf d; {PACK} download --no-cache --dir d probe-portable/manifest.json"
        );
        let Some(shown) = on_a_terminal(folder.path(), &line) else { return };
        let whole = shown.contains(long);
        assert_eq!(whole, columns == 200, "{columns}: {shown:?}");
        assert!(shown.contains("tar.gz"), "{shown:?}");
        // What a bar draws begins with a carriage return or an escape; what a table prints is a line.
        let rows = shown.split(['\r', '\n', '\x1b']).filter(|row| row.contains('…') && row.contains("tar.gz"));
        for row in rows {
            // Bars are filled up to the width, and then follow each other without a line feed.
            let width = row.find(' ').map_or(row, |at| &row[at..]).chars().count();
            assert!(row.trim_end().chars().count() <= columns || width % columns == 0, "{columns}: {row:?}");
        }
    }
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_lines() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = slow(folder.path());
    // What does not say what it is, is not taken for more.
    for term in ["env TERM=dumb", "env -u TERM"] {
        let line = format!("rm -rf probe-portable; {term} {PACK} download --no-cache {}", server.url("manifest.json"));
        let Some(shown) = on_a_terminal(folder.path(), &line) else { return };
        assert!(!shown.contains('\x1b'), "{shown:?}");
        for name in ["fetched a (3.15 MB)", "fetched b (2.10 MB)"] {
            assert_eq!(shown.matches(name).count(), 1, "{shown:?}");
        }
        assert!(!shown.contains("HOW"), "each file is listed once: {shown:?}");
    }
}

#[test]
fn a_log_gets_one_line_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = slow(folder.path());
    let (out, err) = expect(0, folder.path(), &["download", "--no-cache", server.url("manifest.json").as_str()]);
    assert!(!out.contains("http") && out.contains(" MB in ") && out.contains(" over the network"), "{out}");
    for name in ["a (3.15 MB)", "b (2.10 MB)"] {
        assert_eq!(err.lines().filter(|line| line.ends_with(name)).count(), 1, "{name} in {err}");
    }
    assert_eq!(err.lines().count(), 2, "{err}");
    assert!(!err.contains(['\r', '\x1b']), "{err:?}");
}

#[test]
fn a_password_is_asked_for_without_echo() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new("script");
    command.args(["-qec", &format!("tty; exec {PACK} keygen release"), "/dev/null"]).current_dir(folder.path());
    let Ok(mut child) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        return skip("util-linux's script is not installed");
    };
    let (mut keys, mut screen) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    let mut shown = String::new();
    for prompt in ["New password for the secret key: ", "The same again: "] {
        while !shown.contains(prompt) {
            let mut byte = [0];
            assert_eq!(screen.read(&mut byte).expect("read"), 1, "it ended after {shown:?}");
            shown.push(byte[0].into());
        }
        // Typed before the echo is off, it would be the terminal that shows it.
        let tty = shown.lines().next().expect("a line").trim().to_owned();
        let echoes = || !shell(folder.path(), &format!("stty -a -F {tty}")).contains(" -echo ");
        while echoes() {
            assert!(child.try_wait().expect("asked").is_none(), "it does not wait for a password");
            std::thread::sleep(Duration::from_millis(5));
        }
        keys.write_all(b"sesame\n").expect("typed");
    }
    screen.read_to_string(&mut shown).expect("read");
    assert!(child.wait().expect("ended").success(), "{shown}");
    drop(keys);
    assert!(!shown.contains("sesame"), "{shown}");
    assert!(folder.path().join("release.key").exists());
}

#[test]
fn every_result_is_a_document_when_asked_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_product(folder.path());
    let document = |words: &[&str]| -> Value {
        let (out, _) = expect(0, folder.path(), &[words, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}"))
    };
    assert_eq!(document(&["keygen", "release", "--no-password"])["secretKey"], "release.key");
    let signed = document(&["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    assert_eq!(signed["signature"], "probe-portable/manifest.json.minisig");
    let made = document(&["bundle", "-o", "x.run", "--sign", "release.key"]);
    assert_eq!(made["bundle"], "x.run");
    assert_eq!(made["signature"], "x.run.sha256.minisig");
    assert_eq!(document(&["extract", "x.run", "out"])["files"], 4);
    assert!(document(&["lock", "probe-portable/manifest.json"]).is_object());
    assert!(document(&["inspect", "x.run"]).is_object() && document(&["verify", "x.run"]).is_object());
    let completions = document(&["completions", "bash"]);
    assert_eq!(completions["shell"], "bash");
    assert!(completions["script"].as_str().is_some_and(|script| script.contains("download")));
    assert!(document(&["man"])["page"].as_str().is_some_and(|page| page.contains(".TH pack 1")));
    let output = pack(folder.path()).args(["load", "x.run", "--json"]).output().expect("runs");
    let document: Value =
        serde_json::from_slice(&output.stdout).expect("JSON, whether there is something to load or not");
    assert!(document.is_object());
}
