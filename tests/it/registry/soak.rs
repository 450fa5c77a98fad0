//! Pulls through random faults: each ends with exactly the archive that the honest registry's image makes, or with a clear
//! error, never with a wrong one, pinned or placed; and when the registry comes to its senses, the same folder completes.
//!
//! `PACK_PULLS=500` makes more of them, `PULL_SEED=N` only the one with that seed.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::download::soak::{Dice, answer};
use crate::support::facts::Facts;
use crate::support::fault::product::Product;
use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::images::{Made, gzip, image, image_for, layer, zstd};
use crate::support::registry::{Documents, Packer, described, index, oci, write_manifest};
use pack::digest::Digest;
use pack::error::{Class, Error};
use pack::fetch::Options;
use pack::manifest::{FILE_NAME, Manifest};
use pack::progress::Silent;
use pack::task::trust::Trust;
use pack::task::{download, lock, manifest_url::manifest_url};
use serde_json::json;

/// A random image, with layers that others have too.
fn some_image(dice: &mut Dice) -> Made {
    let layers = (0..1 + dice.below(4)).map(|_| {
        let seed = dice.below(12) as u64;
        layer(seed, [1_000, 40_000, 90_000, 300_000][seed as usize % 4])
    });
    image("web:1", layers.collect())
}

/// What a registry has: the image under its tag, perhaps by an index, and images that are not meant.
fn documents(dice: &mut Dice, made: &Made) -> (Documents, Vec<Vec<u8>>) {
    let mut documents = Documents::default();
    let packs: [Packer; 3] = [|layer| layer.to_vec(), |layer| gzip(layer, 4), zstd];
    let pack = packs[dice.below(3)];
    let other = documents.push(&image_for("arm64", "web:1", vec![layer(50, 2_000)]), pack);
    let manifest = documents.push(made, pack);
    let index = index(&[described(&other, "arm64", ""), described(&manifest, "amd64", "")]);
    documents.name("1", if dice.one_in(2) { &index } else { &manifest });
    let mut wrong: Vec<Vec<u8>> = documents.0.values().cloned().collect();
    wrong.sort();
    (documents, wrong)
}

/// Answers as the dice fall: `severity` in ten are not honest. Tokens expire now and then.
fn registry(documents: Documents, wrong: Vec<Vec<u8>>, mut dice: Dice, severity: usize) -> Server {
    let wants_tokens = dice.one_in(2);
    let mut tokens = 0;
    serve(move |request: &Request| {
        let host = request.header("host").unwrap_or_default();
        if request.path.starts_with("/token") {
            tokens += 1;
            let given = json!({ "token": format!("t{tokens}") }).to_string();
            return if dice.below(20) < severity { Reply::new(503, "") } else { Reply::new(200, given) };
        }
        if wants_tokens && dice.below(20) < severity {
            tokens += 1;
        }
        let expected = format!("Bearer t{tokens}");
        if wants_tokens && request.header("authorization") != Some(&expected) {
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"x\"");
            return Reply::new(401, "{}").header("WWW-Authenticate", challenge);
        }
        let path = request.path.split('?').next().unwrap_or_default();
        let Some(bytes) = documents.0.get(path) else { return Reply::new(404, "{}") };
        // Another thing that is there, in place of the one that was asked for.
        if dice.below(40) < severity {
            return Reply::file(request, &wrong[dice.below(wrong.len())]);
        }
        // A registry alone says what its tag stands for: a faulty answer there is another image, if it is one.
        answer(&mut dice, severity, request, bytes)
    })
}

fn options(folder: &Path, cache: bool) -> Options {
    Options {
        stall: Duration::from_millis(150),
        longest_pause: Duration::from_millis(500),
        cache: cache.then(|| folder.join("cache")),
        ..Product::hurried()
    }
}

fn lock_in(folder: &Path, network: Options) -> Result<lock::Report, Error> {
    let (manifest, trust) = (folder.join(FILE_NAME), Trust::default());
    lock::run(&lock::Options { manifest, update: lock::Update::No, set_version: None, network, trust }, &Silent)
}

fn download_in(folder: &Path, network: Options) -> Result<download::Report, Error> {
    let manifest = manifest_url(Some(folder.join(FILE_NAME).as_os_str())).expect("a path");
    let dir = Some(folder.join("out"));
    let (platform, trust) = ("linux/amd64".parse().ok(), Trust::default());
    download::run(&download::Options { manifest, dir, platform, allow_downgrade: false, trust, network }, &Silent)
}

fn pinned(folder: &Path) -> Option<Digest> {
    let text = fs::read_to_string(folder.join(FILE_NAME)).expect("read");
    let manifest = Manifest::parse(text, "the manifest").expect("valid, whatever happens");
    manifest.artifacts()[0].pin.map(|pin| pin.digest)
}

