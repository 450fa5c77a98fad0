//! What `--pubkey` does in the commands that read bundles.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::forged::{ENGINE, PRODUCT, changed, with_forged_recipe};
use crate::support::{pack, shell, texts};
use serde_json::json;

/// Runs `pack COMMAND --pubkey KEY x.run MORE…` in `folder`.
fn with_key(folder: &Path, command: &str, more: &[&str]) -> Output {
    let words = [command, "--pubkey", &PRODUCT.public, "x.run"];
    pack(folder).args(words).args(more).output().expect("pack runs")
}

fn folder_with(bundle: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("x.run"), bundle).expect("written");
    folder
}

#[test]
fn the_true_bundle_is_taken() {
    let folder = folder_with(&PRODUCT.bundle);
    let output = with_key(folder.path(), "verify", &[]);
    assert_eq!(output.status.code(), Some(0), "{:?}", texts(&output));
    assert!(texts(&output).1.contains("not launcher and runtime"), "{:?}", texts(&output));
    for more in [&["run.sh"][..], &["--decompress", ENGINE], &["manifest.json"]] {
        assert_eq!(with_key(folder.path(), "cat", more).status.code(), Some(0), "{more:?}");
    }
    assert_eq!(with_key(folder.path(), "extract", &["out"]).status.code(), Some(0));
    assert!(folder.path().join("out/one.tar.gz").exists());
}

#[test]
fn nothing_of_a_forged_bundle_comes_out() {
    let swapped = changed(|index| {
        let images = index["images"].as_array_mut().expect("a list");
        let tags = (images[0]["tags"].clone(), images[1]["tags"].clone());
        (images[1]["tags"], images[0]["tags"]) = tags;
    });
    let executable = changed(|index| {
        for (list, key) in [("entries", "path"), ("artifacts", "name")] {
            for item in index[list].as_array_mut().expect("a list") {
                if item[key] == "conf/empty" {
                    item["mode"] = json!(0o777);
                }
            }
        }
    });
    for (what, bundle, command, more) in [
        ("tags", &swapped, "verify", &[][..]),
        ("tags", &swapped, "inspect", &[]),
        ("tags", &swapped, "load", &[]),
        ("tags", &swapped, "load", &["one.tar.gz"]),
        ("a mode", &executable, "verify", &[]),
        ("a mode", &executable, "extract", &["out"]),
        ("a mode", &executable, "cat", &["conf/empty"]),
        ("a recipe", &with_forged_recipe(false), "verify", &[]),
        ("a recipe", &with_forged_recipe(true), "cat", &["--decompress", ENGINE]),
        ("a recipe", &with_forged_recipe(true), "extract", &["out", ENGINE]),
    ] {
        let folder = folder_with(bundle);
        let output = with_key(folder.path(), command, more);
        assert_eq!(output.status.code(), Some(3), "{what}, {command}: {:?}", texts(&output));
        assert!(output.stdout.is_empty(), "{what}, {command}");
        assert!(!folder.path().join("out").exists(), "{what}, {command}");
    }
}

#[test]
fn without_a_key_a_content_that_is_not_the_pinned_files_does_not_come_out_either() {
    for with_blob in [false, true] {
        let folder = folder_with(&with_forged_recipe(with_blob));
        let output = pack(folder.path()).args(["cat", "--decompress", "x.run", ENGINE]).output().expect("pack runs");
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(3), &b""[..]), "{:?}", texts(&output));
    }
}

