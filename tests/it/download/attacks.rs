//! The attacks of docs/security.md that no other test shows, and that document's word held.

use std::fs;

use crate::support::facts::Facts;
use crate::support::fault::product::Product;
use crate::support::fault::{Reply, serve};
use crate::support::{noise, top};
use pack::error::Class;
use pack::fetch::{CacheBypass, DocumentRequest, Fetcher};

const SIZE: usize = 100_000;

#[test]
fn arbitrary_content() {
    let bytes = noise(1, SIZE);
    // The same size, one bit, and an ETag that promises all is well.
    for place in [0, SIZE / 2, SIZE - 1] {
        let mut evil = bytes.clone();
        evil[place] ^= 1;
        let server = serve(move |request| Reply::file_as(request, &evil, "\"trust me\""));
        let product = Product::of(&bytes, "a");
        let error = product.download(&server.url("")).expect_err("one bit is wrong");
        assert_eq!(error.class(), Class::Integrity);
        assert!(!product.path("a").exists());
    }
}

#[test]
fn an_endless_manifest() {
    let server = serve(|_| Reply::new(200, "{ \"schemaVersion\": 1, ").endless());
    let fetcher = Fetcher::new(Product::hurried()).expect("a fetcher");
    let url = server.url("manifest.json");
    let request = DocumentRequest { url: &url, limit: 4 << 20, bypass: CacheBypass::NoCache, notes: &drop };
    let error = fetcher.manifest(request).expect_err("endless");
    assert_eq!(error.title(), "the file is too large for what it should be");
    assert!(server.sent() < 40 << 20, "{}", server.sent());
    let url = server.url("manifest.json.minisig");
    assert!(fetcher.document(DocumentRequest { url: &url, limit: 1_000, ..request }).is_err());
}

#[test]
fn a_manifest_is_asked_for_past_caches() {
    let text = Product::of(b"x", "a").text();
    let server = serve(move |_| Reply::new(200, text.as_str()));
    let fetcher = Fetcher::new(Product::hurried()).expect("a fetcher");
    let url = server.url("manifest.json");
    let request = DocumentRequest { url: &url, limit: 4 << 20, bypass: CacheBypass::NoCache, notes: &drop };
    fetcher.manifest(request).expect("valid");
    let asked = server.requests().remove(0);
    assert_eq!((asked.header("cache-control"), asked.header("pragma")), (Some("no-cache"), Some("no-cache")));
}

#[test]
fn an_artifact_of_another_version() {
    // Everything of 1.0.1 but one artifact, which is still that of 1.0.0, and of the same size.
    let server = serve(|request| match request.path.split('?').next() {
        Some("/a") => Reply::file(request, &noise(11, SIZE)),
        _ => Reply::file(request, &noise(2, SIZE)),
    });
    let product = Product::new().with("a", &noise(11, SIZE), &["a"]).with("b", &noise(12, SIZE), &["b"]);
    let error = product.download(&server.url("")).expect_err("b is old");
    assert_eq!((error.class(), error.fact_named("artifact")), (Class::Integrity, Some("b")));
    assert!(product.path("a").exists() && !product.path("b").exists());
}

#[test]
fn every_test_that_the_document_names_is_there() {
    let document = fs::read_to_string(top().join("docs/security.md")).expect("readable");
    let named: Vec<(&str, &str)> =
        document.split('`').skip(1).step_by(2).filter_map(|code| code.rsplit_once("::")).collect();
    assert!(named.len() > 20, "{named:?}");
    for (module, test) in named {
        let file = match module.strip_suffix("::tests") {
            Some(module) => format!("src/{}.rs", module.replace("::", "/")),
            None => format!("tests/it/{}.rs", module.replace("::", "/")),
        };
        let text = fs::read_to_string(top().join(&file)).unwrap_or_else(|why| panic!("{file}: {why}"));
        assert!(text.contains(&format!("fn {test}()")), "{file} has no test '{test}'");
    }
}
