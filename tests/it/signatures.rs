//! Signed manifests: ours for the stock `minisign`, its for us, and nothing fetched on a wrong one.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{expect, file, pack, skip, texts, write_product};

/// A folder with a product in `src`, a pair of keys, and what is signed with them.
fn signed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let src = folder.path().join("src");
    fs::create_dir(&src).expect("a folder");
    write_product(&src, "1.0.0", &[file("run.sh", "script", "#!/bin/sh\necho ran\n"), file("data", "file", "data")]);
    expect(0, folder.path(), &["keygen", "release", "--no-password"]);
    expect(0, folder.path(), &["sign", "src/manifest.json", "--key", "release.key"]);
    folder
}

fn web(folder: &Path) -> Server {
    let root = folder.join("src");
    serve(move |request: &Request| match fs::read(root.join(request.path.trim_start_matches('/'))) {
        Ok(content) => Reply::file(request, &content),
        Err(_) => Reply::new(404, "<html>not here</html>"),
    })
}

/// Runs the stock program, where it is there.
fn minisign(folder: &Path, words: &[&str]) -> Option<bool> {
    match Command::new("minisign").args(words).current_dir(folder).output() {
        Ok(output) => Some(output.status.success()),
        Err(_) => {
            skip("minisign is not installed");
            None
        }
    }
}

#[test]
fn the_stock_program_verifies_ours() {
    let folder = signed();
    let Some(good) = minisign(folder.path(), &["-V", "-p", "release.pub", "-m", "src/manifest.json"]) else { return };
    assert!(good);
    expect(0, folder.path(), &["bundle", "src", "-o", "x.run", "--sign", "release.key"]);
    assert_eq!(minisign(folder.path(), &["-V", "-p", "release.pub", "-m", "x.run.sha256"]), Some(true));
    fs::write(folder.path().join("x.run.sha256"), "something else").expect("written");
    assert_eq!(minisign(folder.path(), &["-V", "-p", "release.pub", "-m", "x.run.sha256"]), Some(false));
}

#[test]
fn we_verify_the_stock_programs() {
    let folder = signed();
    let Some(made) = minisign(folder.path(), &["-G", "-W", "-p", "stock.pub", "-s", "stock.key"]) else { return };
    assert!(made);
    assert_eq!(minisign(folder.path(), &["-S", "-s", "stock.key", "-m", "src/manifest.json"]), Some(true));
    expect(0, folder.path(), &["verify", "src", "--pubkey", "stock.pub"]);
    expect(3, folder.path(), &["verify", "src", "--pubkey", "release.pub"]);
    // The legacy format, which the stock program verifies too.
    assert_eq!(minisign(folder.path(), &["-S", "-l", "-s", "stock.key", "-m", "src/manifest.json"]), Some(true));
    assert_eq!(minisign(folder.path(), &["-V", "-p", "stock.pub", "-m", "src/manifest.json"]), Some(true));
    expect(0, folder.path(), &["verify", "src", "--pubkey", "stock.pub"]);
    let manifest = folder.path().join("src/manifest.json");
    let text = fs::read_to_string(&manifest).expect("read");
    fs::write(&manifest, text.replace("1.0.0", "1.0.1")).expect("written");
    let (_, err) = expect(3, folder.path(), &["verify", "src", "--pubkey", "stock.pub"]);
    assert!(err.contains("the content is not what was signed"), "{err}");
    fs::write(&manifest, text).expect("written");
    // A key of the stock program without a password has no checksum, and is told apart from a wrong one.
    let (_, err) = expect(1, folder.path(), &["sign", "src/manifest.json", "--key", "stock.key"]);
    assert!(err.contains("without a password") && err.contains("pack keygen"), "{err}");
}