fn is_clear(error: &Error) {
    assert!(matches!(error.class(), Class::Failed | Class::Integrity), "{error:?}");
    assert!(error.hint_text().is_some() && error.fact_named("url").is_some(), "no clear error: {error:?}");
}

/// One lock and one download; how each ended.
fn pull(seed: u64) -> [Option<Class>; 2] {
    let mut dice = Dice(seed);
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let (honest, faulty) = (scratch.path().join("honest"), scratch.path().join("faulty"));
    for folder in [&honest, &faulty] {
        fs::create_dir(folder).expect("a folder");
    }
    let made = some_image(&mut dice);
    let (documents, wrong) = documents(&mut dice, &made);
    let mut severity = [0, 1, 2, 4, 7][dice.below(5)];
    let server = registry(documents.clone(), wrong.clone(), Dice(dice.roll()), severity);
    let urls = [oci(&server, ":1")];
    write_manifest(&faulty, &urls);
    let cache = dice.one_in(2);
    let locked = lock_in(&faulty, options(&faulty, cache));
    let found = pinned(&faulty);
    // What the image's archive is.
    let good = documents.clone();
    server.now(move |request| good.found(request));
    write_manifest(&honest, &urls);
    lock_in(&honest, options(&honest, false)).unwrap_or_else(|error| panic!("{seed}: honest, and yet: {error:?}"));
    let expected = pinned(&honest).expect("pinned");
    match &locked {
        Ok(_) => assert_eq!(found, Some(expected), "{seed}: a wrong archive is pinned"),
        Err(error) => {
            is_clear(error);
            assert_eq!(found, None, "{seed}");
        }
    }
    fs::copy(honest.join(FILE_NAME), faulty.join(FILE_NAME)).expect("copied");
    severity = severity.max(1);
    let mut dice_of_server = Dice(dice.roll());
    let (all, swapped) = (documents.clone(), wrong);
    server.now(move |request| {
        let path = request.path.split('?').next().unwrap_or_default();
        match all.0.get(path) {
            Some(_) if dice_of_server.below(40) < severity => {
                Reply::file(request, &swapped[dice_of_server.below(swapped.len())])
            }
            Some(bytes) => answer(&mut dice_of_server, severity, request, bytes),
            None => Reply::new(404, "{}"),
        }
    });
    let cache = cache && !dice.one_in(3);
    let path = faulty.join("out/web.tar");
    let downloaded = download_in(&faulty, options(&faulty, cache));
    match &downloaded {
        Ok(_) => assert_eq!(Digest::of(&fs::read(&path).expect("read")), expected, "{seed}: a wrong archive is placed"),
        Err(error) => {
            is_clear(error);
            assert!(!path.exists(), "{seed}: a failure, and a file under the final name");
        }
    }
    let ended = [locked.err().map(|error| error.class()), downloaded.err().map(|error| error.class())];
    server.now(move |request| documents.found(request));
    let last = download_in(&faulty, options(&faulty, cache));
    assert!(last.is_ok(), "{seed}: the server is honest now: {:?}", last.err());
    assert_eq!(Digest::of(&fs::read(&path).expect("read")), expected, "{seed}");
    ended
}

#[test]
fn every_pull_ends_with_the_right_archive_or_with_a_clear_error() {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, rounds) = match variable("PULL_SEED") {
        Some(seed) => (seed, 1),
        None => (0, variable("PACK_PULLS").unwrap_or(60)),
    };
    let next = AtomicU64::new(first);
    let (good, failed, wrong) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + rounds {
                        return;
                    }
                    let ended = std::panic::catch_unwind(|| pull(seed)).unwrap_or_else(|panic| {
                        next.store(first + rounds, Ordering::Relaxed);
                        assert_eq!(
                            seed,
                            u64::MAX,
                            "to see it again: PULL_SEED={seed} cargo test --test it registry::soak"
                        );
                        std::panic::resume_unwind(panic);
                    });
                    for class in ended {
                        let count = match class {
                            None => &good,
                            Some(Class::Integrity) => &wrong,
                            Some(_) => &failed,
                        };
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let counts = [good, failed, wrong].map(AtomicU64::into_inner);
    assert_eq!(counts.iter().sum::<u64>(), 2 * rounds, "{counts:?}");
    let [right, failed, wrong] = counts;
    let line = format!("measured: {rounds} locks and downloads: {right} right, {failed} failed, {wrong} refused\n");
    std::io::stdout().write_all(line.as_bytes()).expect("written");
    // Faults that all pass, or that none survives, would test nothing.
    assert!(rounds < 60 || counts[0] > rounds / 4 && counts[1] + counts[2] > rounds / 10, "{counts:?}");
}
