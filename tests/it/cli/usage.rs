//! The command line itself: help, exit codes, JSON, and how a folder's state is shown.

use std::fs;

use crate::support::{expect, noise, run, small_product, texts};
use serde_json::Value;

#[test]
fn every_command_has_help_with_examples_and_a_manual_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (help, _) = expect(0, folder.path(), &["--help"]);
    for command in [
        "init",
        "add",
        "lock",
        "download",
        "verify",
        "bundle",
        "inspect",
        "diff",
        "extract",
        "load",
        "keygen",
        "sign",
        "cache",
        "completions",
        "man",
        "schema",
    ] {
        assert!(help.contains(command), "{command}");
        let (help, _) = expect(0, folder.path(), &[command, "--help"]);
        assert!(help.contains("Examples:") && help.contains("Usage: pack"), "{command}: {help}");
        let (page, _) = expect(0, folder.path(), &["man", command]);
        assert!(page.contains(".TH") && page.contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(!help.contains("launch "), "what only the launcher calls is not shown");
    for shell in ["bash", "zsh", "fish"] {
        assert!(expect(0, folder.path(), &["completions", shell]).0.contains("download"), "{shell}");
    }
    assert!(expect(0, folder.path(), &["man"]).0.contains(".TH pack 1"));
}

#[test]
fn help_is_in_the_readers_language() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let words = ["site", "install", "--help"];
    let (english, _) = expect(0, folder.path(), &words);
    let (chinese, _) = expect(0, folder.path(), &[&["--lang", "zh"], &words[..]].concat());
    for (text, translation) in [
        ("Usage: pack site install [OPTIONS]", "用法：pack site install [OPTIONS]"),
        ("\nOptions:\n", "\n选项:\n"),
        ("\nArguments:\n", "\n参数:\n"),
        ("Check, and say what would be done; change nothing", "只检查并说明将要做什么，不做任何更改"),
        ("Print help", "显示帮助"),
    ] {
        assert!(english.contains(text) && !english.contains(translation), "{english}");
        assert!(chinese.contains(translation) && !chinese.contains(text), "{chinese}");
    }
    // The same can be typed.
    let options = |help: &str| -> Vec<String> {
        let words = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
    };
    assert_eq!(options(&chinese), options(&english));
    for (words, text) in [
        (&["site", "install", "--nonsense"][..], "错误: 此处没有“--nonsense”"),
        (&["site", "nonsense"], "没有命令“nonsense”"),
        (&["site", "restore"], "缺少：<FILE>"),
        (&["site", "install", "--timeout", "soon", "x.run"], "“soon”不能用于 --timeout"),
        (&["site", "install", "--timeout"], "--timeout"),
        (&["site", "instal"], "相近的: uninstall, install"),
    ] {
        let (_, said) = expect(2, folder.path(), &[&["--lang", "zh"], words].concat());
        assert!(said.contains(text) && said.contains("--help") && !said.contains("error"), "{words:?}: {said}");
    }
    // What a script hands on comes before the environment's own.
    let mut command = crate::support::pack(folder.path());
    let output = command.args(words).env("PACK_LANG", "zh").env("LC_ALL", "C").output().expect("pack runs");
    assert_eq!(texts(&output).0, chinese);
}

#[test]
fn wrong_usage_is_two() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for words in [
        &[][..],
        &["nonsense"],
        &["verify", "--nonsense"],
        &["bundle", "--platform", "vax"],
        &["bundle", "--threads", "18446744073709551615"],
        &["bundle", "--threads", "0"],
        &["launch", "--", "pack", "man"],
        &["man", "nonsense"],
        &["-q", "-v", "verify"],
    ] {
        let output = run(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn wrong_usage_is_a_document_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (words, said) in [
        (&["verify", "--nonsense", "--json"][..], "--nonsense"),
        (&["--json", "extract"], "<BUNDLE>"),
        (&["--json"], "subcommand"),
    ] {
        let (out, err) = expect(2, folder.path(), words);
        let document: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(document["error"]["exitCode"], 2);
        assert!(document["error"]["title"].as_str().is_some_and(|title| title.contains(said)), "{out}");
        assert!(err.contains("Usage: pack"), "{err}");
    }
    let (out, _) = expect(2, folder.path(), &["verify", "--nonsense", "--", "--json"]);
    assert!(out.is_empty(), "what follows '--' is no option");
}

#[test]
fn an_error_has_title_facts_and_hint_and_is_a_document_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (out, err) = expect(1, folder.path(), &["inspect", "--json", "nobody.run"]);
    assert!(err.starts_with("error: cannot open the bundle\n  path: nobody.run\n"), "{err}");
    assert!(err.contains("\nhint: "), "{err}");
    let document: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(document["error"]["exitCode"], 1);
    assert_eq!(document["error"]["facts"]["path"], "nobody.run");
}

