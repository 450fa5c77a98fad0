//! Connections that end as they should not: TLS without its farewell, HTTP/2 with GOAWAY. The real curl is asked beside
//! each: what it completes, completes.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;

use crate::support::fault::product::Product;
use crate::support::noise;
use crate::support::tls_server::{Tls, TlsServer, begin, frame, go_away, head, kind, next_request};
use pack::fetch::Options;

const SIZE: usize = 300_000;

type Script = fn(usize, &mut Tls, &[u8]) -> std::io::Result<()>;

/// Downloads from a server that answers by `script`; whether curl completes too.
fn downloads(protocol: &str, script: Script) -> bool {
    let bytes = Arc::new(noise(1, SIZE));
    let served = bytes.clone();
    let start = || {
        let served = served.clone();
        TlsServer::start(protocol, move |number, stream| script(number, stream, &served))
    };
    let server = start();
    let product = Product::of(&bytes, "a");
    let options = Options { cacert: Some(server.cacert()), ..Product::hurried() };
    product.download_with(&server.url(), options).expect("downloaded");
    product.assert_complete();
    let server = start();
    let target = product.scratch.path().join("curl");
    let curl = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--retry", "3", "--retry-delay", "0", "--cacert"])
        .arg(server.cacert())
        .arg("-o")
        .arg(&target)
        .arg(server.url().as_str())
        .status()
        .expect("curl runs");
    curl.success() && fs::read(target).is_ok_and(|got| got == *bytes)
}

#[test]
fn a_connection_without_tls_farewell_may_have_brought_everything() {
    let told: Script = |_, stream, bytes| {
        head(stream)?;
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
        stream.write_all(bytes)?;
        stream.flush()
    };
    assert!(downloads("http/1.1", told));
    let chunked: Script = |_, stream, bytes| {
        head(stream)?;
        write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", bytes.len())?;
        stream.write_all(bytes)?;
        stream.write_all(b"\r\n0\r\n\r\n")?;
        stream.flush()
    };
    assert!(downloads("http/1.1", chunked));
    // Nobody says where it ends: for curl that is a fault, and for what is pinned its digest tells.
    let silent: Script = |_, stream, bytes| {
        head(stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        stream.write_all(bytes)?;
        stream.flush()
    };
    downloads("http/1.1", silent);
}

#[test]
fn a_connection_that_breaks_without_farewell_goes_on_where_it_broke() {
    let breaks: Script = |number, stream, bytes| {
        let asked = head(stream)?.to_ascii_lowercase();
        let first =
            asked.lines().find_map(|line| line.strip_prefix("range: bytes=")?.trim_end_matches('-').parse().ok());
        let (status, first) = match first {
            Some(first) => ("206 Partial Content", first),
            None => ("200 OK", 0),
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n", bytes.len() - first)?;
        if first > 0 {
            write!(stream, "Content-Range: bytes {first}-{}/{}\r\n", bytes.len() - 1, bytes.len())?;
        }
        stream.write_all(b"\r\n")?;
        let end = if number < 2 { first + 100_000 } else { bytes.len() };
        stream.write_all(&bytes[first..end])?;
        stream.flush()
    };
    downloads("http/1.1", breaks);
}

/// Sends `bytes` as the frames of an answer.
fn body(stream: &mut Tls, number: u32, bytes: &[u8], is_end: bool) -> std::io::Result<()> {
    let mut pieces = bytes.chunks(16 << 10).peekable();
    while let Some(piece) = pieces.next() {
        let is_last = is_end && pieces.peek().is_none();
        frame(stream, kind::DATA, u8::from(is_last), number, piece)?;
    }
    Ok(())
}

#[test]
fn a_server_that_goes_away_finishes_what_it_began() {
    // A graceful end (RFC 9113, section 6.8): the answer under way comes whole.
    let finishes: Script = |_, stream, bytes| {
        let number = next_request(stream, true)?;
        begin(stream, number, bytes.len())?;
        body(stream, number, &bytes[..100_000], false)?;
        go_away(stream, number, 0)?;
        body(stream, number, &bytes[100_000..], true)
    };
    assert!(downloads("h2", finishes));
    // nginx announces the end with the largest number first.
    let announces: Script = |_, stream, bytes| {
        let number = next_request(stream, true)?;
        go_away(stream, i32::MAX as u32, 0)?;
        begin(stream, number, bytes.len())?;
        body(stream, number, &bytes[..100_000], false)?;
        go_away(stream, number, 0)?;
        body(stream, number, &bytes[100_000..], true)
    };
    assert!(downloads("h2", announces));
}

#[test]
fn a_server_that_goes_away_in_the_middle_is_asked_again() {
    let breaks: Script = |count, stream, bytes| {
        let number = next_request(stream, true)?;
        begin(stream, number, bytes.len())?;
        if count > 1 {
            return body(stream, number, bytes, true);
        }
        body(stream, number, &bytes[..100_000], false)?;
        go_away(stream, number, [0, 11][count]) // nothing wrong; "enhance your calm"
    };
    downloads("h2", breaks);
    // It answers nothing that came on this connection.
    let refuses: Script = |count, stream, bytes| {
        let number = next_request(stream, true)?;
        if count < 2 {
            return go_away(stream, 0, 0);
        }
        begin(stream, number, bytes.len())?;
        body(stream, number, bytes, true)
    };
    downloads("h2", refuses);
}
