//! 500 downloads through random faults: each ends with exactly the right bytes or with a clear error, never
//! with a wrong file under a final name; and when the server comes to its senses, the same folder completes,
//! where what came before and is right is not fetched again.
//!
//! A third of them are through faults that leave right bytes behind or none: cuts, refusals, other files that
//! their heads give away. There no byte comes twice over the wire, whatever happens.
//!
//! `SOAK_SEED=N` runs only the download with that seed, `SOAK_ROUNDS=N` another number of them.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::facts::Facts;
use crate::support::fault::product::Product;
use crate::support::fault::{Reply, Request, serve};
use crate::support::noise;
use pack::digest::Digest;
use pack::error::Class;
use pack::fetch::Options;
use pack::manifest::Pin;
use pack::release::Partial;
use url::Url;

/// A generator of pseudo-random numbers: splitmix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// One answer, honest or not, as the dice fall. `severity` in ten are not.
pub(crate) fn answer(dice: &mut Dice, severity: usize, request: &Request, bytes: &[u8]) -> Reply {
    let honest = Reply::file(request, bytes);
    if dice.below(10) >= severity {
        return match dice.below(4) {
            0 => Reply::whole(bytes),
            1 => honest.drip(16 << 10, Duration::from_millis(1)),
            _ => honest,
        };
    }
    let somewhere = dice.below(bytes.len() + 1);
    let mut damaged = bytes.to_vec();
    if let Some(byte) = damaged.get_mut(somewhere) {
        *byte ^= 1 << dice.below(8);
    }
    match dice.below(21) {
        0 => Reply::new([404, 403, 410, 451][dice.below(4)], "<html>sorry</html>"),
        1 | 2 => Reply::new([500, 502, 503, 504, 429, 408][dice.below(6)], "oops"),
        3 => Reply::new(503, "").header("Retry-After", ["0", "1", "9999", "soon", "-1"][dice.below(5)]),
        4..=7 => honest.cut_after(somewhere),
        8 => honest.stall_after(somewhere),
        9 => honest.until_closed().cut_after(somewhere),
        10 => honest.chunked().cut_after(somewhere),
        11 => honest.claiming(somewhere),
        12 => honest.claiming(bytes.len() + 1 + dice.below(1000)),
        13 => Reply::file(request, &damaged),
        14 => Reply::file_as(request, &damaged, "\"same\""),
        15 => Reply::file(request, &bytes[..somewhere]),
        16 => Reply::file(request, &[bytes, b"more"].concat()),
        17 => {
            let end = (somewhere + 1 + dice.below(1000)).min(bytes.len());
            let range = format!("bytes {somewhere}-{}/{}", end.max(1) - 1, bytes.len());
            Reply::new(206, &bytes[somewhere.min(end)..end]).header("Content-Range", range)
        }
        18 => honest.endless(),
        19 => match dice.below(3) {
            0 => Reply::redirect(&request.path),
            1 => Reply::redirect("http://127.0.0.1:1/"),
            _ => honest.endless_head(),
        },
        _ => honest.header("Content-Encoding", "gzip"),
    }
}

/// As [`answer`], with no fault that sends wrong bytes, or right ones that nobody asked for. `came` is how much of
/// the file came so far.
fn tame_answer(dice: &mut Dice, severity: usize, request: &Request, bytes: &[u8], came: &mut usize) -> Reply {
    let honest = Reply::file(request, bytes);
    let rest = bytes.len() - *came;
    if dice.below(10) >= severity {
        *came += rest;
        return honest;
    }
    let some = dice.below(rest + 1);
    let mut cut = |reply: Reply| {
        *came += some;
        reply.cut_after(some)
    };
    // Of who refuses a part the whole may be asked, and then it comes twice.
    let is_part = request.range().is_some();
    match dice.below(12) {
        0 => Reply::new([404, 410, 451, 403][dice.below(if is_part { 3 } else { 4 })], ""),
        1 => Reply::new([408, 500, 502, 503, 504, 429][dice.below(if is_part { 1 } else { 6 })], ""),
        2 => Reply::redirect([&request.path, "http://127.0.0.1:1/"][dice.below(2)]),
        // So much that nobody reads it to the end, not even for its digest.
        3 => Reply::new(200, noise(7, 2 * bytes.len() + (1 << 20) + 1 + some)),
        4 => Reply::whole(bytes).cut_after(0),
        5 => cut(honest.chunked()),
        6 => cut(honest.until_closed()),
        _ => cut(honest),
    }
}