#[test]
fn every_state_of_a_folder_has_its_row() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = small_product(folder.path());
    expect(0, folder.path(), &["verify"]);
    fs::write(product.join("noise"), noise(2, 3_000)).expect("written");
    fs::write(product.join("conf/app.yaml"), "a").expect("written");
    fs::remove_file(product.join("empty")).expect("removed");
    fs::write(product.join("conf/new\x1b[2J"), "x").expect("written");
    fs::create_dir(product.join("only-a-folder")).expect("made");
    let (out, err) = expect(3, folder.path(), &["verify"]);
    let rows: Vec<Vec<&str>> = out.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let state = |name: &str| rows.iter().find(|row| row[1].starts_with(name)).map(|row| row[0]);
    assert_eq!(state("run.sh"), Some("ok"));
    assert_eq!(state("noise"), Some("mismatch"));
    assert_eq!(state("conf/app.yaml"), Some("truncated"));
    assert_eq!(state("empty"), Some("missing"));
    assert_eq!(state("conf/new"), Some("unexpected"));
    assert_eq!(rows.len(), 5, "{out}");
    assert!(!out.contains('\x1b') && err.contains("pack extract probe-1.0.0-x86_64.run probe-portable"), "{out}{err}");
    let (out, _) = expect(3, folder.path(), &["verify", "--json"]);
    let document: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(document["ok"], false);
    assert_eq!(document["artifacts"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_larger_file_a_folder_or_a_pipe_in_an_artifacts_place_is_a_mismatch() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = small_product(folder.path());
    fs::write(product.join("noise"), noise(1, 3_001)).expect("written");
    fs::remove_file(product.join("empty")).expect("removed");
    fs::create_dir(product.join("empty")).expect("made");
    fs::remove_file(product.join("run.sh")).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(product.join("run.sh")).status();
    assert!(made.expect("mkfifo runs").success());
    let (out, _) = expect(3, folder.path(), &["verify"]);
    assert_eq!(out.matches("mismatch").count(), 3, "{out}");
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_product(folder.path());
    let output = run(folder.path(), &["verify", "-q"]);
    assert_eq!(texts(&output), (String::new(), String::new()));
}

#[test]
fn several_folders_are_not_guessed_between() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, err) = expect(1, folder.path(), &["verify"]);
    assert!(err.contains("there is no folder to work on"), "{err}");
    let (_, err) = expect(1, folder.path(), &["bundle", "nowhere"]);
    assert!(err.contains("there is no such folder"), "{err}");
    let product = small_product(folder.path());
    // One of that name that no download made does not count.
    fs::create_dir(folder.path().join("a-portable")).expect("made");
    expect(0, folder.path(), &["verify"]);
    // The manifest here says which folder is meant.
    fs::copy(product.join("manifest.json"), folder.path().join("manifest.json")).expect("copied");
    expect(0, folder.path(), &["verify"]);
    fs::remove_file(folder.path().join("manifest.json")).expect("removed");
    fs::create_dir(folder.path().join("b-portable")).expect("made");
    fs::copy(product.join("manifest.json"), folder.path().join("b-portable/manifest.json")).expect("copied");
    let (_, err) = expect(2, folder.path(), &["verify"]);
    assert!(err.contains("b-portable, probe-portable"), "{err}");
}

#[test]
fn what_a_killed_run_left_of_a_manifest_is_not_unexpected_and_goes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = small_product(folder.path());
    let left = [".manifest.json.abcdefABC123.partial", ".manifest.json.minisig.abcdefABC123.partial"]
        .map(|name| product.join(name));
    left.iter().for_each(|path| fs::write(path, "half").expect("written"));
    let (rows, _) = expect(0, folder.path(), &["verify"]);
    assert!(!rows.contains("unexpected"), "{rows}");
    expect(0, folder.path(), &["download", "probe-portable", "--no-cache"]);
    assert!(!left[0].exists(), "the next run that writes a manifest removes it");
}

#[test]
fn an_output_that_takes_nothing_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_product(folder.path());
    let full = fs::File::options().write(true).open("/dev/full").expect("there");
    let output = crate::support::pack(folder.path()).arg("verify").stdout(full).output().expect("runs");
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err.contains("cannot write to standard output") && err.contains("hint: ") && err.contains("df -h"),
        "{err}"
    );
    let line = format!("printf '\\377\\n' | {} keygen release", crate::support::PACK);
    let output = std::process::Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output();
    let (_, err) = texts(&output.expect("sh runs"));
    assert!(err.contains("cannot read the password") && err.contains("hint: type it"), "{err}");
}

#[test]
fn help_and_version_need_nothing_that_a_command_does() {
    for program in [crate::support::PACK, crate::support::PACK_SITE] {
        for word in ["--help", "--version"] {
            let line = format!("ulimit -v 60000 -n 16; exec {program} {word}");
            let output = std::process::Command::new("sh").args(["-c", &line]).output().expect("sh runs");
            let (out, err) = texts(&output);
            assert!(output.status.success() && out.contains("pack"), "{program} {word}: {out}\n{err}");
        }
    }
}
