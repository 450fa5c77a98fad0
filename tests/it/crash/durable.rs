//! What has its final name is on the disk before it gets it, and the name is afterwards: seen by `strace`.

use std::fs;
use std::path::Path;

use crate::support::strace::{can_trace, traced};
use crate::support::{PACK, file, noise, texts, write_product};

/// The calls that matter, in order, of `pack` with `words` in `folder`.
fn durable_calls(folder: &Path, words: &[&str]) -> Vec<String> {
    let options = ["-f", "-y", "-s", "4096", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2"];
    let cache = folder.join(".cache");
    let (output, log) = traced(folder, &[&[PACK], words].concat(), &options, ("XDG_CACHE_HOME", &cache));
    assert!(output.status.success(), "{}", texts(&output).1);
    log.lines().map(str::to_owned).collect()
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
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().canonicalize().expect("there");
    let content = noise(1, 300_000);
    let digest = pack::digest::Digest::of(&content).hex();
    fs::create_dir(root.join("src")).expect("made");
    write_product(&root.join("src"), "1.0.0", &[file("data", "file", content)]);
    let of_download = durable_calls(&root, &["download", "-q", "--no-cache", "src"]);
    let product = root.join("probe-portable");
    is_durable(&of_download, &digest, "probe-portable/data", &product);
    is_durable(&of_download, "/.manifest.json.", "probe-portable/manifest.json", &product);
    let of_bundle = durable_calls(&root, &["bundle", "-q", "-o", "x.run"]);
    is_durable(&of_bundle, "/.x.run.", "\"x.run", &root);
    is_durable(&of_bundle, "/.x.run.sha256.", "x.run.sha256", &root);
}
