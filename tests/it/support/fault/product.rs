//! A product to download: bytes that look like nothing else, their manifest, and a folder for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crate::support::facts::Facts;
use pack::digest::Digest;
use pack::error::{Error, Result};
use pack::fetch::{Fetcher, Options, Outcome};
use pack::manifest::Manifest;
use pack::platform::Platform;
use pack::progress::{Meter, Progress, Silent};
use pack::release::{Folder, State, verify};
use tempfile::TempDir;
use url::Url;

/// Artifacts to be fetched into a folder of their own.
pub struct Product {
    pub scratch: TempDir,
    artifacts: Vec<(String, Vec<String>, Digest, Option<u64>)>,
    kind: &'static str,
}

impl Product {
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// Its folder is below `place`.
    pub fn below(place: &Path) -> Self {
        let scratch = tempfile::tempdir_in(place).expect("a temporary folder");
        Product { scratch, artifacts: Vec::new(), kind: "file" }
    }

    /// One artifact called `a` with these bytes at this URL.
    pub fn of(bytes: &[u8], url: &str) -> Self {
        Self::new().with("a", bytes, &[url])
    }

    /// All its artifacts are of that kind.
    pub fn of_kind(self, kind: &'static str) -> Self {
        Product { kind, ..self }
    }

    pub fn with(self, name: &str, bytes: &[u8], urls: &[&str]) -> Self {
        self.pinned(name, Digest::of(bytes), Some(bytes.len() as u64), urls)
    }

    pub fn pinned(mut self, name: &str, digest: Digest, size: Option<u64>, urls: &[&str]) -> Self {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        self.artifacts.push((name.to_owned(), urls, digest, size));
        self
    }

    pub fn text(&self) -> String {
        let artifacts: Vec<_> = self
            .artifacts
            .iter()
            .map(|(name, urls, digest, size)| match size {
                Some(size) => serde_json::json!({"name": name, "kind": self.kind, "urls": urls, "size": size, "digest": digest.to_string()}),
                None => serde_json::json!({"name": name, "kind": self.kind, "urls": urls, "digest": digest.to_string()}),
            })
            .collect();
        serde_json::json!({"schemaVersion": 1, "name": "test", "version": "1.0.0", "artifacts": artifacts}).to_string()
    }

    pub fn manifest(&self) -> Manifest {
        Manifest::parse(self.text(), "test").expect("a valid manifest")
    }

    pub fn folder(&self) -> Folder {
        Folder::at(self.scratch.path().join("folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().root().join(name)
    }

    /// What a test that is in a hurry asks for: short pauses, the same rules, one connection.
    pub fn hurried() -> Options {
        Options {
            connections: 1,
            stall: Duration::from_secs(2),
            pause: Duration::from_millis(5),
            spread_after: Duration::from_millis(10),
            longest_pause: Duration::from_secs(2),
            retries: 3,
            ..Options::default()
        }
    }

    pub fn download(&self, base: &Url) -> Result<Vec<Outcome>> {
        self.download_with(base, Self::hurried())
    }

    pub fn download_with(&self, base: &Url, options: Options) -> Result<Vec<Outcome>> {
        self.download_watched(base, options, &Silent)
    }

    pub fn download_watched(&self, base: &Url, options: Options, progress: &dyn Progress) -> Result<Vec<Outcome>> {
        let manifest = self.manifest();
        let selection = manifest.select(Platform::AMD64).expect("pinned");
        let folder = self.folder().lock()?;
        let result = Fetcher::new(options)?.download(&selection, base, &folder, progress);
        self.assert_nothing_wrong_has_a_name();
        result
    }

    /// Whatever happened: what has a final name has the right bytes, and nothing else lies about.
    pub fn assert_nothing_wrong_has_a_name(&self) {
        if !self.folder().root().exists() {
            return;
        }
        let manifest = self.manifest();
        let selection = manifest.select(Platform::AMD64).expect("pinned");
        for row in verify(&self.folder(), &selection, &Silent).expect("listed") {
            assert!(matches!(row.state, State::Ok | State::Missing), "{}: {:?}", row.name, row.state);
        }
    }

    /// Fails unless every artifact is there and nothing is left over.
    pub fn assert_complete(&self) {
        let manifest = self.manifest();
        let selection = manifest.select(Platform::AMD64).expect("pinned");
        for row in verify(&self.folder(), &selection, &Silent).expect("listed") {
            assert_eq!(row.state, State::Ok, "{}", row.name);
        }
        let left: Vec<_> = fs::read_dir(self.folder().root().join(".pack/partial")).expect("there").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// The value of a fact that must be there.
pub fn fact<'a>(error: &'a Error, name: &str) -> &'a str {
    error.fact_named(name).unwrap_or_else(|| panic!("no fact '{name}' in: {error}"))
}

/// Remembers every note, and what each meter came to.
#[derive(Default)]
pub struct Watcher {
    pub notes: Mutex<Vec<String>>,
    pub counts: std::sync::Arc<Mutex<Vec<(String, i64, String)>>>,
}

impl Progress for Watcher {
    fn plan(&self, _items: usize, _bytes: Option<u64>) {}

    fn start(&self, name: &str, _bytes: Option<u64>) -> Box<dyn Meter> {
        let mut counts = self.counts.lock().expect("no panic");
        counts.push((name.to_owned(), 0, String::new()));
        Box::new(Counter { place: counts.len() - 1, counts: self.counts.clone() })
    }

    fn note(&self, line: &str) {
        self.notes.lock().expect("no panic").push(line.to_owned());
    }
}

struct Counter {
    place: usize,
    counts: std::sync::Arc<Mutex<Vec<(String, i64, String)>>>,
}

impl Meter for Counter {
    fn add(&self, bytes: u64) {
        self.counts.lock().expect("no panic")[self.place].1 += bytes as i64;
    }
    fn retract(&self, bytes: u64) {
        self.counts.lock().expect("no panic")[self.place].1 -= bytes as i64;
    }
    fn expect(&self, _bytes: u64) {}
    fn done(&self, how: &str) {
        self.counts.lock().expect("no panic")[self.place].2 = how.to_owned();
    }
}
