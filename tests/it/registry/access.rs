//! Who may fetch: tokens that expire, redirects, rate limits, and registries that let nobody in.

use super::archive::web;
use super::said;
use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::registry::{Documents, blob_path, oci, write_manifest};
use pack::digest::Digest;
use serde_json::json;

/// Wants a token of its own token server, `secret-N`, where N is the number that `tokens` says now.
pub(super) fn wants_token(request: &Request, secret: &str, realm: &str) -> Option<Reply> {
    let expected = format!("Bearer {secret}");
    if request.header("authorization") == Some(&expected) {
        return None;
    }
    let challenge = format!("Bearer realm=\"{realm}\",service=\"test\"");
    Some(Reply::new(401, "{}").header("WWW-Authenticate", challenge))
}

fn host(request: &Request) -> &str {
    request.header("host").expect("a host")
}

#[test]
fn a_token_that_expires_in_the_middle_of_a_blob_is_renewed_and_the_blob_continued() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = web();
    let documents = Documents::of(&made, |layer| layer.to_vec());
    let large = blob_path(&Digest::of(&made.layers[0]));
    let (mut tokens, mut is_cut) = (0, false);
    let server = serve(move |request: &Request| {
        if request.path.starts_with("/token?") {
            assert!(request.path.contains("scope=repository%3Ashop%2Fweb%3Apull"), "{}", request.path);
            tokens += 1;
            return Reply::new(200, json!({ "token": format!("secret-{tokens}") }).to_string());
        }
        let realm = format!("http://{}/token", host(request));
        if let Some(refused) = wants_token(request, &format!("secret-{tokens}"), &realm) {
            return refused;
        }
        let reply = documents.found(request);
        if request.path == large && !is_cut {
            is_cut = true;
            tokens += 1;
            return reply.cut_after(280_000);
        }
        reply
    });
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let text = said(0, folder.path(), &["lock", "-v"]);
    assert!(!text.contains("secret"), "{text}");
    let ranges: Vec<_> = server.requests().iter().filter_map(|request| request.range()).collect();
    assert!(ranges.iter().any(|(from, _)| *from > 0), "the blob was continued: {ranges:?}");
}

/// A registry that sends whoever wants a blob to another host, as those of clouds do.
fn redirecting(elsewhere: &Server) -> Server {
    let documents = Documents::of(&web(), |layer| layer.to_vec());
    let there = elsewhere.url("").to_string().replace("127.0.0.1", "localhost");
    serve(move |request: &Request| {
        if request.path.starts_with("/token") {
            return Reply::new(200, json!({ "access_token": "secret" }).to_string());
        }
        let realm = format!("http://{}/token", host(request));
        if let Some(refused) = wants_token(request, "secret", &realm) {
            return refused;
        }
        if request.path.contains("/blobs/") {
            return Reply::redirect(&format!("{there}{}?signature=s1gned", &request.path[1..]));
        }
        documents.found(request)
    })
}

#[test]
fn another_host_gets_no_token_and_its_questions_no_answer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let documents = Documents::of(&web(), |layer| layer.to_vec());
    let elsewhere = serve(move |request: &Request| documents.found(request));
    let server = redirecting(&elsewhere);
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let text = said(0, folder.path(), &["lock", "-v"]);
    assert!(!text.contains("secret") && !text.contains("s1gned"), "{text}");
    assert!(elsewhere.requests().len() > 2);
    assert!(elsewhere.requests().iter().all(|request| request.header("authorization").is_none()));
    // It asks for a login at a token server of its own: nobody goes there.
    let trap = serve(|_: &Request| Reply::new(200, json!({ "token": "x" }).to_string()));
    let realm = trap.url("token").to_string();
    elsewhere.now(move |_| {
        Reply::new(401, "{}").header("WWW-Authenticate", format!("Bearer realm=\"{realm}\",service=\"x\""))
    });
    let text = said(1, folder.path(), &["lock", "--update", "--no-cache", "--retries", "0"]);
    assert!(text.contains("denies access"), "{text}");
    assert_eq!(trap.requests().len(), 0, "a question of the redirect's host");
}

#[test]
fn a_rate_limit_is_named_and_waited_for_where_it_is_short() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let documents = Documents::of(&web(), |layer| layer.to_vec());
    let server = serve(|_: &Request| Reply::new(429, "{}").header("Retry-After", "3600"));
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let text = said(1, folder.path(), &["lock"]);
    let named =
        text.contains("the registry's rate limit is reached: it answered 429") && text.contains("retry-after: 3600");
    assert!(named && text.contains(&format!("docker login {}", server.address())), "{text}");
    assert_eq!(server.requests().len(), 1, "nobody asks again before that time");
    let mut refusals = 0;
    server.now(move |request| {
        refusals += 1;
        if refusals % 3 == 1 { Reply::new(429, "{}").header("Retry-After", "0") } else { documents.found(request) }
    });
    said(0, folder.path(), &["lock"]);
}

#[test]
fn who_may_not_or_asks_for_what_is_not_there_is_told_what_to_type() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (status, why) in [(401, "denies access"), (403, "denies access"), (404, "does not have the image")] {
        let server = serve(move |_: &Request| {
            let reply = Reply::new(status, r#"{"errors":[{"code":"DENIED"}]}"#);
            if status == 401 { reply.header("WWW-Authenticate", "Basic realm=\"x\"") } else { reply }
        });
        write_manifest(folder.path(), &[oci(&server, ":1")]);
        let text = said(1, folder.path(), &["lock"]);
        let hint = format!("docker login {}", server.address());
        assert!(text.contains(why) && text.contains(&hint), "{status}: {text}");
    }
}

#[test]
fn passwords_go_to_no_token_server_without_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = serve(|request: &Request| {
        wants_token(request, "x", "http://tokens.invalid/token").unwrap_or_else(|| Reply::new(404, ""))
    });
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let text = said(1, folder.path(), &["lock"]);
    assert!(
        text.contains("a token server without TLS") && text.contains("--insecure-registry tokens.invalid"),
        "{text}"
    );
}

#[test]
fn a_token_server_that_sends_no_token_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for body in ["{}", "not JSON", r#"{"token":""}"#, r#"{"token":"a b"}"#] {
        let server = serve(move |request: &Request| {
            if request.path.starts_with("/token") {
                return Reply::new(200, body);
            }
            let realm = format!("http://{}/token", host(request));
            wants_token(request, "x", &realm).unwrap_or_else(|| Reply::new(404, ""))
        });
        write_manifest(folder.path(), &[oci(&server, ":1")]);
        let text = said(1, folder.path(), &["lock"]);
        assert!(text.contains("sent no token"), "{text}");
    }
}
