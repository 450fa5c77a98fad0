//! Manners: proxies, certificates, credentials, HTTP/2, rate limits.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use crate::support::alone::{SIZE, USER, command, command_with, file_server, said};
use crate::support::fault::product::{Product, fact};
use crate::support::fault::{Reply, Request, serve};
use crate::support::nginx::Nginx;
use crate::support::noise;
use pack::fetch::{Fetcher, Options};
use url::Url;

#[test]
fn proxies_come_from_the_environment() {
    // What a proxy gets has the whole URL in its first line.
    let proxy = file_server();
    let product = Product::of(&noise(1, SIZE), "URL");
    let address = proxy.url("").to_string();
    let output = command(&product, "http://origin.invalid/a", &[("http_proxy", &address)]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(proxy.requests()[0].path, "http://origin.invalid/a");
    let output = command(&product, "http://origin.invalid/a", &[]);
    assert!(output.status.success(), "everything is in place");
    fs::remove_file(product.path("a")).expect("there");
    let origin = file_server();
    let variables = [("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "127.0.0.1")];
    let output = command(&product, origin.url("a").as_str(), &variables);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_proxys_password_is_sent_and_never_shown() {
    let closed = serve(|_| Reply::new(407, ""));
    let product = Product::of(&noise(1, SIZE), "URL");
    let address = format!("http://me:s3cret@{}/", closed.address());
    let output = command(&product, "http://origin.invalid/a", &[("http_proxy", &address)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!said(&output).contains("s3cret"), "{}", said(&output));
    assert_eq!(closed.requests()[0].header("proxy-authorization"), Some(USER));
}

/// nginx with TLS and HTTP/2 that serves `a` and redirects `/down` to plain HTTP.
fn secure(bytes: &[u8]) -> Option<(Nginx, Url)> {
    let nginx = Nginx::start(2, |root: &Path, ports: &[u16]| {
        crate::support::nginx::certificates(root);
        fs::write(root.join("a"), bytes).expect("written");
        format!(
            "server {{ listen 127.0.0.1:{0} ssl http2; ssl_certificate {root}/cert.pem; ssl_certificate_key {root}/key.pem;\n\
             root {root}; location /down {{ return 302 http://127.0.0.1:{1}/a; }} }}\n\
             server {{ listen 127.0.0.1:{1}; root {root}; }}",
            ports[0],
            ports[1],
            root = root.display()
        )
    })?;
    let base = format!("https://localhost:{}/", nginx.port(0)).parse().expect("a URL");
    Some((nginx, base))
}

#[test]
fn a_private_authority_is_trusted_when_it_is_given_and_http2_is_spoken() {
    let bytes = noise(1, SIZE);
    let Some((nginx, base)) = secure(&bytes) else { return };
    let product = Product::of(&bytes, "a");
    let error = product.download(&base).expect_err("nobody knows this authority");
    assert_eq!(error.title(), "the server's certificate is not trusted: no known authority signed it");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("--cacert")));
    let options = Options { cacert: Some(nginx.path("ca.pem")), ..Product::hurried() };
    product.download_with(&base, options).expect("downloaded");
    product.assert_complete();
    assert!(nginx.log().contains("\"GET /a HTTP/2.0\" 200"), "{}", nginx.log());
    for bad in [nginx.path("key.pem"), nginx.path("not-there")] {
        assert!(Fetcher::new(Options { cacert: Some(bad), ..Product::hurried() }).is_err());
    }
}

#[test]
fn https_never_leads_down_to_http() {
    let bytes = noise(1, SIZE);
    let Some((nginx, base)) = secure(&bytes) else { return };
    let options = Options { cacert: Some(nginx.path("ca.pem")), ..Product::hurried() };
    let error = Product::of(&bytes, "down").download_with(&base, options).expect_err("refused");
    assert!(fact(&error, "cause").contains("from https down to"), "{error}");
    assert!(!nginx.log().contains("GET /a"), "the plain URL was not even asked");
}

/// A proxy that takes everybody to `origin`, wherever they want to go, once `welcome` has let them in; that tells
/// what it was asked for.
fn proxy(
    origin: String,
    welcome: fn(&mut TcpStream, &mpsc::Sender<String>) -> std::io::Result<bool>,
) -> (std::net::SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, tell, origin) = (client.expect("a client"), tell.clone(), origin.clone());
            std::thread::spawn(move || {
                if !welcome(&mut client, &tell)? {
                    return Ok(0);
                }
                let mut server = TcpStream::connect(origin)?;
                let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
                std::thread::spawn(move || std::io::copy(&mut up, &mut server));
                std::io::copy(&mut down, &mut client)
            });
        }
    });
    (address, told)
}

