//! Servers that fail, lie and dawdle: each ends in the right bytes or a clear error, never a wrong file.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::fault::product::{Product, Watcher, fact};
use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::noise;
use pack::error::{Class, Error};
use pack::fetch::Options;
use proptest::prelude::*;

const SIZE: usize = 200_000;

/// Downloads one artifact from a server with this script; the product, the server and how it ended.
fn one(script: impl Fn(&Request, &[u8]) -> Reply + Send + 'static) -> (Product, Server, Result<(), Error>) {
    let bytes = noise(1, SIZE);
    let served = bytes.clone();
    let server = serve(move |request| script(request, &served));
    let product = Product::of(&bytes, "a");
    let result = product.download(&server.url("")).map(|_| ());
    if result.is_ok() {
        product.assert_complete();
    }
    (product, server, result)
}

fn failure(script: impl Fn(&Request, &[u8]) -> Reply + Send + 'static) -> (Server, Error) {
    let (product, server, result) = one(script);
    assert!(!product.path("a").exists());
    (server, result.expect_err("it cannot work"))
}

#[test]
fn a_page_that_says_404_is_no_artifact() {
    let (server, error) = failure(|_, _| Reply::new(404, "<html>not here</html>").header("Content-Type", "text/html"));
    assert_eq!(error.class(), Class::Failed);
    assert_eq!(error.title(), "the server answered 404 Not Found");
    assert_eq!(fact(&error, "url"), server.url("a").as_str());
    assert_eq!(fact(&error, "content-type"), "text/html");
    assert_eq!(server.requests().len(), 1, "a 404 does not pass");
}

