//! Manners: proxies, certificates, credentials, HTTP/2, rate limits.

#[path = "support/fault/mod.rs"]
mod fault;
#[path = "support/nginx.rs"]
mod nginx;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use fault::product::{Product, fact, noise};
use fault::{Reply, Request, Server, serve};
use nginx::Nginx;
use pack::fetch::{Fetcher, Options};
use url::Url;

const SIZE: usize = 300_000;
const USER: &str = "Basic bWU6czNjcmV0"; // me:s3cret

/// Runs `pack download` on a manifest of one artifact at `url`, with nothing in its environment but `variables`.
fn command(product: &Product, url: &str, variables: &[(&str, &str)]) -> Output {
    let folder = product.scratch.path();
    let manifest = folder.join("manifest.json");
    fs::write(&manifest, product.text().replace("URL", url)).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_pack"))
        .args(["download", "--no-cache", "--retries", "1", "--dir"])
        .arg(folder.join("folder"))
        .arg(&manifest)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(variables.iter().copied())
        .output()
        .expect("pack runs");
    product.assert_nothing_wrong_has_a_name();
    output
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn file_server() -> Server {
    serve(|request| Reply::file(request, &noise(1, SIZE)))
}

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

#[test]
fn credentials_in_a_url_are_sent_and_never_shown() {
    let server = serve(|request: &Request| match request.header("authorization") {
        Some(USER) => Reply::file(request, &noise(1, SIZE)),
        _ => Reply::new(401, ""),
    });
    let product = Product::of(&noise(1, SIZE), "URL");
    let with = |user: &str| format!("http://{user}@{}/a?token=t0ken", server.address());
    let output = command(&product, &with("me:wr%20ng"), &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(text.contains("401") && !text.contains("wr") && !text.contains("ng@") && !text.contains("t0ken"), "{text}");
    let output = command(&product, &with("me:s3cret"), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    let own = product.path(".pack");
    let kept = Command::new("grep").args(["-rl", "-e", "s3cret", "-e", "t0ken"]).arg(&own).output().expect("grep runs");
    assert!(kept.stdout.is_empty(), "no credentials are written down: {}", said(&kept));
}

#[test]
fn credentials_come_from_netrc_and_go_to_their_own_host_only() {
    let elsewhere = file_server();
    let there = elsewhere.url("a").to_string().replace("127.0.0.1", "localhost");
    let server = serve(move |request: &Request| match request.header("authorization") {
        Some(USER) if request.path == "/a" => Reply::redirect("/b"),
        Some(USER) => Reply::redirect(&there),
        _ => Reply::new(401, ""),
    });
    let product = Product::of(&noise(1, SIZE), "URL");
    let netrc = product.scratch.path().join(".netrc");
    fs::write(&netrc, "machine 127.0.0.1 login me password s3cret\n").expect("written");
    let output = command(&product, server.url("a").as_str(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(elsewhere.requests().iter().all(|request| request.header("authorization").is_none()));
    fs::remove_file(product.path("a")).expect("there");
    fs::rename(&netrc, product.scratch.path().join("my-netrc")).expect("renamed");
    let variables = [("NETRC", "my-netrc")];
    assert!(command(&product, server.url("a").as_str(), &variables).status.success());
}

#[test]
fn credentials_of_a_url_stay_with_their_origin_through_redirects() {
    let elsewhere = file_server();
    let there = elsewhere.url("c").to_string();
    let server = serve(move |request: &Request| match (request.header("authorization"), request.path.as_str()) {
        (Some(USER), "/a") => Reply::redirect("/b"),
        (Some(USER), "/b") => Reply::redirect(&there),
        _ => Reply::new(401, ""),
    });
    let product = Product::of(&noise(1, SIZE), &format!("http://me:s3cret@{}/a", server.address()));
    product.download(&server.url("")).expect("downloaded");
    assert!(elsewhere.requests().iter().all(|request| request.header("authorization").is_none()));
}

/// nginx with TLS and HTTP/2 that serves `a` and redirects `/down` to plain HTTP.
fn secure(bytes: &[u8]) -> Option<(Nginx, Url)> {
    let nginx = Nginx::start(2, |root: &Path, ports: &[u16]| {
        nginx::certificates(root);
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
    assert_eq!(error.title(), "the server's certificate is not trusted");
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
