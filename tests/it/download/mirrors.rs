//! URLs in order, then mirrors; who failed is not asked first again.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::fault::product::{Product, fact};
use crate::support::fault::{Reply, Request, serve};
use crate::support::noise;
use pack::error::Class;
use pack::fetch::Options;
use url::Url;

const SIZE: usize = 300_000;

#[test]
fn the_next_url_helps_when_one_fails() {
    let bytes = noise(1, SIZE);
    for fault in [404, 500] {
        let served = bytes.clone();
        let server = serve(move |request| match request.path.as_str() {
            "/second" => Reply::file(request, &served),
            _ => Reply::new(fault, ""),
        });
        let product = Product::new().with("a", &bytes, &["first", "second"]);
        let outcomes = product.download(&server.url("")).expect("downloaded");
        assert_eq!(outcomes[0].url.as_deref(), Some(server.url("second").as_str()));
        assert_eq!(server.asked_for("/first"), 1, "no pause and no second try while another URL is left");
    }
}

#[test]
fn the_next_url_goes_on_where_one_broke_off() {
    let bytes = noise(1, SIZE);
    let (one, two) = (bytes.clone(), bytes.clone());
    let first = serve(move |request| Reply::file_as(request, &one, "\"mine\"").cut_after(200_000));
    let second = serve(move |request| Reply::file_as(request, &two, "\"other\""));
    let product = Product::new().with("a", &bytes, &[first.url("a").as_str(), second.url("a").as_str()]);
    product.download(&first.url("")).expect("downloaded");
    let asked = second.requests();
    assert_eq!((asked.len(), asked[0].range()), (1, Some((200_000, None))));
    assert_eq!(asked[0].header("if-range"), None, "another server's ETag means nothing to this one");
}

#[test]
fn mirrors_come_after_the_artifacts_own_urls() {
    let bytes = noise(1, SIZE);
    let served = bytes.clone();
    let origin = serve(|_| Reply::new(404, ""));
    let mirror = serve(move |request| match request.path.as_str() {
        "/sub/dir/a%20b" => Reply::file(request, &served),
        _ => Reply::new(404, ""),
    });
    let product = Product::new().with("dir/a b", &bytes, &["x"]);
    let options = Options { mirrors: vec![mirror.url("nothing"), mirror.url("sub")], ..Product::hurried() };
    product.download_with(&origin.url(""), options).expect("downloaded");
    assert_eq!(origin.requests().len(), 1);
    let asked: Vec<String> = mirror.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["/nothing/dir/a%20b", "/sub/dir/a%20b"]);
}

#[test]
fn a_mirror_may_be_a_folder() {
    let bytes = noise(1, SIZE);
    let origin = serve(|_| Reply::new(503, ""));
    let product = Product::of(&bytes, "a");
    let stick = product.scratch.path().join("stick");
    fs::create_dir(&stick).expect("made");
    fs::write(stick.join("a"), &bytes).expect("written");
    let mirrors = vec![url::Url::from_directory_path(&stick).expect("a URL")];
    product.download_with(&origin.url(""), Options { mirrors, ..Product::hurried() }).expect("copied");
    product.assert_complete();
}

#[test]
fn who_failed_is_not_asked_first_again() {
    let bad = serve(|_| Reply::new(500, ""));
    let good = serve(|request| Reply::file(request, &noise(request.path.len() as u64, SIZE)));
    let product = (2..7).fold(Product::new(), |product, n| {
        let name = "x".repeat(n as usize - 1);
        product.with(&name, &noise(n, SIZE), &[bad.url(&name).as_str(), good.url(&name).as_str()])
    });
    product.download_with(&bad.url(""), Options { jobs: 1, ..Product::hurried() }).expect("downloaded");
    assert_eq!((bad.requests().len(), good.requests().len()), (1, 5));
}

#[test]
fn a_mirror_with_other_bytes_is_not_believed() {
    let bytes = noise(1, SIZE);
    let (wrong, right) = (noise(2, SIZE), bytes.clone());
    let evil = serve(move |request| Reply::file(request, &wrong));
    let good = serve(move |request| Reply::file(request, &right));
    let product = Product::of(&bytes, evil.url("a").as_str());
    let error = product.download(&evil.url("")).expect_err("wrong bytes");
    assert_eq!(error.class(), Class::Integrity);
    let options = Options { mirrors: vec![good.url("")], ..Product::hurried() };
    let outcomes = product.download_with(&evil.url(""), options).expect("the mirror has it");
    assert_eq!(outcomes[0].url.as_deref(), Some(good.url("a").as_str()));
}