fn take(mut stream: &TcpStream, count: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).map(|()| bytes)
}

/// A SOCKS5 proxy's part (RFC 1928): everybody is welcome; it tells the names that it was asked for.
fn socks(client: &mut TcpStream, tell: &mpsc::Sender<String>) -> std::io::Result<bool> {
    let methods = take(client, 2)?[1];
    take(client, methods.into())?;
    client.write_all(&[5, 0])?;
    // Version, "connect", reserved, "a name follows", its length.
    let head = take(client, 5)?;
    assert_eq!(head[..4], [5, 1, 0, 3], "names are left to the proxy");
    let name = take(client, usize::from(head[4]) + 2)?;
    tell.send(String::from_utf8_lossy(&name[..name.len() - 2]).into_owned()).expect("somebody listens");
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).map(|()| true)
}

#[test]
fn a_socks_proxy_is_as_good_as_any() {
    let origin = file_server();
    let (address, names) = proxy(origin.address(), socks);
    let product = Product::of(&noise(1, SIZE), "URL");
    let proxy = format!("socks5h://{address}");
    let output = command(&product, "http://origin.invalid/a", &[("all_proxy", &proxy)]);
    assert!(output.status.success(), "{}", said(&output));
    product.assert_complete();
    assert_eq!(names.recv().expect("asked"), "origin.invalid");
    assert_eq!(origin.requests()[0].path, "/a");
}

/// An HTTP proxy's part (RFC 9110, section 9.3.6): a tunnel for those who give [`USER`]; it tells every line that
/// it was asked before the tunnel stood.
fn tunnel(client: &mut TcpStream, tell: &mpsc::Sender<String>) -> std::io::Result<bool> {
    let mut welcome = false;
    // Byte by byte: what follows the head belongs to the tunnel.
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(take(client, 1)?);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        let header = line.split_once(": ");
        welcome |=
            header.is_some_and(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value == USER);
        tell.send(line).expect("somebody listens");
    }
    if welcome {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        let refusal = "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"";
        write!(client, "HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(welcome)
}

#[test]
fn https_goes_through_a_proxys_tunnel_and_the_proxys_password_is_never_shown() {
    let bytes = noise(1, SIZE);
    let Some((nginx, _)) = secure(&bytes) else { return };
    let (address, lines) = proxy(format!("127.0.0.1:{}", nginx.port(0)), tunnel);
    let product = Product::of(&bytes, "URL");
    let authority = nginx.path("ca.pem");
    let trusting = ["--cacert", authority.to_str().expect("text")];
    // Nobody listens on that port: only the proxy leads to the server.
    let run = |user: &str, options: &[&str]| {
        let proxy = format!("http://{user}@{address}");
        command_with(&product, "https://localhost:1/a?token=t0ken", &[("https_proxy", &proxy)], options)
    };

    let refused = run("me:wr0ng", &trusting);
    let text = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("proxy") && !text.contains("wr0ng"), "{text}");

    let untrusted = run("me:s3cret", &[]);
    let text = said(&untrusted);
    assert_eq!(untrusted.status.code(), Some(1), "{text}");
    assert!(text.contains("--cacert") && !text.contains("s3cret"), "the tunnel changes nothing about trust: {text}");

    let output = run("me:s3cret", &trusting);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    product.assert_complete();
    assert!(nginx.log().contains("GET /a?token=t0ken HTTP/2.0\" 200"), "{}", nginx.log());
    let lines: Vec<String> = lines.try_iter().collect();
    assert!(lines.iter().any(|line| line == "CONNECT localhost:1 HTTP/1.1"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("t0ken")), "the proxy learns only where to: {lines:?}");
    let own = product.path(".pack");
    let kept = Command::new("grep").args(["-rl", "-e", "s3cret", "-e", "t0ken"]).arg(&own).output().expect("grep runs");
    assert!(kept.stdout.is_empty(), "no credentials are written down: {}", said(&kept));
}