#[test]
fn the_signature_travels_from_the_server_into_the_bundle() {
    let folder = signed();
    let server = web(folder.path());
    expect(0, folder.path(), &["download", server.url("manifest.json").as_str(), "--pubkey", "release.pub"]);
    let key = fs::read_to_string(folder.path().join("release.pub")).expect("read");
    let key = key.lines().nth(1).expect("two lines");
    expect(0, folder.path(), &["verify", "--pubkey", key]);
    expect(0, folder.path(), &["bundle", "-o", "x.run", "--pubkey", key]);
    expect(0, folder.path(), &["verify", "x.run", "--pubkey", key]);
    expect(0, folder.path(), &["extract", "x.run", "out"]);
    expect(0, folder.path(), &["verify", "out", "--pubkey", key]);
    let (_, err) = expect(0, folder.path(), &["verify", "x.run", "--pubkey", key]);
    assert!(err.contains("not launcher and runtime"), "{err}");
    expect(0, folder.path(), &["bundle", "-o", "x.run", "--sign", "release.key"]);
    let (_, err) = expect(0, folder.path(), &["verify", "x.run", "--pubkey", key]);
    assert!(!err.contains("launcher"), "with the checksum signed, the whole file is the publisher's: {err}");
    let sums = folder.path().join("x.run.sha256");
    let right = fs::read(&sums).expect("read");
    fs::write(&sums, format!("{}  x.run\n", "0".repeat(64))).expect("written");
    expect(3, folder.path(), &["verify", "x.run", "--pubkey", key]);
    fs::write(&sums, right).expect("written");
    expect(0, folder.path(), &["verify", "x.run", "--pubkey", key]);
    expect(0, folder.path(), &["keygen", "other", "--no-password"]);
    let (_, err) = expect(3, folder.path(), &["verify", "x.run", "--pubkey", "other.pub"]);
    assert!(err.contains("it was made with another key"), "{err}");
}

#[test]
fn a_new_bundle_is_not_held_to_an_old_ones_signature() {
    let folder = signed();
    expect(0, folder.path(), &["bundle", "src", "-o", "x.run", "--sign", "release.key"]);
    write_product(&folder.path().join("src"), "1.0.1", &[file("data", "file", "other"), file("run.sh", "script", "")]);
    expect(0, folder.path(), &["sign", "src/manifest.json", "--key", "release.key"]);
    expect(0, folder.path(), &["bundle", "src", "-o", "x.run"]);
    assert!(!folder.path().join("x.run.sha256.minisig").exists());
    expect(0, folder.path(), &["verify", "x.run", "--pubkey", "release.pub"]);
    crate::support::shell(folder.path(), "sha256sum -c x.run.sha256");
}

#[test]
fn a_key_that_cannot_sign_is_told_before_anything_is_packed() {
    let folder = signed();
    crate::support::shell(folder.path(), &format!("echo sesame | {} keygen locked", crate::support::PACK));
    let (_, err) = expect(1, folder.path(), &["bundle", "src", "-o", "x.run", "--sign", "nobody.key"]);
    assert!(err.contains("nobody.key"), "{err}");
    let line = format!("echo wrong | {} bundle src -o x.run --sign locked.key", crate::support::PACK);
    let output = Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output().expect("runs");
    assert!(output.status.code() == Some(1) && texts(&output).1.contains("the password is wrong"));
    assert!(!folder.path().join("x.run").exists() && !folder.path().join("x.run.sha256").exists());
    crate::support::shell(folder.path(), &line.replace("wrong", "sesame"));
    expect(0, folder.path(), &["verify", "x.run", "--pubkey", "locked.pub"]);
}

#[test]
fn a_folder_without_a_right_signature_is_not_packed() {
    let folder = signed();
    expect(0, folder.path(), &["keygen", "other", "--no-password"]);
    for source in [&["src"][..], &["--manifest", "src"]] {
        let refused = |key: &str, why: &str| {
            let (_, err) = expect(3, folder.path(), &[&["bundle", "-o", "x.run", "--pubkey", key], source].concat());
            assert!(err.contains(why), "{err}");
            assert!(!folder.path().join("x.run").exists() && !folder.path().join("probe-portable").exists());
        };
        refused("other.pub", "it was made with another key");
        let signature = folder.path().join("src/manifest.json.minisig");
        let right = fs::read(&signature).expect("read");
        fs::remove_file(&signature).expect("removed");
        refused("release.pub", "this is not signed");
        fs::write(&signature, right).expect("written");
    }
    expect(0, folder.path(), &["bundle", "src", "-o", "x.run", "--pubkey", "release.pub"]);
}

#[test]
fn a_secret_key_given_for_the_public_one_is_not_printed() {
    let folder = signed();
    let text = fs::read_to_string(folder.path().join("release.key")).expect("read");
    let secret = text.lines().nth(1).expect("two lines");
    for given in [&text, secret, &secret[..100], &text.replace('\n', " "), "release.key"] {
        let (out, err) = expect(2, folder.path(), &["verify", "src", "--json", "--pubkey", given]);
        assert!(!err.contains(&secret[..40]) && !out.contains(&secret[..40]), "{err}");
    }
    let (_, err) = expect(2, folder.path(), &["verify", "src", "--pubkey", "relase.pub"]);
    assert!(err.contains("path: relase.pub"), "{err}");
}

