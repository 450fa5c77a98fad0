//! The proxy variables mean to pack what they mean to the curl of this machine, which is asked beside it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::PACK;
use crate::support::fault::product::Product;
use crate::support::noise;

/// Speaks HTTP and SOCKS just far enough to tell what it was taken for. Nobody gets a file from it.
struct Proxy {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let what = listen(&stream).unwrap_or_else(|| "nothing".to_owned());
                all.lock().expect("no panic").push(what);
                let _ =
                    (&stream).write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Proxy { port, heard }
    }

    /// What it heard since it was asked last, once each: pack may try again.
    fn heard(&self) -> Vec<String> {
        let mut heard = std::mem::take(&mut *self.heard.lock().expect("no panic"));
        heard.dedup();
        heard
    }
}

/// What the client begins with: the request's first line and the user, or the kind of SOCKS.
fn listen(mut stream: &TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut first = [0; 2];
    stream.read_exact(&mut first).ok()?;
    match first {
        [5, methods] => {
            stream.read_exact(&mut vec![0; usize::from(methods)]).ok()?;
            stream.write_all(&[5, 0]).ok()?;
            let mut request = [0; 4];
            stream.read_exact(&mut request).ok()?;
            Some(format!("socks 5, {}", if request[3] == 3 { "a name" } else { "an address" }))
        }
        [4, _] => {
            let mut request = [0; 6];
            stream.read_exact(&mut request).ok()?;
            Some(format!("socks 4, {}", if request[2..5] == [0, 0, 0] { "a name" } else { "an address" }))
        }
        _ => {
            let mut text = first.to_vec();
            let mut byte = [0];
            while !text.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                text.push(byte[0]);
            }
            let text = String::from_utf8_lossy(&text).into_owned();
            let user = text.lines().find(|line| line.to_ascii_lowercase().starts_with("proxy-authorization:"));
            let user = user.and_then(|line| line.split_once(": ")).map_or("", |(_, value)| value);
            Some(format!("{} {user}", text.lines().next().unwrap_or_default()))
        }
    }
}

/// `PROXY` in these stands for the proxy's address and port, `ORIGIN` for a port where nobody answers.
type Variables = &'static [(&'static str, &'static str)];

const URL: &str = "http://127.0.0.1:ORIGIN/a";
const NAME: &str = "http://localhost:ORIGIN/a";

const PROXIES: &[(Variables, &str)] = &[
    (&[("http_proxy", "PROXY")], URL),
    (&[("http_proxy", "http://PROXY")], URL),
    (&[("http_proxy", "http://PROXY/")], URL),
    (&[("http_proxy", "http://PROXY/path?query")], URL),
    (&[("http_proxy", "HTTP://PROXY")], URL),
    (&[("http_proxy", "http://me:s3cret@PROXY")], URL),
    (&[("http_proxy", "me:s3cret@PROXY")], URL),
    (&[("http_proxy", "http://me:s%40%3Acret@PROXY")], URL),
    (&[("http_proxy", "http://me@PROXY")], URL),
    (&[("HTTP_PROXY", "http://PROXY")], URL),
    (&[("https_proxy", "http://PROXY")], URL),
    (&[("all_proxy", "http://PROXY")], URL),
    (&[("ALL_PROXY", "PROXY")], URL),
    (&[("all_proxy", "http://PROXY"), ("ALL_PROXY", "http://127.0.0.1:1")], URL),
    (&[("http_proxy", ""), ("all_proxy", "http://PROXY")], URL),
    (&[("http_proxy", "http://PROXY"), ("all_proxy", "http://127.0.0.1:1")], URL),
    (&[("http_proxy", "socks4://PROXY")], URL),
    (&[("http_proxy", "socks4a://PROXY")], NAME),
    (&[("http_proxy", "socks5://PROXY")], URL),
    (&[("all_proxy", "socks5h://PROXY")], NAME),
    (&[("https_proxy", "http://PROXY")], "https://127.0.0.1:ORIGIN/a"),
    (&[("HTTPS_PROXY", "PROXY")], "https://127.0.0.1:ORIGIN/a"),
    (&[("https_proxy", "http://me:s3cret@PROXY")], "https://localhost:ORIGIN/a"),
    (&[("http_proxy", "http://PROXY")], "https://127.0.0.1:ORIGIN/a"),
    (&[("all_proxy", "http://PROXY")], "https://127.0.0.1:ORIGIN/a"),
    (&[("https_proxy", ""), ("HTTPS_PROXY", "http://PROXY")], "https://127.0.0.1:ORIGIN/a"),
    (&[("https_proxy", "socks5h://PROXY")], "https://localhost:ORIGIN/a"),
];

