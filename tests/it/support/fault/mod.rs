//! An HTTP/1.1 server that does what a test tells it to, faults included, and remembers what it was asked.
//!
//! A script is a closure from a request to a [`Reply`]; [`Reply::file`] is the honest one, and the others
//! bend it: a cut, a stall, a drip, a lie about the length, another range than was asked for.

#![allow(clippy::unwrap_used, reason = "a test server that fails is a failed test")]

mod files;
pub mod product;
mod reply;

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use url::Url;

pub use files::{dripping, serve_files};
pub use reply::Reply;

/// What to answer to a request.
type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Counted from 0 over all connections.
    pub number: usize,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The range asked for: first byte, and the last where it is given.
    pub fn range(&self) -> Option<(usize, Option<usize>)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()))
    }
}

/// A server on a port of its own; it stops when dropped.
pub struct Server {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Script>,
    requests: Mutex<Vec<Request>>,
    sent: AtomicU64,
    open: AtomicUsize,
    most_open: AtomicUsize,
    stopped: AtomicBool,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// A request whose answer is not all sent: counted as open for as long as it lives.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_open.fetch_max(open, Ordering::SeqCst);
        Open(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts a server that answers as `script` says.
pub fn serve(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let shared = Arc::new(Shared {
        script: Mutex::new(Box::new(script)),
        requests: Mutex::default(),
        sent: AtomicU64::new(0),
        open: AtomicUsize::new(0),
        most_open: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
    });
    let server = Server { address, shared: shared.clone() };
    thread::spawn(move || {
        for stream in listener.incoming() {
            if shared.is_over() {
                return;
            }
            let (Ok(stream), shared) = (stream, shared.clone()) else { continue };
            thread::spawn(move || while answer(&stream, &shared) {});
        }
    });
    server
}

impl Server {
    /// The URL of `path` on this server.
    pub fn url(&self, path: &str) -> Url {
        format!("http://{}/{path}", self.address).parse().expect("a URL")
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no panic").clone()
    }

    /// How many requests came for that path, whatever its query.
    pub fn asked_for(&self, path: &str) -> usize {
        let is_it = |request: &&Request| request.path.split('?').next() == Some(path);
        self.requests().iter().filter(is_it).count()
    }

    /// How many bytes of bodies went out so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// How many requests were open at once, at most.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// Answers as `script` says from now on.
    pub fn now(&self, script: impl FnMut(&Request) -> Reply + Send + 'static) {
        *self.shared.script.lock().expect("no panic") = Box::new(script);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers one request; whether the connection can take another.
fn answer(stream: &TcpStream, shared: &Shared) -> bool {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(first)) = lines.next() else { return false };
    let Some(path) = first.split(' ').nth(1) else { return false };
    let headers = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
    let headers = headers.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let headers = headers.collect();
    let request = {
        let mut requests = shared.requests.lock().expect("no panic");
        let request = Request { path: path.to_owned(), headers, number: requests.len() };
        requests.push(request.clone());
        request
    };
    let open = Open::new(shared);
    let reply = (shared.script.lock().expect("no panic"))(&request);
    reply.send(stream, open).unwrap_or(false)
}