/// What came of each file of a tame download, from whatever server, and what was asked for besides what was missing.
struct Ledger {
    came: Vec<usize>,
    wrong: Vec<String>,
}

impl Ledger {
    fn enter(&mut self, place: usize, request: &Request) -> &mut usize {
        let begin = request.range().map_or(0, |(first, _)| first);
        if begin != self.came[place] {
            self.wrong.push(format!("file {place}: from {begin}, after {} bytes came", self.came[place]));
        }
        &mut self.came[place]
    }
}

fn place_of(request: &Request) -> usize {
    request.path[1..].split('?').next().and_then(|path| path.parse().ok()).unwrap_or(0)
}

/// How many bytes of `body` are to be fetched yet; `None` where some of those that are kept are wrong, or are for
/// the server those of another state of the file.
fn missing(product: &Product, name: &str, body: &[u8]) -> Option<u64> {
    if product.path(name).exists() {
        return Some(0);
    }
    let digest = Digest::of(body);
    let folder = product.folder().lock().expect("locked");
    let partial = Partial::open(&folder, Pin { size: Some(body.len() as u64), digest }).expect("opened");
    let kept = fs::read(product.folder().root().join(".pack/partial").join(digest.hex())).expect("read");
    let right = partial.held().iter().all(|run| {
        let run = run.start as usize..run.end as usize;
        kept[run.clone()] == body[run]
    });
    let validator = partial.origin().and_then(|origin| origin.validator.clone());
    let same_state = validator.is_none_or(|validator| validator == Reply::etag(body));
    (right && same_state).then(|| body.len() as u64 - partial.length())
}

/// How much was kept of what came before, and seen not to be fetched again.
static SPARED: AtomicU64 = AtomicU64::new(0);

