//! Responses as few servers write them, byte by byte: what curl makes a file of, so do we, and the digest decides.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;

use crate::support::fault::product::Product;
use crate::support::noise;

const SIZE: usize = 9_000;

/// Downloads the product's one file from a server that says `head` and then `body` to everybody, and closes.
fn complete(name: &str, head: &str, body: Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound")).parse().expect("a URL");
    let response = [head.as_bytes(), &body].concat();
    // It ends with this process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let (mut request, mut piece) = (Vec::new(), [0; 4_096]);
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(count) if count > 0 => request.extend_from_slice(&piece[..count]),
                    _ => break,
                }
            }
            // Who has had enough may have gone.
            let _ = stream.write_all(&response).and_then(|()| stream.shutdown(Shutdown::Write));
        }
    });
    let product = Product::of(&noise(1, SIZE), "a");
    product.download(&url).unwrap_or_else(|error| panic!("{name}: {error}"));
    product.assert_complete();
}

#[test]
fn what_curl_makes_a_file_of_is_one() {
    let whole = || noise(1, SIZE);
    let length = format!("Content-Length: {SIZE}\r\n");
    for (name, start, headers) in [
        ("no reason", "HTTP/1.1 200", String::new()),
        ("a reason in Chinese", "HTTP/1.1 200 好", String::new()),
        ("HTTP/1.0", "HTTP/1.0 200 OK", String::new()),
        ("created", "HTTP/1.1 201 Created", String::new()),
        ("accepted", "HTTP/1.1 202 Accepted", String::new()),
        ("non-authoritative", "HTTP/1.1 203 Copied", String::new()),
        ("instance manipulations", "HTTP/1.1 226 IM Used", String::new()),
        ("a success that nobody knows", "HTTP/1.1 299 Well", String::new()),
        ("all of it as a part", "HTTP/1.1 206 Partial", format!("Content-Range: bytes 0-{}/{SIZE}\r\n", SIZE - 1)),
        ("a length twice", "HTTP/1.1 200 OK", length.clone()),
        ("a line without a colon", "HTTP/1.1 200 OK", "nothing\r\n".to_owned()),
        ("a name with a blank in it", "HTTP/1.1 200 OK", "X A: x\r\n".to_owned()),
        ("a blank before the colon", "HTTP/1.1 200 OK", "Content-Type : x\r\n".to_owned()),
        ("a folded line", "HTTP/1.1 200 OK", "X-A: a\r\n b\r\n".to_owned()),
        ("a line of 60 KB", "HTTP/1.1 200 OK", format!("X-A: {}\r\n", "a".repeat(60_000))),
        ("900 lines", "HTTP/1.1 200 OK", "X-A: a\r\n".repeat(900)),
        ("a coding that is none", "HTTP/1.1 200 OK", "Content-Encoding: none\r\n".to_owned()),
        (
            "interim responses",
            &format!("{0}{0}HTTP/1.1 200 OK", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"),
            String::new(),
        ),
    ] {
        complete(name, &format!("{start}\r\n{length}{headers}\r\n"), whole());
    }
    complete("no length", "HTTP/1.1 200 OK\r\n\r\n", whole());
    complete("lines that end with a line feed", &format!("HTTP/1.1 200 OK\nContent-Length: {SIZE}\n\n"), whole());
    complete("more than it says", &format!("HTTP/1.1 200 OK\r\n{length}\r\n"), [whole(), b"more".repeat(100)].concat());
    let chunked = |before: &str, size: String, end: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\n{before}Transfer-Encoding: chunked\r\n\r\n{size}\r\n");
        complete(&format!("chunks: {before}{size}"), &head, [&whole(), end].concat());
    };
    chunked("", format!("{SIZE:x};name=value"), b"\r\n0\r\nTrailer: x\r\n\r\n");
    chunked("", format!("0000{SIZE:X}"), b"\r\n000\r\n\r\n");
    chunked("Content-Length: 5\r\n", format!("{SIZE:x}"), b"\r\n0\r\n\r\n");
}
