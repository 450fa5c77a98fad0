//! Logins as Docker and podman keep them: they are found, sent to the registry alone, and never shown.

use std::fs;
use std::path::Path;

use super::access::wants_token;
use super::archive::web;
use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::registry::{Documents, oci, pack_without_logins, write_manifest};
use crate::support::{stand_in, texts};
use serde_json::json;

/// `me:s3cret`.
const AUTH: &str = "bWU6czNjcmV0";

/// A registry that lets `me` in, by a password.
fn basic() -> Server {
    let documents = Documents::of(&web(), |layer| layer.to_vec());
    serve(move |request: &Request| match request.header("authorization") {
        Some(header) if header == format!("Basic {AUTH}") => documents.found(request),
        _ => Reply::new(401, "{}").header("WWW-Authenticate", "Basic realm=\"test\""),
    })
}

/// One that lets `me` in, by a token that its token server gives for the password, or for the identity token `1dentity`.
fn bearer() -> Server {
    let documents = Documents::of(&web(), |layer| layer.to_vec());
    serve(move |request: &Request| {
        let is_me = request.header("authorization") == Some(&format!("Basic {AUTH}"));
        let is_identity = request.header("content-type") == Some("application/x-www-form-urlencoded");
        if request.path.starts_with("/token") {
            let given = json!({ "token": "t0ken" }).to_string();
            return if is_me || is_identity { Reply::new(200, given) } else { Reply::new(401, "{}") };
        }
        let realm = format!("http://{}/token", request.header("host").expect("a host"));
        wants_token(request, "t0ken", &realm).unwrap_or_else(|| documents.found(request))
    })
}

/// Runs `pack lock` with a file and variables, expects this exit code, and gives what it said, which has no secret in it.
fn lock(code: i32, folder: &Path, variables: &[(&str, String)]) -> String {
    let mut command = pack_without_logins(folder, &["lock", "-v", "--no-cache", "--retries", "0"]);
    let output = command.envs(variables.iter().cloned()).output().expect("pack runs");
    let (out, err) = texts(&output);
    let text = out + &err;
    assert_eq!(output.status.code(), Some(code), "{text}");
    for secret in ["s3cret", AUTH, "t0ken", "1dentity"] {
        assert!(!text.contains(secret), "{secret} is shown: {text}");
    }
    text
}

fn put(folder: &Path, name: &str, text: &serde_json::Value) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("below")).expect("a folder");
    fs::write(&path, text.to_string()).expect("written");
    path.display().to_string()
}

#[test]
fn a_login_is_found_wherever_docker_or_podman_keep_it() {
    for server in [basic(), bearer()] {
        let login = json!({ "auths": { server.address(): { "auth": AUTH } } });
        for (name, variable) in [
            ("docker/config.json", None),
            (".config/containers/auth.json", None),
            ("run/containers/auth.json", Some(("XDG_RUNTIME_DIR", "run"))),
            ("mine.json", Some(("REGISTRY_AUTH_FILE", "mine.json"))),
        ] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            write_manifest(folder.path(), &[oci(&server, ":1")]);
            lock(1, folder.path(), &[]);
            put(folder.path(), name, &login);
            let variables = variable.map(|(name, value)| (name, folder.path().join(value).display().to_string()));
            lock(0, folder.path(), variables.as_slice());
        }
    }
}