#[test]
fn when_all_fail_each_is_named_and_wrong_bytes_come_first() {
    let bytes = noise(1, SIZE);
    let wrong = noise(2, SIZE);
    let evil = serve(move |request| Reply::file(request, &wrong));
    let absent = serve(|_| Reply::new(404, ""));
    let product = Product::new().with("a", &bytes, &[absent.url("a").as_str(), evil.url("a").as_str()]);
    let error = product.download(&evil.url("")).expect_err("nobody has it");
    assert_eq!(error.class(), Class::Integrity);
    assert_eq!(fact(&error, "url").split('?').next(), Some(evil.url("a").as_str()));
    assert!(fact(&error, "also tried").contains("404 Not Found"), "{error}");
}

#[test]
fn caches_are_passed_step_by_step_then_the_next_url_is_asked_and_then_the_mirror() {
    // Whoever answers notes it in the same list.
    let asked = Arc::new(Mutex::new(Vec::new()));
    let server = |name: &'static str, seed| {
        let asked = asked.clone();
        serve(move |request| {
            let (path, nonce) = request.path.split_once("pack-fresh=").unwrap_or((&request.path, ""));
            let past = ["cache-control", "pragma"].map(|name| request.header(name) == Some("no-cache"));
            assert_eq!(past[0], past[1], "caches of HTTP/1.0 are told as well");
            asked.lock().expect("no panic").push((name, path.to_owned(), past[0], !nonce.is_empty()));
            Reply::file(request, &noise(seed, SIZE))
        })
    };
    let (first, second, mirror) = (server("first", 2), server("second", 2), server("mirror", 1));
    let urls = [first.url("a?k=v"), second.url("a")];
    let product = Product::new().with("a", &noise(1, SIZE), &[urls[0].as_str(), urls[1].as_str()]);
    let options = Options { mirrors: vec![mirror.url("m")], ..Product::hurried() };
    product.download_with(&first.url(""), options).expect("the mirror has it");
    product.assert_complete();
    let step = |name, path: &str, past, fresh| (name, path.to_owned(), past, fresh);
    let ladder = [
        step("first", "/a?k=v", false, false),
        step("first", "/a?k=v", true, false),
        step("first", "/a?k=v&", true, true),
        step("second", "/a", false, false),
        step("second", "/a", true, false),
        step("second", "/a?", true, true),
        step("mirror", "/m/a", false, false),
    ];
    assert_eq!(*asked.lock().expect("no panic"), ladder);
}

#[test]
fn a_server_that_asks_for_patience_has_it_from_every_artifact() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = asked.clone();
    let server = serve(move |request: &Request| {
        let mut told = told.lock().expect("no panic");
        let name = request.path.clone();
        let is_first = !told.iter().any(|(known, _)| *known == name);
        told.push((name.clone(), Instant::now()));
        match name.as_str() {
            "/first" if is_first => Reply::new(429, "").header("Retry-After", "1"),
            // It is being sent while the first is told to wait.
            "/second" => Reply::file(request, &noise(2, SIZE / 2)).drip(SIZE / 8, Duration::from_millis(50)),
            "/third" => Reply::file(request, &noise(3, SIZE / 4)),
            _ => Reply::file(request, &noise(1, SIZE)),
        }
    });
    let product = Product::new()
        .with("first", &noise(1, SIZE), &["first"])
        .with("second", &noise(2, SIZE / 2), &["second"])
        .with("third", &noise(3, SIZE / 4), &["third"]);
    product.download_with(&server.url(""), Options { jobs: 2, ..Product::hurried() }).expect("downloaded");
    product.assert_complete();
    let asked = asked.lock().expect("no panic");
    let when = |name: &str| asked.iter().find(|(known, _)| known == name).expect("asked").1;
    assert!(when("/third") >= when("/first") + Duration::from_millis(950), "{asked:?}");
}

#[test]
fn a_server_that_rests_for_hours_is_asked_for_nothing_more() {
    let server = serve(|_| Reply::new(503, "").header("Retry-After", "9000"));
    let product = (1..5).fold(Product::new(), |product, n| product.with(&n.to_string(), &noise(n, SIZE), &["a"]));
    let options = Options { jobs: 1, longest_pause: Duration::from_secs(60), ..Product::hurried() };
    let error = product.download_with(&server.url(""), options.clone()).expect_err("it rests");
    assert_eq!(server.requests().len(), 1);
    assert!(error.to_string().contains("the server asks to wait longer than pack does"), "{error}");
    // A mirror of another server has nothing to do with it.
    let good = serve(|request| Reply::file(request, &noise(1, SIZE)));
    let product = Product::new().with("a", &noise(1, SIZE), &["a"]).with("b", &noise(1, SIZE), &["b"]);
    let mirrors = vec![good.url("")];
    product.download_with(&server.url(""), Options { mirrors, ..options }).expect("from the mirror");
    assert_eq!(server.requests().len(), 2, "once in each run");
}

