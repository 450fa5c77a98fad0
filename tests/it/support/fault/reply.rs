//! What the server answers, and how it misbehaves while it does.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use super::{Open, Request};

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    length: Length,
    end: End,
    pace: Option<(usize, Duration)>,
    /// How many requests must have been open at once before anything is sent.
    company: usize,
    endless_head: bool,
}

/// How the body's length is told.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Length {
    Told(usize),
    Chunked,
    /// The connection's end is the body's.
    Closed,
}

/// What happens after so many bytes of the body.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Proper,
    Cut(usize),
    Stall(usize),
    Endless,
}

impl Reply {
    /// `status` with a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = Length::Told(body.len());
        Reply {
            status,
            headers: Vec::new(),
            body,
            length,
            end: End::Proper,
            pace: None,
            company: 0,
            endless_head: false,
        }
    }

    /// The honest answer: all of `bytes`, or the range that was asked for while the file is still the one
    /// that the range is meant for.
    pub fn file(request: &Request, bytes: &[u8]) -> Self {
        Self::file_as(request, bytes, &Self::etag(bytes))
    }

    /// The `ETag` of the honest answer.
    pub fn etag(bytes: &[u8]) -> String {
        format!("\"{:x}\"", bytes.iter().fold(7u64, |a, b| a.wrapping_mul(31) + u64::from(*b)))
    }

    /// As [`Reply::file`], with an `ETag` of the test's choice.
    pub fn file_as(request: &Request, bytes: &[u8], etag: &str) -> Self {
        let same = request.header("if-range").is_none_or(|tag| tag == etag);
        let reply = match request.range().filter(|_| same) {
            Some((first, _)) if first >= bytes.len() => {
                Reply::new(416, "").header("Content-Range", format!("bytes */{}", bytes.len()))
            }
            Some((first, last)) => {
                let end = last.map_or(bytes.len(), |last| (last + 1).min(bytes.len()));
                Reply::new(206, &bytes[first..end])
                    .header("Content-Range", format!("bytes {first}-{}/{}", end - 1, bytes.len()))
            }
            None => Reply::new(200, bytes),
        };
        reply.header("ETag", etag).header("Accept-Ranges", "bytes")
    }

    /// All of `bytes`, whatever was asked for, and no word of ranges.
    pub fn whole(bytes: &[u8]) -> Self {
        Reply::new(200, bytes)
    }

    /// A redirect.
    pub fn redirect(to: &str) -> Self {
        Reply::new(302, "").header("Location", to)
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Tells a length of its own choice.
    pub fn claiming(mut self, length: usize) -> Self {
        self.length = Length::Told(length);
        self
    }

    /// In chunks, without a length.
    pub fn chunked(mut self) -> Self {
        self.length = Length::Chunked;
        self
    }

    /// Without a length: the connection's end is the body's.
    pub fn until_closed(mut self) -> Self {
        self.length = Length::Closed;
        self
    }

    /// The connection ends after so many bytes of the body.
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.end = End::Cut(bytes);
        self
    }

    /// Nothing comes any more after so many bytes of the body, and the connection stays.
    pub fn stall_after(mut self, bytes: usize) -> Self {
        self.end = End::Stall(bytes);
        self
    }

    /// The body goes on with zeros, for ever.
    pub fn endless(mut self) -> Self {
        self.end = End::Endless;
        self.length = Length::Chunked;
        self
    }

    /// So many bytes, then a pause, again and again.
    pub fn drip(mut self, bytes: usize, pause: Duration) -> Self {
        self.pace = Some((bytes, pause));
        self
    }

    /// Not before so many requests were open at once.
    pub fn once_open(mut self, requests: usize) -> Self {
        self.company = requests;
        self
    }

    /// Header lines for ever.
    pub fn endless_head(mut self) -> Self {
        self.endless_head = true;
        self
    }

    /// Sends it; whether the connection can take another request. The request is `open` until just before the
    /// last of it goes out: whoever asks again after that has one less open.
    pub(super) fn send(&self, stream: &TcpStream, open: Open<'_>) -> io::Result<bool> {
        let shared = open.0;
        let mut open = Some(open);
        while shared.most_open.load(Ordering::SeqCst) < self.company && !shared.is_over() {
            sleep(Duration::from_millis(1));
        }
        let mut out = stream;
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.length {
            Length::Told(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
            Length::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
            Length::Closed => head.push_str("Connection: close\r\n"),
        }
        while self.endless_head && !shared.is_over() {
            head.push_str(&format!("X-More: {}\r\n", "x".repeat(1000)));
            out.write_all(head.as_bytes())?;
            shared.sent.fetch_add(head.len() as u64, Ordering::Relaxed);
            head.clear();
        }
        if self.body.is_empty() {
            open = None;
        }
        out.write_all(format!("{head}\r\n").as_bytes())?;
        let stop = match self.end {
            End::Cut(bytes) | End::Stall(bytes) => bytes.min(self.body.len()),
            _ => self.body.len(),
        };
        let (step, pause) = self.pace.unwrap_or((64 << 10, Duration::ZERO));
        let mut pieces = self.body[..stop].chunks(step.max(1)).peekable();
        while let Some(piece) = pieces.next() {
            open = open.filter(|_| pieces.peek().is_some());
            self.piece(out, piece, &shared.sent)?;
            sleep(pause);
        }
        match self.end {
            End::Proper if self.length == Length::Chunked => out.write_all(b"0\r\n\r\n")?,
            End::Proper | End::Cut(_) => {}
            End::Stall(_) => {
                while !shared.is_over() {
                    sleep(Duration::from_millis(20));
                }
            }
            End::Endless => {
                while !shared.is_over() {
                    self.piece(out, &[0; 16 << 10], &shared.sent)?;
                }
            }
        }
        let keeps = self.end == End::Proper && self.length != Length::Closed && self.length != Length::Told(usize::MAX);
        let honest = match self.length {
            Length::Told(length) => length == self.body.len(),
            _ => true,
        };
        if keeps && honest {
            return Ok(true);
        }
        let _ = stream.shutdown(Shutdown::Both);
        Ok(false)
    }

    fn piece(&self, mut out: &TcpStream, bytes: &[u8], sent: &AtomicU64) -> io::Result<()> {
        if self.length == Length::Chunked {
            write!(out, "{:x}\r\n", bytes.len())?;
        }
        out.write_all(bytes)?;
        if self.length == Length::Chunked {
            out.write_all(b"\r\n")?;
        }
        sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}