#[test]
fn a_helper_keeps_logins_too_and_what_it_says_is_not_shown() {
    let server = basic();
    for (file, script, code, why) in [
        (
            json!({ "credsStore": "test" }),
            r#"[ "$1" = get ] && read -r server; echo "{\"ServerURL\":\"$server\",\"Username\":\"me\",\"Secret\":\"s3cret\"}""#,
            0,
            "",
        ),
        (
            json!({ "credHelpers": { server.address(): "test" } }),
            r#"echo '{"Username":"me","Secret":"s3cret"}'"#,
            0,
            "",
        ),
        (
            json!({ "credsStore": "test" }),
            "echo 'credentials not found in native keychain'; exit 1",
            1,
            "denies access",
        ),
        (json!({ "credsStore": "test" }), "echo s3cret; echo s3cret >&2; exit 1", 1, "docker-credential-test failed"),
        (
            json!({ "credsStore": "test" }),
            "echo s3cret",
            1,
            "docker-credential-test printed something other than a login",
        ),
        (json!({ "credsStore": "gone" }), "", 1, "docker-credential-gone cannot be run"),
        (json!({ "credsStore": "../test" }), "", 1, "not that of a program"),
        // What a helper lacks the file may have.
        (json!({ "credsStore": "gone", "auths": { server.address(): { "auth": AUTH } } }), "", 0, ""),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_manifest(folder.path(), &[oci(&server, ":1")]);
        put(folder.path(), "docker/config.json", &file);
        let path = stand_in(folder.path(), "docker-credential-test", script);
        let text = lock(code, folder.path(), &[("PATH", path)]);
        assert!(text.contains(why), "{why}: {text}");
    }
}

#[test]
fn an_identity_token_is_exchanged() {
    let server = bearer();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    put(
        folder.path(),
        "docker/config.json",
        &json!({ "auths": { server.address(): { "identitytoken": "1dentity" } } }),
    );
    lock(0, folder.path(), &[]);
}

#[test]
fn nobody_is_told_who_asks_unless_the_registry_wants_to_know() {
    let server = Documents::of(&web(), |layer| layer.to_vec()).serve();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let file = json!({ "auths": { server.address(): { "auth": AUTH } } });
    put(folder.path(), "docker/config.json", &file);
    lock(0, folder.path(), &[]);
    assert!(server.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_file_that_cannot_be_read_is_told_where_access_is_denied() {
    let server = basic();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    fs::create_dir_all(folder.path().join("docker")).expect("a folder");
    fs::write(folder.path().join("docker/config.json"), "{\"auths\": s3cret").expect("written");
    let text = lock(1, folder.path(), &[]);
    assert!(text.contains("config.json: it is not JSON of that kind, at line 1"), "{text}");
    put(folder.path(), "docker/config.json", &json!({ "auths": { server.address(): { "auth": "s3cret" } } }));
    assert!(lock(1, folder.path(), &[]).contains("cannot be read"));
}

#[test]
fn files_and_answers_may_be_as_long_as_the_limit() {
    let server = basic();
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_manifest(folder.path(), &[oci(&server, ":1")]);
    let config = folder.path().join("docker/config.json");
    fs::create_dir_all(folder.path().join("docker")).expect("a folder");
    let text = json!({ "auths": { server.address(): { "auth": AUTH } } }).to_string();
    let padded = |size: usize| text.clone() + &" ".repeat(size - text.len());
    fs::write(&config, padded(4 << 20)).expect("written");
    lock(0, folder.path(), &[]);
    fs::write(&config, padded((4 << 20) + 1)).expect("written");
    let text = lock_again(&server, 1, folder.path(), &[]);
    assert!(text.contains("denies access") && text.contains("larger than it can be"), "{text}");

    fs::write(&config, json!({ "credsStore": "test" }).to_string()).expect("written");
    for (size, code, why) in [(64 << 10, 0, ""), ((64 << 10) + 1, 1, "prints more than a login has")] {
        let script = format!("printf '%-{size}s' '{{\"Username\":\"me\",\"Secret\":\"s3cret\"}}'");
        let path = stand_in(folder.path(), "docker-credential-test", &script);
        let text = lock_again(&server, code, folder.path(), &[("PATH", path)]);
        assert!(text.contains(why), "{size}: {text}");
    }
}

/// As [`lock`], though everything is pinned by now.
fn lock_again(server: &Server, code: i32, folder: &Path, variables: &[(&str, String)]) -> String {
    write_manifest(folder, &[oci(server, ":1")]);
    lock(code, folder, variables)
}
