//! A TLS server whose connections a test writes by hand: how they end is its own choice.

#![allow(clippy::unwrap_used, reason = "a test server that fails is a failed test")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::nginx::certificates;

/// A connection. It ends without TLS's farewell.
pub type Tls = StreamOwned<ServerConnection, TcpStream>;

pub struct TlsServer {
    folder: tempfile::TempDir,
    port: u16,
}

impl TlsServer {
    /// Answers each connection by `script`, which is told its number; the protocol offered is `h2` or `http/1.1`.
    pub fn start(
        protocol: &str,
        script: impl Fn(usize, &mut Tls) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        let chain = CertificateDer::from_pem_file(folder.path().join("cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let (config, script) = (Arc::new(config), Arc::new(script));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let (config, script) = (config.clone(), script.clone());
                std::thread::spawn(move || {
                    let Ok(tls) = ServerConnection::new(config) else { return };
                    let mut stream = StreamOwned::new(tls, stream);
                    // A client that gave up is no fault of the test.
                    let _ = script(number, &mut stream);
                    // Closed with something unread, a socket would take back what the client has not read yet.
                    let socket = stream.get_mut();
                    let _ = socket.shutdown(Shutdown::Write);
                    let _ = socket.set_read_timeout(Some(Duration::from_secs(5)));
                    let _ = std::io::copy(socket, &mut std::io::sink());
                });
            }
        });
        TlsServer { folder, port }
    }

    pub fn url(&self) -> url::Url {
        format!("https://localhost:{}/a", self.port).parse().unwrap()
    }

    pub fn cacert(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// Reads a request's head.
pub fn head(stream: &mut Tls) -> std::io::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        text.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The kinds of HTTP/2's frames (RFC 9113, section 6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const SETTINGS: u8 = 4;
    pub const GOAWAY: u8 = 7;
}

/// Sends one frame of HTTP/2.
pub fn frame(stream: &mut Tls, kind: u8, flags: u8, number: u32, payload: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    stream.write_all(&[length[1], length[2], length[3], kind, flags])?;
    stream.write_all(&number.to_be_bytes())?;
    stream.write_all(payload)?;
    stream.flush()
}

/// Reads the client's preface and frames up to its next request; the number of its stream.
pub fn next_request(stream: &mut Tls, is_first: bool) -> std::io::Result<u32> {
    if is_first {
        stream.read_exact(&mut [0; 24])?;
        frame(stream, kind::SETTINGS, 0, 0, &[])?;
    }
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        stream.read_exact(&mut vec![0; length])?;
        match (head[3], head[4]) {
            (kind::SETTINGS, 0) => frame(stream, kind::SETTINGS, 1, 0, &[])?,
            (kind::HEADERS, _) => return Ok(u32::from_be_bytes([head[5], head[6], head[7], head[8]])),
            _ => {}
        }
    }
}

/// Begins the answer on a stream: status 200 and the body's length (RFC 7541: an indexed field, and a literal one).
pub fn begin(stream: &mut Tls, number: u32, length: usize) -> std::io::Result<()> {
    let length = length.to_string();
    let mut fields = vec![0x88, 0x0f, 0x0d, u8::try_from(length.len()).expect("short")];
    fields.extend(length.bytes());
    frame(stream, kind::HEADERS, 4, number, &fields)
}

/// Says that no stream after `last` is answered.
pub fn go_away(stream: &mut Tls, last: u32, code: u32) -> std::io::Result<()> {
    frame(stream, kind::GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}
