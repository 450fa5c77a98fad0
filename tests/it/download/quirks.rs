//! Servers as they are: what they send is unusual, and the bytes are right. Every download completes, as with curl.
//!
//! `QUIRKS_ROUNDS=2000` runs that many downloads, `QUIRKS_SEED=N` only the one with that seed.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::soak::Dice;
use crate::support::fault::product::Product;
use crate::support::fault::{Reply, serve};
use crate::support::noise;
use pack::digest::Digest;
use pack::fetch::Options;
use url::Url;

/// What the server of one download does.
struct Quirks {
    bytes: Vec<u8>,
    dice: Mutex<Dice>,
    /// The redirects' targets that were used: each is good for one request.
    used: Mutex<HashSet<String>>,
}

fn start(seed: u64, bytes: Vec<u8>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/a", listener.local_addr().expect("an address")).parse().expect("a URL");
    let quirks = Arc::new(Quirks { bytes, dice: Mutex::new(Dice(seed)), used: Mutex::default() });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let quirks = quirks.clone();
            std::thread::spawn(move || drop(quirks.answer(stream)));
        }
    });
    url
}

impl Quirks {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut range = None;
        let mut path = String::new();
        for line in BufReader::new(&stream).lines() {
            let line = line?;
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if let Some((_, value)) = line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("range")) {
                let (first, last) = value.trim_start_matches("bytes=").split_once('-').expect("a range");
                range = Some((first.parse::<usize>().expect("a number"), last.parse::<usize>().ok()));
            }
            if line.is_empty() {
                break;
            }
        }
        let (quirk, at, tag) = {
            let mut dice = self.dice.lock().expect("no panic");
            (dice.below(19), dice.below(60_000), dice.roll())
        };
        if path.contains("once=") && !self.used.lock().expect("no panic").insert(path.clone()) {
            return stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        let all = self.bytes.len();
        if quirk == 0 && !path.contains("once=") {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: /a?once={tag}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return stream.write_all(head.as_bytes());
        }
        let (first, last) = range.unwrap_or((0, None));
        let mut end = last.map_or(all, |last| (last + 1).min(all));
        let mut first = first;
        let mut status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let (mut version, mut unit, mut informed) = ("1.1", "bytes ", "");
        let mut headers = format!("ETag: \"{tag}\"\r\n");
        let mut length = true;
        match quirk {
            1 => status = "206 Partial Content",
            2 | 3 => {
                status = "206 Partial Content";
                end = end.min(first + 2_000 + at);
            }
            4 => (status, first, end) = ("200 OK", 0, all),
            5 if range.is_none() => status = "203 Non-Authoritative Information",
            6 => length = false,
            7 => headers += "X-Folded: one\r\n two\r\n\tthree\r\n",
            8 => headers += &(0..200).map(|n| format!("X-Many-{n}: {n}\r\n")).collect::<String>(),
            9 => (version, length) = ("1.0", false),
            10 => version = "1.0",
            11 => informed = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
            12 => unit = "Bytes=",
            13 => headers += "Accept-Ranges: bytes\r\nLast-Modified: yesterday\r\n",
            // A range that starts earlier, as of caches that keep a file in blocks.
            14 if range.is_some() => first -= first.min(at),
            _ => {}
        }
        let body = &self.bytes[first..end];
        // In answer to one range no server may send several parts (RFC 9110, section 15.3.7.2), and some do.
        if quirk == 17 && range.is_some() {
            return stream.write_all(&several_parts(body, first..end, all));
        }
        let is_part = status.starts_with("206");
        if is_part && !(quirk == 1 && range.is_none() && tag.is_multiple_of(2)) {
            headers += &format!("Content-Range: {unit}{first}-{}/{all}\r\n", end - 1);
        }
        let is_chunked = quirk == 15;
        if is_chunked {
            headers += "Transfer-Encoding: chunked\r\n";
        } else if length {
            headers += &format!("Content-Length: {}\r\n", body.len());
        }
        let head = format!("{informed}HTTP/{version} {status}\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        // A line that breaks now and then.
        let cut = if quirk == 16 { at.min(body.len()) } else { body.len() };
        if !is_chunked {
            return stream.write_all(&body[..cut]);
        }
        for chunk in body.chunks(8 << 10) {
            write!(stream, "{:x};name=\"value\"\r\n", chunk.len())?;
            stream.write_all(chunk)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")
    }
}

/// The whole response with `body`, which is the file's `range`, as the only one of several parts.
fn several_parts(body: &[u8], range: Range<usize>, all: usize) -> Vec<u8> {
    let part = format!("--edge\r\nContent-Range: bytes {}-{}/{all}\r\n\r\n", range.start, range.end - 1);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=edge\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        part.len() + body.len() + "\r\n--edge--\r\n".len()
    );
    [head.as_bytes(), part.as_bytes(), body, b"\r\n--edge--\r\n"].concat()
}

