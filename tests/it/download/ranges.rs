//! Big artifacts over several connections: verified as one stream, resumed range by range, and quietly
//! over one connection where the server has no ranges.

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::fault::product::{Product, Watcher};
use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{PACK, noise};
use pack::fetch::Options;

const BIG: usize = 8 << 20;

fn spread() -> Options {
    Options { connections: 4, range_bytes: 256 << 10, ..Product::hurried() }
}

/// So slow that other connections have the time to join.
fn slow(reply: Reply) -> Reply {
    reply.drip(64 << 10, Duration::from_millis(4))
}

/// Fails unless another connection than the first asked for a range: without, a test of ranges shows nothing.
fn assert_others_joined(server: &Server) {
    let later = server.requests().split_off(1);
    assert!(!ranges(&later).is_empty(), "only one connection was at work: {later:?}");
}

fn ranges(requests: &[Request]) -> Vec<(usize, Option<usize>)> {
    requests.iter().filter_map(Request::range).collect()
}

#[test]
fn a_slow_artifact_comes_over_several_connections() {
    let bytes = noise(1, BIG);
    let served = bytes.clone();
    let server = serve(move |request| slow(Reply::file(request, &served)));
    let product = Product::of(&bytes, "a");
    let watcher = Watcher::default();
    let outcomes = product.download_watched(&server.url(""), spread(), &watcher).expect("downloaded");
    product.assert_complete();
    let asked = server.requests();
    assert!(ranges(&asked).len() >= 3, "{:?}", ranges(&asked));
    assert!(asked[1..].iter().all(|request| request.range().is_some() && request.header("if-range").is_none()));
    // What a lane gave up to another may be on its way already; it is little.
    assert!(outcomes[0].wire_bytes < BIG as u64 * 5 / 4, "{}", outcomes[0].wire_bytes);
    assert_eq!(watcher.counts.lock().expect("no panic")[0].1, BIG as i64);
}

#[test]
fn one_connection_never_asks_for_ranges() {
    let bytes = noise(1, BIG / 4);
    let served = bytes.clone();
    let server = serve(move |request| slow(Reply::file(request, &served)));
    Product::of(&bytes, "a")
        .download_with(&server.url(""), Options { connections: 1, ..spread() })
        .expect("downloaded");
    assert_eq!((server.requests().len(), ranges(&server.requests()).len()), (1, 0));
}

