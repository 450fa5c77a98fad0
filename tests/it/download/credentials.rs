//! Users and passwords: sent once to whom they are for, and never shown.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::alone::{SIZE, USER, command, command_with, file_server, said};
use crate::support::fault::product::Product;
use crate::support::fault::{Reply, Request, serve};
use crate::support::nginx::Nginx;
use crate::support::{expect, noise, run, texts};

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

/// nginx that lets nobody but `me:s3cret` in, with `manifest` as its manifest and `a`.
fn guarded(manifest: &str) -> Option<Nginx> {
    let nginx = Nginx::start(1, |root: &Path, ports: &[u16]| {
        fs::write(root.join("users"), "me:{PLAIN}s3cret\n").expect("written");
        fs::create_dir(root.join("www")).expect("a folder");
        fs::write(root.join("www/manifest.json"), manifest).expect("written");
        fs::write(root.join("www/a"), noise(1, SIZE)).expect("written");
        Command::new("chmod").args(["-R", "a+rX"]).arg(root).status().expect("chmod runs");
        format!(
            "server {{ listen 127.0.0.1:{}; root {1}/www; auth_basic guarded; auth_basic_user_file {1}/users; }}",
            ports[0],
            root.display()
        )
    })?;
    Some(nginx)
}

#[test]
fn a_real_server_takes_credentials_from_the_manifests_url_and_for_what_lies_beside_it() {
    let product = Product::of(&noise(1, SIZE), "a");
    let Some(nginx) = guarded(&product.text()) else { return };
    let folder = product.scratch.path();
    let url = |user: &str| format!("http://{user}127.0.0.1:{}/manifest.json", nginx.port(0));
    for user in ["", "me@", "me:wrong@"] {
        let (_, err) = expect(1, folder, &["download", "--no-cache", &url(user)]);
        assert!(err.contains("401") && !err.contains("wrong"), "{err}");
    }
    for options in [&["--json"][..], &["-v"], &[]] {
        let output = run(folder, &[&["download", "--no-cache", &url("me:s3cret@")], options].concat());
        assert!(output.status.success(), "{}", said(&output));
        assert!(!said(&output).contains("s3cret"), "{}", said(&output));
        assert_eq!(fs::read(folder.join("test-portable/a")).expect("read"), noise(1, SIZE));
        fs::remove_dir_all(folder.join("test-portable")).expect("removed");
    }
    let asked = nginx.log().lines().filter(|line| line.contains(".minisig") && line.contains(" - me ")).count();
    assert_eq!(asked, 3, "once a download: {}", nginx.log());
}