#[test]
fn one_that_pauses_hears_of_the_hours_that_another_was_told() {
    let server = serve(|request: &Request| match request.path.as_str() {
        "/a" => Reply::new(500, ""),
        // A few steps later, when the other waits between two rounds.
        "/b" => Reply::redirect("/b/1"),
        "/b/1" => Reply::redirect("/b/2"),
        "/b/2" => Reply::redirect("/b/3"),
        _ => Reply::new(503, "").header("Retry-After", "9000"),
    });
    let product = Product::new().with("a", &noise(1, SIZE), &["a"]).with("b", &noise(2, SIZE / 2), &["b"]);
    let options = Options { jobs: 2, pause: Duration::from_secs(1), ..Product::hurried() };
    let error = product.download_with(&server.url(""), options).expect_err("it rests");
    assert!(server.asked_for("/a") <= 1 && server.asked_for("/b") == 1, "{error}: {:?}", server.requests());
}

#[test]
fn one_that_rested_is_asked_when_nothing_else_is_left() {
    // Its rest is over by the time at which the mirror gives up.
    let server = serve(|request| match request.number {
        0 => Reply::new(503, "").header("Retry-After", "3"),
        _ => Reply::file(request, &noise(1, SIZE)),
    });
    let mirror = serve(|request| match request.number {
        0 => Reply::file(request, &noise(1, SIZE)).cut_after(SIZE / 2).drip(SIZE / 20, Duration::from_millis(400)),
        _ => Reply::new(404, ""),
    });
    let product = Product::of(&noise(1, SIZE), "a");
    let mirrors = vec![mirror.url("")];
    let options = Options { mirrors, longest_pause: Duration::from_secs(2), ..Product::hurried() };
    product.download_with(&server.url(""), options).expect("from where it began");
    assert_eq!((server.requests().len(), mirror.requests().len()), (2, 1));
}

#[test]
fn of_two_servers_that_rest_the_one_is_asked_that_is_ready_first() {
    let slow = serve(|request| match request.number {
        0 => Reply::new(429, "").header("Retry-After", "50"),
        _ => Reply::file(request, &noise(1, SIZE)),
    });
    let quick = serve(|request| match request.number {
        0 => Reply::new(429, "").header("Retry-After", "1"),
        _ => Reply::file(request, &noise(1, SIZE)),
    });
    let product = Product::new().with("a", &noise(1, SIZE), &[slow.url("a").as_str(), quick.url("a").as_str()]);
    let options = Options { longest_pause: Duration::from_secs(60), ..Product::hurried() };
    product.download_with(&slow.url(""), options).expect("downloaded");
    assert_eq!((slow.requests().len(), quick.requests().len()), (1, 2));
}

#[test]
fn a_local_file_without_end_is_not_read_to_it() {
    // Of holes, and far more than anybody reads to its end.
    let place = tempfile::tempdir().expect("a temporary folder");
    let endless = place.path().join("endless");
    std::fs::File::create(&endless).and_then(|file| file.set_len(1 << 42)).expect("a file of holes");
    let endless = Url::from_file_path(endless).expect("a path").to_string();
    let product = Product::of(&noise(1, SIZE), &endless);
    let base = Url::parse("file:///tmp/").expect("a URL");
    let error = product.download(&base).expect_err("it is another file");
    assert_eq!(fact(&error, "actual size"), format!("more than {SIZE} bytes"));
    // And where a part of the artifact is there, which is given up only for something better.
    let half = serve(|request| Reply::file(request, &noise(1, SIZE)).cut_after(SIZE / 2));
    let urls = [half.url("a").to_string(), endless];
    let product = Product::new().with("a", &noise(1, SIZE), &[&urls[0], &urls[1]]);
    let error = product.download_with(&base, Options { retries: 0, ..Product::hurried() }).expect_err("another file");
    assert_eq!(fact(&error, "actual size"), format!("more than {SIZE} bytes"));
    // A device has no end at all, and is no file.
    let error = Product::of(&noise(1, SIZE), "file:///dev/zero").download(&base).expect_err("a device");
    assert!(fact(&error, "cause").contains("not a file"), "{error}");
}