#[test]
fn a_signed_checksum_is_enough_for_a_bundle_of_an_unsigned_manifest() {
    let folder = signed();
    fs::remove_file(folder.path().join("src/manifest.json.minisig")).expect("removed");
    expect(0, folder.path(), &["bundle", "src", "-o", "x.run", "--sign", "release.key"]);
    expect(0, folder.path(), &["verify", "x.run", "--pubkey", "release.pub"]);
    fs::remove_file(folder.path().join("x.run.sha256.minisig")).expect("removed");
    let (_, err) = expect(3, folder.path(), &["verify", "x.run", "--pubkey", "release.pub"]);
    assert!(err.contains("this is not signed") && err.contains("manifest.json in x.run"), "{err}");
}

#[test]
fn a_signature_that_is_no_text_is_a_wrong_one_and_without_a_key_nobodys_business() {
    let folder = signed();
    fs::write(folder.path().join("src/manifest.json.minisig"), b"\xff\xfe").expect("written");
    let (_, err) = expect(3, folder.path(), &["verify", "src", "--pubkey", "release.pub"]);
    assert!(err.contains("it is no minisign signature"), "{err}");
    expect(0, folder.path(), &["verify", "src"]);
}

#[test]
fn a_key_may_come_out_of_a_pipe() {
    let folder = signed();
    let pack = |words: &str| {
        crate::support::shell(
            folder.path(),
            &format!("cat release.pub | {} {words} --pubkey /dev/stdin", crate::support::PACK),
        )
    };
    pack("bundle --manifest src -o x.run");
    assert!(pack("verify x.run").contains("accounted for"));
    pack("verify src");
    pack("download src --dir other");
}

#[test]
fn without_a_right_signature_no_artifact_is_asked_for() {
    let folder = signed();
    let server = web(folder.path());
    let url = server.url("manifest.json").to_string();
    let signature = folder.path().join("src/manifest.json.minisig");
    let right = fs::read_to_string(&signature).expect("read");
    let manifest = folder.path().join("src/manifest.json");
    let content = fs::read_to_string(&manifest).expect("read");
    let refused = |why: &str| {
        let (_, err) = expect(3, folder.path(), &["download", &url, "--pubkey", "release.pub"]);
        assert!(err.contains(why) && err.contains("hint:"), "{err}");
    };
    fs::remove_file(&signature).expect("removed");
    refused("this is not signed");
    for broken in ["", "nonsense", &right[..right.len() / 2], &right.replace("probe 1.0.0", "probe 9.9.9")] {
        fs::write(&signature, broken).expect("written");
        refused("the signature is not right");
    }
    fs::write(&signature, &right).expect("written");
    // No reader sees what nobody signed, however broken it is.
    for changed in [content.replace("1.0.0", "1.0.1"), content[..content.len() / 2].to_owned(), "[".repeat(100_000)] {
        fs::write(&manifest, changed).expect("written");
        refused("the content is not what was signed");
    }
    assert!(server.requests().iter().all(|request| request.path.starts_with("/manifest.json")));
    assert!(!folder.path().join("probe-portable").exists());
    fs::write(&manifest, content).expect("written");
    expect(0, folder.path(), &["download", &url, "--pubkey", "release.pub"]);
}

/// As a release page does it: the manifest's URL leads elsewhere, to a URL with a query of its own. A
/// signature is only at `place`; for others there is `none`.
fn redirecting(folder: &Path, place: &'static str, none: Reply) -> Server {
    let root = folder.join("src");
    let read = move |name: &str| fs::read(root.join(name)).expect("read");
    serve(move |request: &Request| match request.path.split('?').next().unwrap_or_default() {
        "/latest/manifest.json" => Reply::redirect("/store/1f3a?signed=yes"),
        "/store/1f3a" => Reply::file(request, &read("manifest.json")),
        _ if request.path == place => Reply::file(request, &read("manifest.json.minisig")),
        path if path.ends_with(".minisig") => none.clone(),
        path => Reply::file(request, &read(path.trim_start_matches("/store/"))),
    })
}