#[test]
fn credentials_are_sent_once_and_a_password_may_be_in_netrc() {
    let server = file_server();
    let product = Product::of(&noise(1, SIZE), "URL");
    fs::write(product.scratch.path().join(".netrc"), "machine 127.0.0.1 login me password s3cret\n").expect("written");
    for user in ["me:s3cret@", "me@", ""] {
        let output = command(&product, &format!("http://{user}{}/a", server.address()), &[]);
        assert!(output.status.success(), "{}", said(&output));
        fs::remove_file(product.path("a")).expect("there");
    }
    let output = command(&product, &format!("http://you@{}/a", server.address()), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let sent: Vec<Vec<String>> = server
        .requests()
        .iter()
        .map(|request| request.headers.iter().filter(|(name, _)| name == "authorization"))
        .map(|headers| headers.map(|(_, value)| value.clone()).collect())
        .collect();
    assert_eq!(sent[..3], vec![vec![USER.to_owned()]; 3]);
    assert_eq!(sent[3], ["Basic eW91Og=="], "netrc knows nothing of this user");
}

/// The same `.netrc` is given to the real curl, and both must send the same.
#[test]
fn a_netrc_means_what_it_means_to_curl() {
    let server = file_server();
    let product = Product::of(&noise(1, SIZE), "URL");
    let netrc = product.scratch.path().join(".netrc");
    let url = server.url("a").to_string();
    for text in [
        &b"machine 127.0.0.1 login me password s3cret\n"[..],
        b"machine 127.0.0.1 login m\xfc password p\xe9\n",
        b"machine 127.0.0.1 login me password \"a\\\"b\\n\\r\\t\\\\\\x\"\n",
        b"MACHINE 127.0.0.1 LOGIN me Password s3cret\n",
    ] {
        fs::write(&netrc, text).expect("written");
        let output = command(&product, &url, &[]);
        assert!(output.status.success() && !said(&output).contains("netrc"), "{}", said(&output));
        fs::remove_file(product.path("a")).expect("there");
        let mut curl = Command::new("curl");
        let curl = curl.args(["-sS", "--noproxy", "*", "-o", "/dev/null", "--netrc-file"]).arg(&netrc).arg(&url);
        let curl = curl.output().expect("curl runs");
        assert!(curl.status.success(), "{}", said(&curl));
        let requests = server.requests();
        let sent = requests.iter().rev().map(|request| request.header("authorization")).take(2).collect::<Vec<_>>();
        assert!(sent[0].is_some() && sent[0] == sent[1], "{}: {sent:?}", text.escape_ascii());
    }
}

#[test]
fn a_url_that_cannot_be_read_is_not_repeated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = Product::of(&noise(1, SIZE), "URL");
    // Some services take a token for the user.
    let secret = [
        "https://me:s3cret@ho st/m",
        "me:s3cret@host/m",
        "ftp://me:s3cret@host/m",
        "https://me:s3cret@host:x/",
        "https://ho st/m?token=s3cret",
        "s3cret:x-oauth-basic@host/m",
        "s3cret@host/m",
        "s3cret@host:8443/m",
        "s3cret:x@proxy/https://origin/m",
    ];
    for url in secret {
        for words in
            [&["download", url][..], &["lock", url], &["bundle", "--manifest", url], &["download", "--mirror", url]]
        {
            let (out, err) = texts(&run(folder.path(), words));
            assert!(!out.contains("s3cret") && !err.contains("s3cret"), "{words:?}: {out}{err}");
            assert!(err.contains("hint:"), "{words:?}: {err}");
        }
        if url.starts_with("s3cret@") {
            continue; // in a manifest it is a path, and no other
        }
        for options in [&["--json"][..], &["-v"], &["--mirror", url]] {
            let output = command_with(&product, url, &[], options);
            assert!(!output.status.success() && !said(&output).contains("s3cret"), "{url}: {}", said(&output));
        }
    }
}

#[test]
fn a_netrc_that_cannot_be_read_is_told_with_its_line_and_without_its_words() {
    let closed = serve(|_: &Request| Reply::new(401, ""));
    let open = file_server();
    let product = Product::of(&noise(1, SIZE), "URL");
    let netrc = product.scratch.path().join(".netrc");
    let ask = |url: &str, code: i32, told: &str| {
        let output = command(&product, url, &[]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(told) && !said(&output).contains("s3cret"), "{told}: {}", said(&output));
    };
    let all = |told: &str| {
        ask(closed.url("a").as_str(), 1, told);
        ask(open.url("a").as_str(), 0, told);
        fs::remove_file(product.path("a")).expect("there");
    };
    fs::create_dir(&netrc).expect("a folder");
    all(".netrc cannot be read, so it gives no credentials: Is a directory");
    fs::remove_dir(&netrc).expect("removed");
    std::os::unix::fs::symlink(&netrc, &netrc).expect("a link to itself");
    all(".netrc cannot be read, so it gives no credentials");
    fs::remove_file(&netrc).expect("removed");
    let one = "machine 127.0.0.1 login me password s3cret\n";
    fs::write(&netrc, one.to_owned() + &" ".repeat(4 << 20)).expect("written");
    all(".netrc cannot be read, so it gives no credentials: more than 4194304 bytes");
    fs::write(&netrc, one.to_owned() + &" ".repeat((4 << 20) - one.len())).expect("written");
    let output = command(&product, closed.url("a").as_str(), &[]);
    assert!(!said(&output).contains("cannot be read"), "just as large as it may be: {}", said(&output));
    fs::write(&netrc, "machine 127.0.0.1\nlogin me\npasword s3cret\n").expect("written");
    all(".netrc: line 3 has a word that is none of machine, default, login, password, account, macdef");
}
