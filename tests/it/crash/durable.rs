//! What has its final name is on the disk before it gets it, and the name is afterwards: seen by `strace`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{PACK, file, noise, skip, write_product};

/// The calls that matter, in order, of `pack` with `words` in `folder`; `None` without `strace`.
fn traced(folder: &Path, words: &[&str]) -> Option<Vec<String>> {
    let log = folder.join("log");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "4096", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o"]);
    command.arg(&log).arg(PACK).args(words).current_dir(folder).env("XDG_CACHE_HOME", folder.join(".cache"));
    let Ok(output) = command.output() else {
        skip("strace is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = fs::read_to_string(log).expect("a log");
    Some(log.lines().map(str::to_owned).collect())
}

/// Fails unless the bytes were synced under `partial`, then renamed to `name`, then the folder was synced.
fn is_durable(calls: &[String], partial: &str, name: &str, folder: &Path) {
    let find = |after: usize, what: &str, is_it: &dyn Fn(&str) -> bool| {
        let found = calls.iter().enumerate().skip(after).find(|(_, call)| is_it(call));
        found.map(|(at, _)| at).unwrap_or_else(|| panic!("{name}: no {what} from line {after} on: {calls:#?}"))
    };
    let renamed = find(0, "rename", &|call| call.contains("rename") && call.contains(&format!("{name}\"")));
    // The bytes are under a staged file's name, or, of what is downloaded, under its digest.
    let ending = if partial.starts_with("/.") { ".partial" } else { "" };
    let synced =
        find(0, "sync of the bytes", &|call| call.contains("sync(") && call.contains(partial) && call.contains(ending));
    assert!(synced < renamed, "{name}: {calls:#?}");
    let folder = format!("<{}>", folder.display());
    find(renamed, "sync of the folder", &|call| call.contains("sync(") && call.contains(&folder));
}

#[test]
fn bytes_are_on_the_disk_before_they_have_their_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().canonicalize().expect("there");
    let content = noise(1, 300_000);
    let digest = pack::digest::Digest::of(&content).hex();
    fs::create_dir(root.join("src")).expect("made");
    write_product(&root.join("src"), "1.0.0", &[file("data", "file", content)]);
    let Some(calls) = traced(&root, &["download", "-q", "--no-cache", "src"]) else { return };
    let product = root.join("probe-portable");
    is_durable(&calls, &digest, "probe-portable/data", &product);
    is_durable(&calls, "/.manifest.json.", "probe-portable/manifest.json", &product);
    let Some(calls) = traced(&root, &["bundle", "-q", "-o", "x.run"]) else { return };
    is_durable(&calls, "/.x.run.", "\"x.run", &root);
    is_durable(&calls, "/.x.run.sha256.", "x.run.sha256", &root);
}