const LISTS: &[(&str, &[&str])] = &[
    (
        URL,
        &[
            "",
            "*",
            " * ",
            "*,other.example",
            "other.example,*",
            "127.0.0.1",
            "other.example,127.0.0.1",
            "other.example 127.0.0.1",
            "other.example,\t127.0.0.1",
            " 127.0.0.1 ",
            "other.example,,127.0.0.1",
            "other.example;127.0.0.1",
            "127.0.0.0/8",
            "127.0.0.1/32",
            "127.0.0.0/33",
            "127.0.0.1/0",
            "10.0.0.0/8,127.0.0.0/16",
            "128.0.0.0/8",
            "0.0.1",
            ".0.0.1",
            "127.",
            "::1",
            "localhost",
        ],
    ),
    (
        NAME,
        &[
            "*",
            "localhost",
            "LocalHost",
            "localhost.",
            ".localhost",
            "..localhost",
            "*.localhost",
            "calhost",
            "a.localhost",
            "other localhost",
            "127.0.0.1",
            "127.0.0.0/8",
        ],
    ),
    ("http://a.localhost:ORIGIN/a", &["localhost", ".localhost", "*.localhost", "a.localhost", "b.localhost", "a"]),
    ("http://A.LocalHost:ORIGIN/a", &["localhost", "a.localhost"]),
    ("http://localhost.:ORIGIN/a", &["localhost", "localhost.", ".localhost"]),
    // Of ranges of these curl's manual says what it says of the others; curl 7.88 compares them as text.
    ("http://[::1]:ORIGIN/a", &["", "*", "::1", "fe80::/10", "127.0.0.1"]),
];

#[test]
fn every_proxy_variable_means_what_it_means_to_curl() {
    let proxy = Proxy::start();
    // Bound, so that nobody else gets it; what comes is not answered, and refused once it is dropped.
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let whole =
        |text: &str| text.replace("PROXY", &format!("127.0.0.1:{}", proxy.port)).replace("ORIGIN", &closed.to_string());
    let mut wrong = Vec::new();
    let mut ask = |variables: &[(&str, &str)], url: &str| {
        let variables: Vec<(&str, String)> = variables.iter().map(|(name, value)| (*name, whole(value))).collect();
        let url = whole(url);
        let curl = Command::new("curl")
            .args(["-sS", "-q", "-o", "/dev/null", "--max-time", "10", &url])
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .output();
        assert!(curl.is_ok(), "curl runs");
        let curl = proxy.heard();
        let product = Product::of(&noise(1, 10), "URL");
        let manifest = product.scratch.path().join("manifest.json");
        std::fs::write(&manifest, product.text().replace("URL", &url)).expect("written");
        let output = Command::new(PACK)
            .args(["download", "--no-cache", "--retries", "0", "--stall", "5", "--dir"])
            .args([&product.scratch.path().join("folder"), &manifest])
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("pack runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("s3cret"), "{said}");
        let pack = proxy.heard();
        if pack != curl {
            wrong.push(format!("{variables:?} {url}\n  curl: {curl:?}\n  pack: {pack:?}"));
        }
    };
    PROXIES.iter().for_each(|(variables, url)| ask(variables, url));
    for (url, lists) in LISTS {
        for list in *lists {
            ask(&[("http_proxy", "http://PROXY"), ("no_proxy", list)], url);
        }
    }
    ask(&[("http_proxy", "http://PROXY"), ("NO_PROXY", "127.0.0.1")], URL);
    ask(&[("http_proxy", "http://PROXY"), ("no_proxy", "x"), ("NO_PROXY", "127.0.0.1")], URL);
    ask(&[("http_proxy", "http://PROXY"), ("no_proxy", ""), ("NO_PROXY", "127.0.0.1")], URL);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