/// Whether curl completes too.
fn download(seed: u64) -> Result<bool, String> {
    let mut dice = Dice(seed ^ 0x5eed);
    let bytes = noise(seed, 1 + dice.below(300_000));
    let product = match dice.below(4) {
        // A manifest need not pin the size.
        0 => Product::new().pinned("a", Digest::of(&bytes), None, &["a"]),
        _ => Product::of(&bytes, "a"),
    };
    let options = Options {
        connections: [1, 4][dice.below(2)],
        range_bytes: 16 << 10,
        spread_after: Duration::from_millis(1),
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
        retries: 40,
        ..Product::hurried()
    };
    let url = start(seed, bytes.clone());
    product.download_with(&url, options).map_err(|error| format!("seed {seed}: {error}"))?;
    assert!(fs::read(product.path("a")).expect("there") == bytes, "seed {seed}: a wrong file");
    Ok(curl(&product, start(seed, bytes.clone())).is_some_and(|got| got == bytes))
}

/// What curl makes of the same server, if it comes to an end that it likes.
fn curl(product: &Product, url: Url) -> Option<Vec<u8>> {
    let target = product.scratch.path().join("curl");
    let curl = Command::new("curl")
        .args(["-q", "-sSfL", "--noproxy", "*", "--max-time", "20", "-o"])
        .arg(&target)
        .arg(url.as_str())
        .output()
        .expect("curl runs");
    curl.status.success().then(|| fs::read(&target).ok()).flatten()
}

#[test]
#[allow(clippy::print_stdout, reason = "the figures of a long run, with --nocapture")]
fn whatever_a_server_sends_that_is_right_is_used() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("QUIRKS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("QUIRKS_ROUNDS").unwrap_or(200),
    };
    let (mut downloads, mut by_curl, mut failed) = (0, 0, Vec::new());
    for seed in seeds {
        downloads += 1;
        match download(seed) {
            Ok(also_curl) => by_curl += usize::from(also_curl),
            Err(error) => failed.push(error),
        }
    }
    println!("{downloads} downloads, {} not complete, 0 wrong files; curl completes {by_curl}", failed.len());
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn several_servers_with_a_tag_each_and_a_line_that_breaks() {
    let bytes = noise(1, 3_000_000);
    let served = bytes.clone();
    let server = serve(move |request| {
        Reply::file_as(request, &served, &format!("\"node-{}\"", request.number % 3)).cut_after(400_000)
    });
    let product = Product::of(&bytes, "a");
    product.download(&server.url("")).expect("400,000 bytes further each time");
    product.assert_complete();
    assert_eq!(server.requests().len(), 8);
    assert!(server.requests().iter().all(|request| request.header("if-range").is_none()));
}

#[test]
fn a_whole_file_in_answer_to_a_range_keeps_what_is_there() {
    let bytes = noise(1, 1_000_000);
    let served = bytes.clone();
    // The second server of the two has no ranges, and its line breaks early.
    let server = serve(move |request| match request.number {
        0 => Reply::file(request, &served).cut_after(700_000),
        1 => Reply::whole(&served).cut_after(100_000),
        _ => Reply::file(request, &served),
    });
    let product = Product::of(&bytes, "a");
    product.download(&server.url("")).expect("downloaded");
    let asked: Vec<_> = server.requests().iter().filter_map(|request| request.range()).collect();
    assert_eq!(asked, [(700_000, None), (700_000, None)]);
}

#[test]
fn several_parts_in_answer_to_one_range_are_passed_by() {
    let bytes = noise(1, 1_000_000);
    let served = bytes.clone();
    // Whoever asks for a range, always; and the line breaks once.
    let server = serve(move |request| match request.range() {
        Some((first, _)) => {
            let part = format!("--edge\r\nContent-Range: bytes {first}-999999/1000000\r\n\r\n");
            Reply::new(206, [part.as_bytes(), &served[first..], b"\r\n--edge--\r\n"].concat())
                .header("Content-Type", "multipart/byteranges; boundary=edge")
        }
        None if request.number == 0 => Reply::file(request, &served).cut_after(700_000),
        None => Reply::file(request, &served),
    });
    let product = Product::of(&bytes, "a");
    product.download(&server.url("")).expect("the whole file is asked for instead");
    product.assert_complete();
    let asked: Vec<_> = server.requests().iter().map(|request| request.range().is_some()).collect();
    assert_eq!(asked, [false, true, false]);
}