#[test]
fn another_key_is_refused_by_every_command() {
    let (public, _) = pack::signature::generate(None).expect("keys");
    let public = public.lines().nth(1).expect("a key");
    let folder = folder_with(&PRODUCT.bundle);
    for command in
        [&["verify", "x.run"][..], &["cat", "x.run", "run.sh"], &["extract", "x.run", "out"], &["load", "x.run"]]
    {
        let output = pack(folder.path()).args(command).args(["--pubkey", public]).output().expect("pack runs");
        assert_eq!(output.status.code(), Some(3), "{command:?}: {:?}", texts(&output));
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_signed_checksum_must_name_this_file() {
    let folder = folder_with(&PRODUCT.bundle);
    let digest = pack::digest::Digest::of(&PRODUCT.bundle).hex();
    let verified = |line: &str| {
        fs::write(folder.path().join("x.run.sha256"), line).expect("written");
        fs::write(folder.path().join("x.run.sha256.minisig"), PRODUCT.sign(line.as_bytes())).expect("written");
        with_key(folder.path(), "verify", &[])
    };
    let output = verified(&format!("{digest}  x.run\n"));
    assert_eq!(output.status.code(), Some(0), "{:?}", texts(&output));
    assert!(!texts(&output).1.contains("not launcher"), "the whole file is signed: {:?}", texts(&output));
    for line in [format!("{digest}  y.run\n"), format!("{digest}\n"), format!("{}  x.run\n", digest.replace('a', "b"))]
    {
        assert_eq!(verified(&line).status.code(), Some(3), "{line}");
    }
}

#[test]
fn a_signed_checksum_is_read_in_each_form_that_sha256sum_writes() {
    let folder = folder_with(&PRODUCT.bundle);
    let place = |name: &str| folder.path().join(name);
    let verified = |name: &str, line: &str| {
        fs::write(place(&format!("{name}.sha256")), line).expect("written");
        fs::write(place(&format!("{name}.sha256.minisig")), PRODUCT.sign(line.as_bytes())).expect("written");
        let words = ["verify", "--pubkey", &PRODUCT.public, name];
        let output = pack(folder.path()).args(words).output().expect("pack runs");
        (output.status.code(), texts(&output).1)
    };
    for name in ["two  x.run", "* x.run", "back\\slash.run", "new\nline.run", "\\\\n.run", "x.run"] {
        fs::write(place(name), &PRODUCT.bundle).expect("written");
        for form in ["--text", "--binary"] {
            let mut sum = Command::new("sha256sum");
            let sum = sum.args([form, "--", name]).current_dir(folder.path()).output().expect("sha256sum runs").stdout;
            let (code, err) = verified(name, std::str::from_utf8(&sum).expect("text"));
            assert_eq!(code, Some(0), "{name:?} {form}: {err}");
            assert!(!err.contains("not launcher"), "the whole file is signed: {name:?} {form}: {err}");
        }
    }
    let digest = pack::digest::Digest::of(&PRODUCT.bundle).hex();
    for (line, told) in [
        (format!("{digest} *y.run\n"), "y.run"),
        (format!("\\{digest}  x\\\\.run\n"), "x\\.run"),
        (format!("{digest}  x.run\n{digest}  y.run\n"), "sha256sum"),
        (format!("{digest}\n"), "sha256sum"),
        (format!("{digest} x.run\n"), "sha256sum"),
        (format!("SHA256 (x.run) = {digest}\n"), "sha256sum"),
        (format!("\\{digest}  x\\t.run\n"), "sha256sum"),
        (String::new(), "sha256sum"),
    ] {
        let (code, err) = verified("x.run", &line);
        assert_eq!(code, Some(3), "{line}: {err}");
        assert!(err.contains(told), "{line}: {err}");
    }
}

#[test]
fn what_lies_beside_a_bundle_is_bounded_and_never_waited_for() {
    let folder = folder_with(&PRODUCT.bundle);
    let started = Instant::now();
    for made in [
        "mkfifo x.run.sha256",
        "truncate -s 3G x.run.sha256",
        "mkdir x.run.sha256",
        "echo >x.run.sha256; mkfifo x.run.sha256.minisig",
        "echo >x.run.sha256; truncate -s 3G x.run.sha256.minisig",
    ] {
        shell(folder.path(), made);
        let output = with_key(folder.path(), "verify", &[]);
        assert_eq!((output.status.code(), output.status.signal()), (Some(1), None), "{made}: {:?}", texts(&output));
        shell(folder.path(), "rm -rf x.run.sha256*");
    }
    shell(folder.path(), "rm x.run; mkfifo x.run");
    for command in ["verify", "load"] {
        assert_eq!(with_key(folder.path(), command, &[]).status.code(), Some(1), "{command}");
    }
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
