//! What came of an artifact is given up only for something better: no wrong answer and no refusal costs it.

use std::fs;

use crate::support::fault::product::Product;
use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::noise;
use pack::fetch::Options;

const SIZE: usize = 2 << 20;
const HALF: usize = SIZE / 2;

fn no_retries() -> Options {
    Options { retries: 0, ..Product::hurried() }
}

/// Half of the file once, then nothing but 503.
fn half_then_nothing() -> Server {
    serve(|request: &Request| match request.number {
        0 => Reply::file(request, &noise(1, SIZE)).cut_after(HALF),
        _ => Reply::new(503, ""),
    })
}

/// A product whose one artifact came as far as half of it.
fn half_there(server: &Server) -> Product {
    let product = Product::of(&noise(1, SIZE), "a");
    product.download_with(&server.url(""), no_retries()).expect_err("it ended early");
    product
}

/// Downloads from `server`, well again, and says how many bytes that took.
fn rest(product: &Product, server: &Server) -> u64 {
    server.now(|request| Reply::file(request, &noise(1, SIZE)));
    let asked = server.requests().len();
    let outcomes = product.download_with(&server.url(""), no_retries()).expect("downloaded");
    product.assert_complete();
    let ranges: Vec<_> = server.requests()[asked..].iter().map(|request| request.range()).collect();
    let wire = outcomes[0].wire_bytes;
    assert!(wire == SIZE as u64 || ranges == [Some((SIZE - wire as usize, None))], "{ranges:?} for {wire} bytes");
    wire
}

#[test]
fn a_stale_answer_of_another_size_costs_nothing() {
    for stale_size in [SIZE - 1, SIZE + 1] {
        let good = half_then_nothing();
        let stale = serve(move |request| Reply::file(request, &noise(2, stale_size)));
        let product = Product::new().with("a", &noise(1, SIZE), &["a", stale.url("a").as_str()]);
        product.download_with(&good.url(""), no_retries()).expect_err("nobody has the rest");
        assert!(stale.asked_for("/a") > 0);
        assert_eq!(rest(&product, &good), HALF as u64, "{stale_size}");
    }
}

#[test]
fn a_local_file_that_is_no_help_costs_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let contents: [Option<Vec<u8>>; 4] =
        [None, Some(noise(1, HALF + 1)), Some(noise(1, SIZE + 1)), Some(noise(2, SIZE))];
    for content in contents {
        let local = folder.path().join("local");
        content.iter().for_each(|content| fs::write(&local, content).expect("written"));
        let good = half_then_nothing();
        let product = Product::new().with("a", &noise(1, SIZE), &[good.url("a").as_str(), "local"]);
        let base = url::Url::from_file_path(folder.path().join("manifest.json")).expect("a URL");
        product.download_with(&base, no_retries()).expect_err("nobody has the rest");
        good.now(|request| Reply::file(request, &noise(1, SIZE)));
        let outcomes = product.download_with(&base, no_retries()).expect("downloaded");
        product.assert_complete();
        assert_eq!(outcomes[0].wire_bytes, HALF as u64, "local: {:?} bytes", content.map(|content| content.len()));
    }
}

#[test]
fn a_mirror_that_is_not_plugged_in_costs_nothing() {
    let server = half_then_nothing();
    let product = half_there(&server);
    let stick = url::Url::from_file_path(product.scratch.path().join("stick")).expect("a URL");
    let mirrors = vec![stick];
    product.download_with(&server.url(""), Options { mirrors, ..no_retries() }).expect_err("nobody has the rest");
    assert_eq!(rest(&product, &server), HALF as u64);
}

#[test]
fn bytes_of_another_local_file_are_no_beginning() {
    let server = serve(|request: &Request| Reply::file(request, &noise(1, SIZE)));
    for length in [HALF, SIZE, SIZE + 1] {
        let product = Product::new().with("a", &noise(1, SIZE), &["local", server.url("a").as_str()]);
        let base = url::Url::from_file_path(product.scratch.path().join("manifest.json")).expect("a URL");
        fs::write(product.scratch.path().join("local"), noise(2, length)).expect("written");
        let asked = server.requests().len();
        let outcomes = product.download_with(&base, no_retries()).expect("downloaded");
        product.assert_complete();
        let ranges: Vec<_> = server.requests()[asked..].iter().map(|request| request.range()).collect();
        assert_eq!((outcomes[0].wire_bytes, ranges), (SIZE as u64, vec![None]), "local: {length} bytes");
    }
}

#[test]
fn a_range_that_cannot_be_had_and_then_no_file_costs_nothing() {
    let no_range = || Reply::new(416, "").header("Content-Range", format!("bytes */{SIZE}"));
    let other_range = || Reply::new(206, noise(1, 10)).header("Content-Range", format!("bytes 0-9/{SIZE}"));
    // Afterwards the whole is asked for, and this is the answer.
    let nothing: [fn() -> Reply; 5] = [
        || Reply::new(503, ""),
        || Reply::new(404, ""),
        || Reply::new(200, "<html>log in here</html>"),
        || Reply::new(200, "").chunked(),
        || Reply::whole(&noise(1, SIZE)).cut_after(0),
    ];
    for refusal in [no_range as fn() -> Reply, other_range] {
        for (number, nothing) in nothing.into_iter().enumerate() {
            let server = half_then_nothing();
            let product = half_there(&server);
            let asked = server.requests().len();
            server.now(move |request| if request.number == asked { refusal() } else { nothing() });
            product.download_with(&server.url(""), Options { retries: 1, ..no_retries() }).expect_err("nothing came");
            let requests = &server.requests()[asked..];
            assert!(requests[0].range().is_some() && requests[1].range().is_none(), "then the whole is asked for");
            assert_eq!(rest(&product, &server), HALF as u64, "answer {number}");
        }
    }
}

#[test]
fn a_good_head_with_nothing_behind_it_costs_nothing() {
    let server = half_then_nothing();
    let product = half_there(&server);
    server.now(|_| Reply::whole(&noise(1, SIZE)).cut_after(0));
    product.download_with(&server.url(""), no_retries()).expect_err("nothing came");
    server.now(|_| Reply::whole(&noise(1, SIZE)).stall_after(0));
    let stall = std::time::Duration::from_millis(200);
    product.download_with(&server.url(""), Options { stall, ..no_retries() }).expect_err("nothing came");
    assert_eq!(rest(&product, &server), HALF as u64);
}

#[test]
fn what_came_goes_when_the_artifact_was_put_there_by_hand() {
    let server = half_then_nothing();
    let product = half_there(&server);
    fs::write(product.path("a"), noise(1, SIZE)).expect("written");
    product.download(&server.url("")).expect("kept");
    product.assert_complete();
}

#[test]
fn a_folder_among_the_partials_is_somebody_elses() {
    let server = half_then_nothing();
    let product = half_there(&server);
    let theirs = product.folder().partials().join("theirs");
    fs::create_dir(&theirs).expect("made");
    server.now(|request| Reply::file(request, &noise(1, SIZE)));
    product.download(&server.url("")).expect("downloaded");
    assert!(theirs.is_dir());
}
