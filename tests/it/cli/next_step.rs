//! What to type next, with the real names in it; and what goes wrong is said even when little is to be said.

use std::fs;

use crate::support::fault::{Reply, Request, serve};
use crate::support::{BUNDLE, expect, file, noise, run, small_product, texts, write_product};

#[test]
fn quiet_still_says_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = small_product(folder.path());
    expect(0, folder.path(), &["bundle"]);
    fs::write(product.join("noise"), noise(2, 3_000)).expect("written");
    fs::remove_file(product.join("empty")).expect("removed");
    let (out, err) = expect(3, folder.path(), &["verify", "-q"]);
    assert_eq!(out, "");
    for part in ["error: 2 of 4 files", "noise: mismatch", "empty: missing", "hint: ", "probe-portable"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(!err.contains("run.sh"), "{err}");

    let path = folder.path().join(BUNDLE);
    let mut bytes = fs::read(&path).expect("read");
    bytes[9_000] ^= 1;
    fs::write(&path, bytes).expect("written");
    let (out, err) = expect(3, folder.path(), &["verify", "-q", BUNDLE]);
    assert_eq!(out, "");
    assert!(err.contains("the bundle is damaged") && err.contains("launcher and runtime"), "{err}");
    assert!(err.contains(&format!("compare there and here: sha256sum -c {BUNDLE}.sha256")), "{err}");
}

#[test]
fn after_an_interrupted_first_download_every_command_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let src = folder.path().join("src");
    fs::create_dir(&src).expect("a folder");
    write_product(&src, "1.0.0", &[file("a", "file", noise(1, 1 << 20)), file("b", "file", "b")]);
    let root = src.clone();
    let server = serve(move |request: &Request| match fs::read(root.join(request.path.trim_start_matches('/'))) {
        Ok(content) if request.path != "/b" => Reply::file(request, &content),
        _ => Reply::new(404, "not here"),
    });
    let mut url = server.url("manifest.json");
    url.set_username("ada").expect("a user");
    url.set_password(Some("secret")).expect("a password");
    expect(1, folder.path(), &["download", "--no-cache", "--retries", "0", url.as_str()]);
    assert!(!folder.path().join("probe-portable/manifest.json").exists());
    let again = format!("pack download --dir probe-portable {}", server.url("manifest.json"));
    for words in [&["verify"][..], &["bundle"], &["verify", "probe-portable"], &["load", "probe-portable"]] {
        let (_, err) = expect(1, folder.path(), words);
        assert!(err.contains("not complete") && err.contains(&again), "{words:?}: {err}");
        assert!(!err.contains("secret"), "{err}");
    }
}

#[test]
fn a_folder_remembers_where_it_came_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let src = folder.path().join("src");
    fs::create_dir(&src).expect("a folder");
    write_product(&src, "1.0.0", &[file("a", "file", "a")]);
    expect(0, folder.path(), &["download", "--no-cache", "src/manifest.json", "--dir", "my files"]);
    fs::write(folder.path().join("my files/a"), "b").expect("written");
    let (_, err) = expect(3, folder.path(), &["verify", "my files"]);
    let source = src.canonicalize().expect("there");
    assert!(err.contains(&format!("pack download --dir 'my files' file://{}", source.display())), "{err}");
    let output = run(folder.path(), &["download", "--no-cache", "src/manifest.json", "--dir", "my files"]);
    assert!(output.status.success(), "{:?}", texts(&output));
    expect(0, folder.path(), &["verify", "my files"]);
}

#[test]
fn a_folder_that_no_download_began_is_told_from_one_that_is_not_complete() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("mine")).expect("a folder");
    for words in [["verify", "mine"], ["bundle", "mine"]] {
        let (_, err) = expect(1, folder.path(), &words);
        assert!(err.contains("this folder has no manifest.json") && !err.contains("not complete"), "{err}");
    }
}