#[test]
fn as_many_artifacts_come_at_once_as_jobs_says_and_no_more() {
    for jobs in [1, 3] {
        // Nothing is sent before so many are asked for at once; then all goes slowly, so that one more is seen.
        let server = serve(move |request| {
            let bytes = noise(request.path.len() as u64, SIZE);
            Reply::file(request, &bytes).once_open(jobs).drip(SIZE / 20, std::time::Duration::from_millis(4))
        });
        let product = (2..12).fold(Product::new(), |product, n| {
            let name = "x".repeat(n as usize - 1);
            product.with(&name, &noise(n, SIZE), &[server.url(&name).as_str()])
        });
        let output = command_with(&product, "", &[], &["--jobs", &jobs.to_string()]);
        assert!(output.status.success(), "{}", said(&output));
        product.assert_complete();
        assert_eq!((server.requests().len(), server.most_open()), (10, jobs));
    }
}

#[test]
fn ranges_over_http2_use_connections_of_their_own() {
    let bytes = noise(1, 8 << 20);
    let Some((nginx, base)) = secure(&bytes) else { return };
    let options = Options {
        cacert: Some(nginx.path("ca.pem")),
        connections: 4,
        range_bytes: 64 << 10,
        spread_after: std::time::Duration::ZERO,
        limit_rate: Some(16 << 20),
        ..Product::hurried()
    };
    let product = Product::of(&bytes, "a");
    product.download_with(&base, options).expect("downloaded");
    product.assert_complete();
    let log = nginx.log();
    assert!(log.contains("HTTP/2.0\" 200") && log.contains("HTTP/1.1\" 206"), "{log}");
}

#[test]
fn a_rate_limit_holds_over_all_connections() {
    let server = file_server();
    let server_of = |request: &Request| Reply::file(request, &noise(request.path.len() as u64, SIZE));
    server.now(server_of);
    let product = (2..6).fold(Product::new(), |product, n| {
        product.with(&n.to_string(), &noise(n, SIZE), &["x".repeat(n as usize - 1).as_str()])
    });
    let began = std::time::Instant::now();
    let options = Options { limit_rate: Some(4 * SIZE as u64), ..Product::hurried() };
    product.download_with(&server.url(""), options).expect("downloaded");
    // No upper bound is asserted: only that the rate was not exceeded, which no load of the machine can feign.
    assert!(began.elapsed().as_secs_f32() >= 0.9, "{:?}", began.elapsed());
}

#[test]
fn a_rate_limit_holds_over_the_ranges_of_one_artifact() {
    let bytes = noise(1, 4 << 20);
    let served = bytes.clone();
    let server = serve(move |request| Reply::file(request, &served));
    let options = Options { limit_rate: Some(4 << 20), connections: 4, range_bytes: 64 << 10, ..Product::hurried() };
    let began = std::time::Instant::now();
    Product::of(&bytes, "a").download_with(&server.url(""), options).expect("downloaded");
    assert!(server.requests().iter().any(|request| request.range().is_some()), "it came in ranges");
    assert!(began.elapsed().as_secs_f32() >= 0.9, "{:?}", began.elapsed());
}

#[test]
fn rate_and_stall_are_as_typed() {
    let server = file_server();
    let product = Product::of(&noise(1, SIZE), "URL");
    let began = std::time::Instant::now();
    let output = command_with(&product, server.url("a").as_str(), &[], &["--limit-rate", "300k", "--stall", "60"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(began.elapsed().as_secs_f32() >= 0.9, "{:?}", began.elapsed());
    fs::remove_file(product.path("a")).expect("there");
    server.now(|request| Reply::file(request, &noise(1, SIZE)).stall_after(10));
    let output = command_with(&product, server.url("a").as_str(), &[], &["--stall", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("waited: 1 s, in which "), "{}", said(&output));
}