#[test]
fn a_500_passes() {
    let (_, server, result) = one(|request, bytes| match request.number {
        0 => Reply::new(500, "oops"),
        _ => Reply::file(request, bytes),
    });
    result.expect("downloaded");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_500_that_stays_is_told_after_so_many_retries() {
    let (server, error) = failure(|_, _| Reply::new(500, "oops"));
    assert_eq!((error.class(), error.title()), (Class::Failed, "the server answered 500 Internal Server Error"));
    assert_eq!(server.requests().len(), 1 + Product::hurried().retries);
}

#[test]
fn a_body_shorter_than_promised_is_a_broken_connection() {
    let (server, error) = failure(|_, bytes| Reply::whole(&bytes[..1000]).claiming(SIZE));
    assert_eq!((error.class(), error.title()), (Class::Failed, "the connection ended before the file did"));
    assert!(server.requests().len() > 1, "tried again");
}

#[test]
fn a_complete_file_that_is_too_short_is_another_file() {
    for reply in [Reply::whole as fn(&[u8]) -> Reply, |bytes| Reply::whole(bytes).chunked()] {
        let (_, error) = failure(move |_, bytes| reply(&bytes[..1000]));
        assert_eq!(error.class(), Class::Integrity);
        assert_eq!(fact(&error, "actual size"), "1000 bytes");
        assert_ne!(fact(&error, "actual digest"), fact(&error, "expected digest"));
        assert!(fact(&error, "actual digest").starts_with("sha256:"));
        assert_eq!(fact(&error, "expected size"), "200000 bytes");
    }
}

#[test]
fn a_body_that_is_longer_is_another_file() {
    let (_, error) = failure(|_, bytes| Reply::whole(&[bytes, b"more"].concat()));
    assert_eq!((error.class(), fact(&error, "actual size")), (Class::Integrity, "200004 bytes"));
    let (_, error) = failure(|_, bytes| Reply::whole(&[bytes, b"more"].concat()).chunked());
    assert_eq!((error.class(), fact(&error, "actual size")), (Class::Integrity, "200004 bytes"));
    // More than Content-Length tells is not even read.
    one(|_, bytes| Reply::whole(&[bytes, b"more"].concat()).claiming(SIZE)).2.expect("downloaded");
}

#[test]
fn an_endless_body_ends_at_the_pinned_size() {
    let (server, error) = failure(|_, bytes| Reply::whole(bytes).endless());
    assert_eq!((error.class(), fact(&error, "actual size")), (Class::Integrity, "more than 200000 bytes"));
    assert!(server.sent() < 60 << 20, "{}", server.sent());
}

#[test]
fn an_endless_head_ends() {
    let (server, error) = failure(|_, bytes| Reply::whole(bytes).endless_head());
    assert_eq!((error.class(), error.title()), (Class::Failed, "the server cannot be reached"));
    assert!((1..20 << 20).contains(&server.sent()), "{}", server.sent());
}

#[test]
fn a_stall_ends_and_the_rest_is_fetched() {
    let (_, server, result) = one(|request, bytes| {
        let reply = Reply::file(request, bytes);
        if request.number == 0 { reply.stall_after(150_000) } else { reply }
    });
    result.expect("downloaded");
    assert_eq!(server.requests()[1].range(), Some((150_000, None)));
}

#[test]
fn bytes_that_come_again_and_again_are_no_progress() {
    // Every attempt brings much, and none brings more than the one before: without an end to this, no other
    // URL would ever get its turn.
    let bytes = noise(3, 1_200_000);
    let served = bytes.clone();
    let server = serve(move |request| match request.path.as_str() {
        "/good" => Reply::file(request, &served),
        _ => Reply::whole(&served).cut_after(600_000),
    });
    let error = Product::of(&bytes, "cut").download(&server.url("")).expect_err("it never gets further");
    assert_eq!(error.title(), "the connection ended before the file did");
    assert_eq!(server.requests().len(), 2 + Product::hurried().retries, "the first one was progress");
    let product = Product::new().with("a", &bytes, &["cut", "good"]);
    product.download(&server.url("")).expect("the other URL has it");
    product.assert_complete();
    assert_eq!(server.asked_for("/good"), 1);
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let bytes = noise(1, SIZE);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let product = Product::of(&bytes, "a");
    let base = format!("http://{}/", silent.local_addr().expect("an address")).parse().expect("a URL");
    let options =
        Options { stall: Duration::from_millis(100), connect: Duration::from_millis(100), ..Product::hurried() };
    let error = product.download_with(&base, options).expect_err("no answer");
    assert_eq!(error.title(), "the server stopped sending data");
}

#[test]
fn a_drip_is_given_up() {
    let bytes = noise(1, SIZE);
    let served = bytes.clone();
    let server = serve(move |request| Reply::file(request, &served).drip(10, Duration::from_millis(20)));
    let options = Options { stall: Duration::from_millis(300), slowest: 10_000, ..Product::hurried() };
    let error = Product::of(&bytes, "a").download_with(&server.url(""), options).expect_err("too slow");
    assert_eq!(error.title(), "the server stopped sending data");
}

#[test]
fn redirects_are_followed_but_not_in_circles_nor_elsewhere() {
    let (_, _, result) = one(|request, bytes| match request.path.as_str() {
        "/a" => Reply::redirect("b/c"),
        "/b/c" => Reply::redirect("../d"),
        _ => Reply::file(request, bytes),
    });
    result.expect("followed");
    let (server, error) = failure(|request, _| Reply::redirect(if request.path == "/a" { "/b" } else { "/a" }));
    assert!(fact(&error, "cause").contains("circle"), "{error}");
    assert_eq!(server.requests().len(), 2);
    let (server, _, result) = one(|request, bytes| match request.number {
        10 => Reply::file(request, bytes),
        number => Reply::redirect(&format!("/{number}")),
    });
    drop((server, result.expect("after ten redirects")));
    let (_, error) = failure(|request, _| Reply::redirect(&format!("/{}", request.number)));
    assert!(fact(&error, "cause").contains("after 10 redirects"), "{error}");
    let (_, error) = failure(|_, _| Reply::redirect("file:///etc/passwd"));
    assert!(fact(&error, "cause").contains("neither http nor https"), "{error}");
}

#[test]
fn a_forced_coding_is_taken_by_its_bytes() {
    // Servers that label a .tar.gz as gzip-encoded send the right bytes all the same.
    one(|_, bytes| Reply::whole(bytes).header("Content-Encoding", "x-gzip")).2.expect("downloaded");
    let (server, error) = failure(|_, _| Reply::whole(&noise(2, 999)).header("Content-Encoding", "gzip"));
    assert_eq!((error.class(), fact(&error, "content-encoding")), (Class::Integrity, "gzip"));
    assert!(server.requests().iter().all(|request| request.header("accept-encoding") == Some("identity")));
}

#[test]
fn a_range_that_was_not_asked_for_is_not_used() {
    let (_, server, result) = one(|request, bytes| match request.range() {
        None if request.number == 0 => Reply::file(request, bytes).cut_after(100_000),
        None => Reply::file(request, bytes),
        Some(_) => Reply::new(206, &bytes[..100]).header("Content-Range", format!("bytes 0-99/{SIZE}")),
    });
    result.expect("downloaded");
    assert!(server.requests().iter().any(|request| request.range().is_some()));
}

#[test]
fn a_range_that_cannot_be_had_means_beginning_again() {
    for status in [416, 400, 403, 501, 429, 500, 503] {
        let (_, server, result) = one(move |request, bytes| match request.range() {
            None if request.number == 0 => Reply::file(request, bytes).cut_after(100_000),
            None => Reply::file(request, bytes),
            Some(_) => Reply::new(status, ""),
        });
        result.unwrap_or_else(|why| panic!("{status}: {why}"));
        let refusals = server.requests().iter().filter(|request| request.range().is_some()).count();
        // What may pass is waited for before what came is given up.
        let passes = matches!(status, 429 | 500 | 503);
        assert!(if passes { refusals > 1 } else { refusals == 1 }, "{status}: {refusals}");
    }
}

#[test]
fn retry_after_is_obeyed_and_too_long_a_wait_is_told() {
    let begun = Instant::now();
    let (_, server, result) = one(|request, bytes| match request.number {
        0 => Reply::new(429, "").header("Retry-After", "1"),
        _ => Reply::file(request, bytes),
    });
    result.expect("downloaded");
    assert_eq!(server.requests().len(), 2);
    assert!(begun.elapsed() >= Duration::from_secs(1), "it was asked again before its time");
    let (server, error) = failure(|_, _| Reply::new(503, "").header("Retry-After", "9000"));
    assert_eq!(server.requests().len(), 1, "it is not asked before its time");
    assert_eq!(fact(&error, "retry-after"), "9000");
}

#[test]
fn what_a_server_says_cannot_move_the_cursor() {
    let (_, error) = failure(|_, _| Reply::new(404, "").header("Server", "a\x1b[2Jb"));
    assert!(!error.to_string().contains('\x1b'));
}

#[test]
fn one_failure_leaves_the_others_alone() {
    let bytes = noise(1, SIZE);
    let served = bytes.clone();
    let server = serve(move |request| match request.path.as_str() {
        "/good" => Reply::file(request, &served),
        _ => Reply::new(404, ""),
    });
    let product = Product::new().with("a", b"a", &["bad"]).with("b", &bytes, &["good"]).with("c", b"c", &["bad"]);
    let watcher = Watcher::default();
    let error = product.download_watched(&server.url(""), Product::hurried(), &watcher).expect_err("two are missing");
    assert_eq!(fact(&error, "artifact"), "a");
    assert!(fact(&error, "also failed").starts_with("c: "));
    assert_eq!(fs::read(product.path("b")).expect("there"), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_connection_cut_at_any_byte_is_mended(cuts in proptest::collection::vec(0..=SIZE, 1..4), ranges: bool) {
        let (_, _, result) = one(move |request, bytes| {
            let reply = if ranges { Reply::file(request, bytes) } else { Reply::whole(bytes) };
            match cuts.get(request.number) {
                Some(cut) => reply.cut_after(*cut),
                None => reply,
            }
        });
        prop_assert!(result.is_ok(), "{:?}", result);
    }
}

/// A folder on a file system of so many KiB, as long as it lives. `None` for those who may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn of(kib: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        assert!(mounted || std::env::var_os("CI").is_none(), "CI must be able to mount a small disk");
        mounted.then(|| SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "whoever runs the tests should know what was not tested")]
fn a_full_disk_is_told_and_the_old_file_stays() {
    let Some(disk) = SmallDisk::of(400) else {
        eprintln!("skipped: only root can mount a small disk");
        return;
    };
    let (old, new) = (noise(1, 50_000), noise(2, 600_000));
    let served = new.clone();
    let server = serve(move |request| Reply::file(request, &served));
    let product = Product::of(&new, "a");
    let folder = pack::release::Folder::at(disk.0.path().join("folder"));
    fs::create_dir(folder.root()).expect("made");
    fs::write(folder.root().join("a"), &old).expect("written");
    let manifest = product.manifest();
    let selection = manifest.select(pack::platform::Platform::AMD64).expect("pinned");
    let fetcher = pack::fetch::Fetcher::new(Product::hurried()).expect("a fetcher");
    let folder = folder.lock().expect("locked");
    let download = || fetcher.download(&selection, &server.url(""), &folder, &pack::progress::Silent);
    let error = download().expect_err("the disk is full");
    assert_eq!(error.class(), Class::Failed);
    assert!(error.hint_text().is_some_and(|hint| hint.contains("disk is full")), "{error}");
    assert_eq!(fs::read(folder.root().join("a")).expect("there"), old);
    let asked = server.requests().len();
    assert_eq!(asked, 1, "a full disk is no reason to ask again");
    let remount = Command::new("mount").args(["-o", "remount,size=2000k"]).arg(disk.0.path()).status();
    assert!(remount.is_ok_and(|status| status.success()));
    download().expect("downloaded");
    assert_eq!(fs::read(folder.root().join("a")).expect("there"), new);
    assert!(server.requests()[asked].range().is_some(), "what fitted before is not fetched again");
}

#[test]
fn a_success_of_an_unusual_kind_is_judged_by_the_digest() {
    for status in [201, 203, 226, 299] {
        let (_, _, result) = one(move |_, bytes| Reply::new(status, bytes));
        result.unwrap_or_else(|error| panic!("{status}: {error}"));
        let (_, error) = failure(move |_, _| Reply::new(status, &noise(2, SIZE)[..]));
        assert_eq!(error.class(), Class::Integrity, "{status}: {error}");
    }
    let (_, _, result) = one(|_, bytes| Reply::new(202, bytes));
    result.expect("accepted, and of the pinned size");
    let (_, error) = failure(|_, _| Reply::new(202, "it will be made".as_bytes()));
    assert!(error.title().contains("202"), "what is only accepted is no file: {error}");
    let (_, error) = failure(|_, _| Reply::new(202, &noise(2, SIZE)[..]));
    assert_eq!(error.class(), Class::Integrity, "202: {error}");
    let (_, _, result) = one(|request, bytes| match request.path.as_str() {
        "/a" => Reply::new(300, "several").header("Location", "/b"),
        _ => Reply::file(request, bytes),
    });
    result.expect("the choice that the server prefers");
    // Chunks are what comes, whatever length is said beside them.
    let (_, _, result) = one(|_, bytes| Reply::whole(bytes).chunked().header("Content-Length", "5"));
    result.expect("downloaded");
}
