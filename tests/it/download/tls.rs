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

/// Signs its own request with dates of its choice, which `openssl req` cannot.
const AUTHORITY: &str = "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\nrand_serial = yes\n\
                         default_md = sha256\npolicy = any\ncopy_extensions = copy\n[any]\ncommonName = supplied\n";

fn openssl(folder: &Path, words: &[&str]) {
    let output = Command::new("openssl").args(words).current_dir(folder).output().expect("openssl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A server whose certificate signs for itself, with these extensions, and valid between these dates.
fn server(extensions: &[&str], dates: Option<[&str; 2]>) -> Option<Nginx> {
    let request = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem"];
    let mut request = [&request[..], &["-subj", "/CN=localhost"]].concat();
    extensions.iter().for_each(|extension| request.extend(["-addext", extension]));
    Nginx::start(1, |root: &Path, ports: &[u16]| {
        match dates {
            None => openssl(root, &[&request[..], &["-x509", "-out", "cert.pem"]].concat()),
            Some([start, end]) => {
                fs::write(root.join("authority"), AUTHORITY).expect("written");
                fs::write(root.join("index.txt"), "").expect("written");
                openssl(root, &[&request[..], &["-out", "request.pem"]].concat());
                let sign = ["ca", "-config", "authority", "-batch", "-selfsign", "-keyfile", "key.pem", "-notext"];
                let files = ["-in", "request.pem", "-out", "cert.pem", "-startdate", start, "-enddate", end];
                openssl(root, &[&sign[..], &files].concat());
            }
        }
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
    let Some(nginx) = server(&[NAMED, LEAF], None) else { return };
    assert!(refused(&nginx).is_none(), "{:?}", refused(&nginx));
}

#[test]
fn every_fault_of_a_certificate_has_its_own_words() {
    let past = Some(["20200101000000Z", "20210101000000Z"]);
    let future = Some(["20900101000000Z", "20910101000000Z"]);
    for (extensions, dates, title, hint) in [
        (&[LEAF, NAMED][..], past, "has expired, or this machine's clock is wrong", "date -u"),
        (&[LEAF, NAMED], future, "is not valid yet, or this machine's clock is wrong", "date -u"),
        (&[LEAF, "subjectAltName=DNS:other.example"], None, "is for another host", "subjectAltName"),
    ] {
        let Some(nginx) = server(extensions, dates) else { return };
        let error = refused(&nginx).expect("refused");
        assert!(error.title().contains(title), "{extensions:?}: {error}");
        assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{extensions:?}: {:?}", error.hint_text());
    }
    let Some(nginx) = server(&[NAMED, LEAF], None) else { return };
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
        (&vec![b'\n'; 16 << 20], "it has no line"),
        (&vec![b'\n'; (16 << 20) + 1], "it has more than 16777216 bytes"),
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
