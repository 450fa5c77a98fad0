//! Certificates and proxies that are wrong: each says what is wrong with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::alone::{SIZE, command, file_server, said};
use crate::support::fault::product::{Product, fact};
use crate::support::nginx::Nginx;
use crate::support::noise;
use pack::error::Error;
use pack::fetch::{Fetcher, Options};

/// A server whose certificate signs for itself, made with these options of `openssl req`.
fn server(options: &[&str]) -> Option<Nginx> {
    Nginx::start(1, |root: &Path, ports: &[u16]| {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"])
            .args(options)
            .current_dir(root)
            .output()
            .expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(root.join("a"), noise(1, SIZE)).expect("written");
        format!(
            "server {{ listen 127.0.0.1:{0} ssl; ssl_certificate {root}/cert.pem; ssl_certificate_key {root}/key.pem; \
             root {root}; }}",
            ports[0],
            root = root.display()
        )
    })
}

/// What a download from it says where its certificate is trusted.
fn refused(nginx: &Nginx) -> Option<Error> {
    let base = format!("https://localhost:{}/", nginx.port(0)).parse().expect("a URL");
    let options = Options { cacert: Some(nginx.path("cert.pem")), ..Product::hurried() };
    Product::of(&noise(1, SIZE), "a").download_with(&base, options).err()
}

const NAMED: &str = "subjectAltName=DNS:localhost";
const LEAF: &str = "basicConstraints=critical,CA:FALSE";

#[test]
fn a_certificate_that_signs_for_itself_is_trusted_when_it_is_given() {
    let Some(nginx) = server(&["-addext", NAMED, "-addext", LEAF]) else { return };
    assert!(refused(&nginx).is_none(), "{:?}", refused(&nginx));
}

#[test]
fn every_fault_of_a_certificate_has_its_own_words() {
    let past = ["-not_before", "20200101000000Z", "-not_after", "20210101000000Z"];
    let future = ["-not_before", "20900101000000Z", "-not_after", "20910101000000Z"];
    let leaf = ["-addext", LEAF, "-addext", NAMED];
    for (options, title, hint) in [
        (&[&past[..], &leaf].concat()[..], "has expired, or this machine's clock is wrong", "date -u"),
        (&[&future[..], &leaf].concat(), "is not valid yet, or this machine's clock is wrong", "date -u"),
        (&["-addext", LEAF, "-addext", "subjectAltName=DNS:other.example"], "is for another host", "subjectAltName"),
        (&["-addext", LEAF], "is for another host", "subjectAltName"),
        (&["-addext", NAMED], "cannot be a server's", "CA:FALSE"),
    ] {
        let Some(nginx) = server(options) else { return };
        let error = refused(&nginx).expect("refused");
        assert!(error.title().contains(title), "{options:?}: {error}");
        assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{options:?}: {:?}", error.hint_text());
    }
    let Some(nginx) = server(&["-addext", NAMED, "-addext", LEAF]) else { return };
    let base = format!("https://localhost:{}/", nginx.port(0)).parse().expect("a URL");
    let error = Product::of(&noise(1, SIZE), "a").download(&base).expect_err("nobody knows it");
    assert!(error.title().contains("no known authority signed it"), "{error}");
}

#[test]
fn a_wrong_file_for_cacert_is_told_apart() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let path = scratch.path().join("ca.pem");
    for (content, reason) in [
        (&b""[..], "it is empty"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "it is a private key"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "it is a request"),
        (b"-----BEGIN CERTIFICATE-----\nA!\n-----END CERTIFICATE-----\n", "is damaged"),
        (b"\x30\x82\x01\x00", "it is in DER form"),
        (b"<html>", "it has no line"),
    ] {
        fs::write(&path, content).expect("written");
        let options = Options { cacert: Some(path.clone()), ..Product::hurried() };
        let error = Fetcher::new(options).err().expect("refused");
        assert!(fact(&error, "reason").contains(reason), "{error}");
    }
}

#[test]
fn proxy_variables_mean_what_curl_takes_them_for() {
    let origin = file_server();
    let url = origin.url("a").to_string();
    let nobody = ("http_proxy", "http://127.0.0.1:1");
    for list in ["*", "other.example 127.0.0.1", "127.0.0.0/8,other.example"] {
        let product = Product::of(&noise(1, SIZE), "URL");
        let output = command(&product, &url, &[nobody, ("no_proxy", list)]);
        assert!(output.status.success(), "{list}: {}", said(&output));
    }
    for value in ["http://me:s3cret@p:port", "ftp://p"] {
        let product = Product::of(&noise(1, SIZE), "URL");
        let output = command(&product, &url, &[("http_proxy", value)]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("http_proxy") && !said(&output).contains("s3cret"), "{}", said(&output));
    }
}