#[test]
fn a_server_that_says_it_has_no_ranges_is_asked_for_none() {
    let bytes = noise(1, BIG / 4);
    let served = bytes.clone();
    let server = serve(move |_| slow(Reply::whole(&served)));
    Product::of(&bytes, "a").download_with(&server.url(""), spread()).expect("downloaded");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_that_says_it_has_ranges_and_has_none_does_no_harm() {
    let bytes = noise(1, BIG / 2);
    let served = bytes.clone();
    let server = serve(move |_| slow(Reply::whole(&served)).header("Accept-Ranges", "bytes").header("ETag", "\"x\""));
    let product = Product::of(&bytes, "a");
    product.download_with(&server.url(""), spread()).expect("downloaded");
    product.assert_complete();
    assert_others_joined(&server);
}

#[test]
fn a_server_that_refuses_every_range_sends_the_whole_and_once_is_enough() {
    let bytes = noise(1, BIG / 2);
    for status in [400, 403, 416, 429, 501, 503] {
        let served = bytes.clone();
        // It says that it has ranges, and has none.
        let server = serve(move |request| match request.range() {
            Some(_) => Reply::new(status, "no"),
            None => Reply::file(request, &served).drip(64 << 10, Duration::from_millis(8)),
        });
        let product = Product::of(&bytes, "a");
        let outcomes = product.download_with(&server.url(""), spread()).unwrap_or_else(|why| panic!("{status}: {why}"));
        product.assert_complete();
        let asked = server.requests();
        assert_eq!(asked.iter().filter(|request| request.range().is_none()).count(), 1, "{status}");
        assert_others_joined(&server);
        assert!(asked.len() <= 4, "{status}: a refusal ends the joining: {}", asked.len());
        assert!(outcomes[0].wire_bytes < BIG as u64 / 2 + 100, "{status}: the first connection went on alone");
    }
}

#[test]
fn patience_asked_of_a_joining_connection_is_had() {
    let bytes = noise(1, BIG);
    let served = bytes.clone();
    let refused = Arc::new(Mutex::new(Vec::new()));
    let told = refused.clone();
    let server = serve(move |request| {
        let mut told = told.lock().expect("no panic");
        let is_early = told.first().is_none_or(|first: &Instant| first.elapsed() < Duration::from_secs(1));
        match request.number {
            0 => slow(Reply::file(request, &served)).cut_after(1 << 20),
            1 => slow(Reply::file(request, &served)),
            _ if is_early => {
                told.push(Instant::now());
                Reply::new(429, "").header("Retry-After", "1")
            }
            _ => Reply::file(request, &served),
        }
    });
    let product = Product::of(&bytes, "a");
    product.download_with(&server.url(""), spread()).expect("downloaded");
    product.assert_complete();
    let refused = refused.lock().expect("no panic").len();
    assert!((1..=2).contains(&refused), "only who asked at the same time was refused as well: {refused}");
}

#[test]
fn connections_that_fail_leave_their_part_to_the_others() {
    let bytes = noise(1, BIG);
    for failing in [1, 2] {
        let served = bytes.clone();
        let server = serve(move |request| {
            let reply = slow(Reply::file(request, &served));
            match request.number % 3 {
                number if number != failing => reply,
                1 => reply.cut_after(100_000),
                _ => Reply::new(503, ""),
            }
        });
        let product = Product::of(&bytes, "a");
        product.download_with(&server.url(""), spread()).expect("downloaded");
        product.assert_complete();
        let failed = server.requests().iter().filter(|request| request.number % 3 == failing).count();
        assert!(failed > 0, "no connection failed");
        assert_others_joined(&server);
    }
}

#[test]
fn the_first_connection_may_fail_too() {
    let bytes = noise(1, BIG);
    let served = bytes.clone();
    let server = serve(move |request| {
        let reply = slow(Reply::file(request, &served));
        if request.number == 0 { reply.cut_after(1 << 20) } else { reply }
    });
    let product = Product::of(&bytes, "a");
    product.download_with(&server.url(""), spread()).expect("downloaded");
    product.assert_complete();
    assert_others_joined(&server);
}

#[test]
fn ranges_of_a_file_that_changed_are_not_mixed() {
    let (old, new) = (noise(1, BIG), noise(2, BIG));
    let product = Product::of(&new, "a");
    let server = serve(move |request| match request.number {
        0 => slow(Reply::file(request, &old)),
        _ => slow(Reply::file(request, &new)),
    });
    product.download_with(&server.url(""), spread()).expect("downloaded");
    product.assert_complete();
    let asked = server.requests();
    let joined = &asked[1];
    assert!(joined.range().is_some() && joined.header("if-range").is_none(), "{joined:?}");
}

#[test]
fn a_range_that_says_it_is_of_another_state_of_the_file_is_not_used() {
    // It takes no notice of If-Range, as some object stores do.
    let (bytes, other) = (noise(1, BIG), noise(2, BIG));
    let served = bytes.clone();
    let server = serve(move |request: &Request| match request.number {
        0 => slow(Reply::file_as(request, &served, "\"one\"")),
        _ => {
            let mut asked = request.clone();
            asked.headers.retain(|(name, _)| name != "if-range");
            Reply::file_as(&asked, &other, "\"two\"")
        }
    });
    let product = Product::of(&bytes, "a");
    let watcher = Watcher::default();
    product.download_watched(&server.url(""), spread(), &watcher).expect("downloaded");
    product.assert_complete();
    assert_others_joined(&server);
    assert_eq!(*watcher.notes.lock().expect("no panic"), [""; 0], "and nothing had to begin again");
}

#[test]
fn another_run_fetches_only_what_lies_between() {
    let bytes = noise(1, BIG);
    let served = bytes.clone();
    // Every connection ends after a quarter of a MiB until enough of them did: holes all over the file.
    let server = serve(move |request| match request.number {
        0..=3 => slow(Reply::file(request, &served)).cut_after(1 << 20),
        _ => Reply::new(404, ""),
    });
    let product = Product::of(&bytes, "a");
    product.download_with(&server.url(""), spread()).expect_err("the file is gone");
    let served = bytes.clone();
    server.now(move |request| Reply::file(request, &served));
    let came = server.sent();
    assert!(came > 1 << 20);
    assert_others_joined(&server);
    let outcomes = product.download_with(&server.url(""), spread()).expect("downloaded");
    product.assert_complete();
    // `came` is what the server sent: where a connection broke, some of it was still on its way, more on a
    // busy machine. Most of it must have been kept all the same.
    assert!(outcomes[0].wire_bytes + came / 2 <= BIG as u64, "{} of {BIG} after {came}", outcomes[0].wire_bytes);
}

#[test]
fn wrong_bytes_in_one_range_are_found() {
    let bytes = noise(1, BIG);
    let mut bad = bytes.clone();
    bad[BIG - 5] ^= 1;
    let server = serve(move |request| slow(Reply::file_as(request, &bad, "\"one\"")));
    let product = Product::of(&bytes, "a");
    let error = product.download_with(&server.url(""), spread()).expect_err("one bit is wrong");
    assert_eq!(error.class(), pack::error::Class::Integrity);
    assert_others_joined(&server);
}

#[test]
fn extra_connections_are_limited_over_all_artifacts() {
    let server = serve(|request| slow(Reply::file(request, &noise(request.path.len() as u64, BIG / 2))));
    let product = (2..5).fold(Product::new(), |product, n| {
        let name = "x".repeat(n as usize - 1);
        product.with(&name, &noise(n, BIG / 2), &[name.as_str()])
    });
    let folder = |extra_connections| {
        let options = Options { extra_connections, ..spread() };
        product.download_with(&server.url(""), options).expect("downloaded");
        product.assert_complete();
        for artifact in 1..4 {
            std::fs::remove_file(product.path(&"x".repeat(artifact))).expect("there");
        }
    };
    folder(0);
    assert_eq!(ranges(&server.requests()).len(), 0);
    assert_eq!(server.most_open(), 3, "one for each artifact");
    folder(1);
    assert_others_joined(&server);
    // And one more, beside those that are given up while their rest is requested anew: the server sees their end late.
    assert!((4..=6).contains(&server.most_open()), "{}", server.most_open());
}

#[test]
fn after_a_kill_every_range_goes_on_where_it_was() {
    const HUGE: usize = 24 << 20;
    let bytes = noise(1, HUGE);
    let served = bytes.clone();
    let server = serve(move |request| Reply::file(request, &served).drip(64 << 10, Duration::from_millis(5)));
    let product = Product::of(&bytes, server.url("a").as_str());
    let manifest = product.scratch.path().join("manifest.json");
    std::fs::write(&manifest, product.text()).expect("written");
    let mut pack = std::process::Command::new(PACK)
        .args(["download", "-q", "--no-cache", "--connections", "4", "--dir"])
        .args([product.folder().root(), &manifest])
        .spawn()
        .expect("pack runs");
    // Killed in the middle of several ranges, not after some time, and when so much is on the disk: what the server
    // sent may still be on its way.
    let on_disk = || {
        let partials = std::fs::read_dir(product.folder().root().join(".pack/partial")).into_iter().flatten();
        partials
            .map(|entry| entry.and_then(|entry| entry.metadata()).map_or(0, |file| file.blocks() * 512))
            .sum::<u64>()
    };
    while ranges(&server.requests()).len() < 3 || on_disk() < HUGE as u64 / 2 {
        assert!(pack.try_wait().expect("a state").is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    pack.kill().expect("killed");
    pack.wait().expect("ended");
    product.assert_nothing_wrong_has_a_name();
    let served = bytes.clone();
    server.now(move |request| Reply::file(request, &served));
    let first = server.requests().len();
    let outcomes = product.download_with(&server.url(""), spread()).expect("downloaded");
    product.assert_complete();
    let again = outcomes[0].wire_bytes;
    assert!(again < HUGE as u64 * 6 / 10, "{again} of {HUGE} bytes again: what came before the kill was not used");
    let resumed = server.requests().split_off(first);
    assert!(resumed.iter().all(|request| request.range().is_some() && request.header("if-range").is_none()));
}