#[test]
fn a_signature_lies_beside_the_url_that_was_typed_else_beside_where_it_leads() {
    let folder = signed();
    let (typed, led) = ("/latest/manifest.json.minisig?token=t", "/store/1f3a.minisig");
    let page = Reply::new(200, "<html>not here</html>").header("Content-Type", "text/html");
    for (place, none) in [(typed, Reply::new(404, "")), (led, Reply::new(403, "")), (led, page.clone())] {
        let server = redirecting(folder.path(), place, none);
        let url = server.url("latest/manifest.json?token=t").to_string();
        for key in [&["--pubkey", "release.pub"][..], &[]] {
            expect(0, folder.path(), &[&["download", &url], key].concat());
            expect(0, folder.path(), &["verify", "--pubkey", "release.pub"]);
        }
        fs::remove_dir_all(folder.path().join("probe-portable")).expect("removed");
    }
    // Who denies access does not say that there is none.
    for status in [401, 403] {
        let server = redirecting(folder.path(), "nowhere", Reply::new(status, ""));
        let url = server.url("latest/manifest.json").to_string();
        let (_, err) = expect(1, folder.path(), &["download", &url, "--pubkey", "release.pub"]);
        assert!(err.contains(&status.to_string()), "{status}: {err}");
        expect(0, folder.path(), &["download", &url]);
    }
    for status in [404, 410] {
        let server = redirecting(folder.path(), "nowhere", Reply::new(status, ""));
        let url = server.url("latest/manifest.json").to_string();
        let (_, err) = expect(3, folder.path(), &["download", &url, "--pubkey", "release.pub"]);
        assert!(err.contains("this is not signed"), "{status}: {err}");
        // And once more past every cache: one may remember that it was not there yet.
        assert_eq!((server.asked_for("/latest/manifest.json.minisig"), server.asked_for(led)), (2, 2));
        expect(0, folder.path(), &["download", &url]);
    }
}

#[test]
fn without_a_key_a_signature_is_asked_for_again_and_fails_nothing() {
    let folder = signed();
    let page = Reply::new(200, "<html>not here</html>").header("Content-Type", "text/html");
    for (none, is_transient) in
        [(Reply::new(503, ""), true), (Reply::new(200, "half").claiming(9), true), (page, false)]
    {
        let server = redirecting(folder.path(), "nowhere", none);
        expect(0, folder.path(), &["download", server.url("latest/manifest.json").as_str()]);
        let asked_for = server.requests().iter().filter(|request| request.path.ends_with(".minisig")).count();
        assert_eq!(asked_for > 2, is_transient, "each place once, unless it may answer another time: {asked_for}");
        assert!(!folder.path().join("probe-portable/manifest.json.minisig").exists());
    }
}

#[test]
fn the_secret_key_stays_secret() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = pack(folder.path())
        .args(["keygen", "release"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    child.stdin.take().expect("a pipe").write_all(b"open sesame\n").expect("written");
    let output = child.wait_with_output().expect("ended");
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{err}");
    let path = folder.path().join("release.key");
    let secret = fs::read_to_string(&path).expect("read");
    let secret = secret.lines().nth(1).expect("two lines");
    assert!(!out.contains(secret) && !err.contains(secret) && !out.contains("sesame") && !err.contains("sesame"));
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    let src = folder.path().join("src");
    fs::create_dir(&src).expect("a folder");
    write_product(&src, "1.0.0", &[file("data", "file", "data")]);
    let sign = |password: &str| {
        let mut child = pack(folder.path())
            .args(["sign", "src/manifest.json", "--key", "release.key"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("runs");
        child.stdin.take().expect("a pipe").write_all(password.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("ended");
        (output.status.code(), texts(&output).1)
    };
    let (code, err) = sign("wrong\n");
    assert!(code == Some(1) && err.contains("the password is wrong"), "{err}");
    assert_eq!(sign("open sesame\n").0, Some(0));
    expect(0, folder.path(), &["verify", "src", "--pubkey", "release.pub"]);
    let (_, err) = expect(1, folder.path(), &["keygen", "release", "--no-password"]);
    assert!(err.contains("not overwritten"), "{err}");
}

#[test]
fn an_expired_manifest_warns_or_is_refused() {
    let folder = signed();
    let path = folder.path().join("src/manifest.json");
    let text = fs::read_to_string(&path).expect("read");
    let dated = |date: &str| {
        let dated = text.replacen('{', &format!("{{ \"expires\": \"{date}\","), 1);
        fs::write(&path, dated).expect("written");
    };
    dated("2001-01-01T00:00:00Z");
    let (_, err) = expect(0, folder.path(), &["verify", "src"]);
    assert!(err.contains("expired at 2001-01-01T00:00:00Z"), "{err}");
    let (_, err) = expect(3, folder.path(), &["download", "src", "--strict"]);
    assert!(err.contains("has expired"), "{err}");
    dated("9000-01-01T00:00:00Z");
    let (_, err) = expect(0, folder.path(), &["download", "src", "--strict"]);
    assert!(!err.contains("expired"), "{err}");
    dated("next week");
    expect(1, folder.path(), &["verify", "src"]);
}