fn download(seed: u64) -> Result<(), Class> {
    let mut dice = Dice(seed);
    let count = 1 + dice.below(4);
    let bodies: Vec<Vec<u8>> = (0..count as u64)
        .map(|n| {
            let length = [0, 1, 1_000, 70_000, 300_000, 900_000][dice.below(6)];
            noise(seed ^ (n << 32), length)
        })
        .collect();
    let severity = dice.below(14).min(10);
    let tame = dice.one_in(3);
    let ledger = Arc::new(Mutex::new(Ledger { came: vec![0; count], wrong: Vec::new() }));
    let script = |mut dice: Dice, severity: usize| {
        let (bodies, ledger) = (bodies.clone(), ledger.clone());
        move |request: &Request| {
            let place = place_of(request);
            if tame {
                let mut ledger = ledger.lock().expect("no panic");
                return tame_answer(&mut dice, severity, request, &bodies[place], ledger.enter(place, request));
            }
            answer(&mut dice, severity, request, &bodies[place])
        }
    };
    let server = serve(script(Dice(dice.roll()), severity));
    let mirror = serve(script(Dice(dice.roll()), severity));
    let product = bodies
        .iter()
        .enumerate()
        .fold(Product::new(), |product, (n, body)| product.with(&n.to_string(), body, &[n.to_string().as_str()]));
    let stick = product.scratch.path().join("stick");
    let mut mirrors = Vec::new();
    if dice.one_in(2) {
        // Not plugged in, or with other files under these names.
        if dice.one_in(2) {
            fs::create_dir(&stick).expect("made");
            for (n, body) in bodies.iter().enumerate() {
                fs::write(stick.join(n.to_string()), noise(9, dice.below(2 * body.len() + 2))).expect("written");
            }
        }
        mirrors.push(Url::from_file_path(&stick).expect("a URL"));
    }
    if dice.one_in(2) {
        mirrors.insert(dice.below(mirrors.len() + 1), mirror.url(""));
    }
    let connections = 1 + 3 * dice.below(2);
    let options = Options {
        // Whether a tame server sent what nobody waited for must not hang on how busy this machine is.
        stall: Duration::from_millis(if tame { 60_000 } else { 150 }),
        longest_pause: Duration::from_millis(1_500),
        connections: if tame { 1 } else { connections },
        range_bytes: 16 << 10,
        spread_after: Duration::from_millis(dice.below(10) as u64),
        cache: dice.one_in(2).then(|| product.scratch.path().join("cache")),
        mirrors,
        ..Product::hurried()
    };
    // `download_with` fails the test if anything wrong has a final name.
    let result = product.download_with(&server.url(""), options.clone());
    let ended = match &result {
        Ok(outcomes) => {
            assert_eq!(outcomes.len(), count);
            product.assert_complete();
            Ok(())
        }
        Err(error) => {
            assert!(matches!(error.class(), Class::Failed | Class::Integrity), "{error:?}");
            assert!(error.hint_text().is_some() && error.fact_named("url").is_some(), "no clear error: {error:?}");
            Err(error.class())
        }
    };
    let missing: Vec<_> = bodies.iter().enumerate().map(|(n, body)| missing(&product, &n.to_string(), body)).collect();
    server.now(script(Dice(0), 0));
    if !tame {
        let bodies = bodies.clone();
        server.now(move |request| Reply::file(request, &bodies[place_of(request)]));
    }
    let options = Options { mirrors: Vec::new(), connections: 1, stall: Duration::from_secs(60), ..options };
    let again = product.download_with(&server.url(""), options).expect("the server is honest now");
    product.assert_complete();
    for (n, (outcome, missing)) in again.iter().zip(missing).enumerate() {
        assert!(!tame || missing.is_some(), "{n}: wrong bytes, and nobody sent any");
        if let Some(missing) = missing {
            assert_eq!(outcome.wire_bytes, missing, "{n}: only what is missing is fetched");
            SPARED.fetch_add(u64::from(missing > 0) * (bodies[n].len() as u64 - missing), Ordering::Relaxed);
        }
    }
    let ledger = ledger.lock().expect("no panic");
    assert!(ledger.wrong.is_empty(), "fetched twice: {:?}", ledger.wrong);
    ended
}

#[test]
fn every_download_ends_right_or_with_a_clear_error() {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, rounds) = match variable("SOAK_SEED") {
        Some(seed) => (seed, 1),
        None => (0, variable("SOAK_ROUNDS").unwrap_or(500)),
    };
    let next = AtomicU64::new(first);
    let (good, failed, wrong) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + rounds {
                        return;
                    }
                    let outcome = std::panic::catch_unwind(|| download(seed));
                    let count = match outcome {
                        Ok(Ok(())) => &good,
                        Ok(Err(Class::Integrity)) => &wrong,
                        Ok(Err(_)) => &failed,
                        Err(panic) => {
                            next.store(first + rounds, Ordering::Relaxed);
                            assert_eq!(seed, u64::MAX, "to see it again: SOAK_SEED={seed} cargo test --test it soak");
                            std::panic::resume_unwind(panic);
                        }
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let counts = [good, failed, wrong].map(AtomicU64::into_inner);
    assert_eq!(counts.iter().sum::<u64>(), rounds, "{counts:?}");
    // Faults that all pass, or that none survives, would test nothing.
    assert!(rounds < 100 || SPARED.load(Ordering::Relaxed) > 0, "nothing was ever kept");
    assert!(rounds < 100 || counts.iter().all(|&count| count > rounds / 50), "good, failed, wrong: {counts:?}");
}
