//! What the tests share: running the real `pack`, and making small products.

#![allow(unreachable_pub, reason = "nothing outside this program reaches it")]

pub mod alone;
pub mod blobs;
pub mod bounded;
pub mod craft;
pub mod engine;
pub mod facts;
pub mod fault;
pub mod images;
pub mod mounts;
pub mod nginx;
pub mod registry;
pub mod strace;
pub mod tls_server;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pack::digest::Digest;
use serde_json::{Value, json};

/// The program under test.
pub const PACK: &str = env!("CARGO_BIN_EXE_pack");
/// The name of the bundle of a [`portable`] product.
pub const BUNDLE: &str = "probe-1.0.0-x86_64.run";

/// The top of the repository.
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a bundle carries to its site.
pub const PACK_SITE: &str = env!("CARGO_BIN_EXE_pack-site");

/// A command line of `pack`, in `folder`, with a cache of its own below it.
pub fn pack(folder: &Path) -> Command {
    let mut command = Command::new(PACK);
    command
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join(".cache"))
        .env("NO_COLOR", "1")
        .env_remove("PACK_PUBKEY");
    command
}

/// The files in `folder` that are being written, or were, and are to be called `name`.
pub fn staged(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("listed").map(|entry| entry.expect("listed").path());
    let stem = format!(".{name}.");
    let is_staged = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&stem) && pack::staged_file::is_staged(&file)
    };
    entries.filter(is_staged).collect()
}

/// `program` with the signals that a test sends at their default: a job in the background of a script is
/// started with SIGINT ignored, and what is ignored stays so.
pub fn interruptible(program: &str) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP,INT,QUIT,PIPE,TERM,XFSZ", program]);
    command
}

/// Runs `pack` with `words` in `folder`.
pub fn run(folder: &Path, words: &[&str]) -> Output {
    pack(folder).args(words).output().expect("pack runs")
}

/// Runs `pack`, expects this exit code and gives standard output and standard error.
pub fn expect(code: i32, folder: &Path, words: &[&str]) -> (String, String) {
    let output = run(folder, words);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "pack {words:?}\n{out}\n{err}");
    (out, err)
}

/// A document that `pack` printed.
pub fn json_of_output(out: &str) -> Value {
    serde_json::from_str(out).unwrap_or_else(|why| panic!("{why}: {out}"))
}

/// Where the payload of a bundle in `folder` begins, counted from 1 as `tail` counts.
pub fn payload_at(folder: &Path, bundle: &str) -> u64 {
    let (shown, _) = expect(0, folder, &["inspect", "--json", bundle]);
    let document: Value = serde_json::from_str(&shown).expect("JSON");
    document["payloadAt"].as_u64().expect("a number")
}

/// Standard output and standard error as text.
pub fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into(), String::from_utf8_lossy(&output.stderr).into())
}

/// Runs a line of shell in `folder`, expects success and gives standard output.
pub fn shell(folder: &Path, line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).current_dir(folder).output().expect("sh runs");
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{line}\n{out}\n{err}");
    out
}

/// Bytes that do not compress and are the same every time for a seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64* (Vigna, 2016)
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A file of a product under test.
pub struct File {
    pub name: &'static str,
    pub kind: &'static str,
    pub content: Vec<u8>,
}

pub fn file(name: &'static str, kind: &'static str, content: impl Into<Vec<u8>>) -> File {
    File { name, kind, content: content.into() }
}

/// The manifest entry of a file that lies beside the manifest, pinned.
pub fn pinned(file: &File) -> Value {
    json!({ "name": file.name, "kind": file.kind, "urls": [file.name],
            "size": file.content.len(), "digest": Digest::of(&file.content) })
}

/// A manifest of `files`, all pinned; the first script is what runs.
pub fn manifest(version: &str, files: &[File]) -> Value {
    let mut manifest = json!({ "schemaVersion": 1, "name": "probe", "version": version,
                               "artifacts": files.iter().map(pinned).collect::<Vec<_>>() });
    if let Some(script) = files.iter().find(|file| file.kind == "script") {
        manifest["run"] = script.name.into();
    }
    manifest
}

/// Writes `files` and their manifest into `folder`, scripts executable.
pub fn write_product(folder: &Path, version: &str, files: &[File]) -> PathBuf {
    for file in files {
        let path = folder.join(file.name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(&path, &file.content).expect("written");
        let mode = if file.kind == "script" { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
    }
    let path = folder.join("manifest.json");
    fs::write(&path, serde_json::to_string_pretty(&manifest(version, files)).expect("JSON")).expect("written");
    path
}

/// Writes `files` as version 1.0.0 of the product in `folder/probe-portable`, where `pack` looks for it.
pub fn portable(folder: &Path, files: &[File]) -> PathBuf {
    let product = folder.join("probe-portable");
    fs::create_dir_all(&product).expect("a folder");
    write_product(&product, "1.0.0", files);
    product
}

/// A small product in `folder/probe-portable`.
pub fn small_product(folder: &Path) -> PathBuf {
    portable(
        folder,
        &[
            file("run.sh", "script", "#!/bin/sh\nprintf 'ran'; printf ' <%s>' \"$@\"; echo; exit 7\n"),
            file("conf/app.yaml", "file", "a: 1\n"),
            file("empty", "file", ""),
            file("noise", "file", noise(1, 3_000)),
        ],
    )
}

/// Writes a script that stands in for a program, and returns the `PATH` on which it is found first.
pub fn stand_in(folder: &Path, program: &str, script: &str) -> String {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("a folder");
    fs::write(bin.join(program), format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).expect("a mode");
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default())
}

/// `bytes` through a program of the system; `None` where it is not installed, which may be said with [`skip`].
pub fn through(program: &str, arguments: &[&str], bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut input = child.stdin.take().expect("piped");
    std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(bytes).expect("read by the program"));
        let output = child.wait_with_output().expect("runs");
        assert!(output.status.success(), "{program} {arguments:?}");
        Some(output.stdout)
    })
}

/// Every file below `folder` with its mode and content, `pack`'s own notes left out.
pub fn tree(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.file_name() != OsStr::new(".pack"))
        .map(|entry| entry.expect("listed"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let mode = entry.metadata().expect("metadata").permissions().mode() & 0o777;
            let content = fs::read(entry.path()).expect("read");
            (entry.path().strip_prefix(folder).expect("below").to_owned(), mode, content)
        })
        .collect()
}

/// Whether this machine must be able to run every test: then nothing is skipped.
pub fn nothing_is_skipped() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Says that a test needs what this machine has not, and fails where nothing may be skipped.
pub fn skip(what: &str) {
    assert!(!nothing_is_skipped(), "CI=true, and yet: {what}");
    // Past the test runner's capture: a skipped test must be seen.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
