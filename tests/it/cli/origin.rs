//! A folder knows where it came from: what is typed without a manifest goes on from there, and every hint leads there.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{BUNDLE, PACK, expect, file, noise, pack, shell, small_product, texts, write_product};

/// A server of the product in `folder/src`, and whether it also has the artifact `late`.
fn published(folder: &Path) -> (Server, Arc<AtomicBool>) {
    let src = folder.join("src");
    fs::create_dir(&src).expect("a folder");
    write_product(&src, "1.0.0", &[file("data", "file", noise(1, 1 << 16)), file("late", "file", "late")]);
    let is_up = Arc::new(AtomicBool::new(false));
    let seen = is_up.clone();
    let server = serve(move |request: &Request| match fs::read(src.join(request.path.trim_start_matches('/'))) {
        Ok(content) if request.path != "/late" || seen.load(Ordering::SeqCst) => Reply::file(request, &content),
        _ => Reply::new(404, "not here"),
    });
    (server, is_up)
}

/// Runs what the hint in `err` says to type, in `folder`.
fn type_hint(folder: &Path, err: &str) {
    let at = err.rfind(": pack ").unwrap_or_else(|| panic!("no command: {err}"));
    let line = err[at + 2..].lines().next().expect("a line");
    // A cache in the folder would be a file that does not belong there.
    let cache = if line.starts_with("pack download") { " --no-cache" } else { "" };
    shell(folder, &format!("{}{cache}", line.replacen("pack", PACK, 1)));
}

#[test]
fn a_download_into_an_unfinished_folder_goes_on_from_where_it_came_from() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let (server, is_up) = published(folder);
    let url = server.url("manifest.json").to_string();
    let download = ["download", "--no-cache", "--retries", "0"];
    expect(1, folder, &[&download[..], &[&url]].concat());
    let inside = folder.join("probe-portable");
    assert!(!inside.join("manifest.json").exists());
    for (at, more) in [(folder, &["--dir", "probe-portable"][..]), (&inside, &[])] {
        let (_, err) = expect(1, at, &[&download[..], more].concat());
        assert!(err.contains(&format!("the manifest is the one that the folder came from: {url}")), "{err}");
        assert!(err.contains("late"), "{err}");
    }
    let (out, _) = expect(0, &inside, &["download", "--list"]);
    assert!(out.contains(&url), "{out}");
    // A manifest that is named counts more than one that is remembered.
    fs::write(folder.join("src/manifest.json"), "no longer a manifest").expect("written");
    let (_, err) = expect(1, &inside, &["download", "../src"]);
    assert!(!err.contains("came from") && err.contains("/src/manifest.json"), "{err}");
    write_product(
        &folder.join("src"),
        "1.0.0",
        &[file("data", "file", noise(1, 1 << 16)), file("late", "file", "late")],
    );
    // What lies here is another product's, and not meant.
    fs::write(
        folder.join("manifest.json"),
        fs::read_to_string(folder.join("src/manifest.json")).expect("read").replace("probe", "other"),
    )
    .expect("written");
    is_up.store(true, Ordering::SeqCst);
    expect(0, folder, &["download", "--no-cache", "--dir", "probe-portable"]);
    fs::remove_file(inside.join("late")).expect("removed");
    expect(0, &inside, &["download", "--no-cache"]);
    expect(0, folder, &["verify", "probe-portable"]);
    assert!(!inside.join("probe-portable").exists() && !folder.join("other-portable").exists());
}

#[test]
fn inside_an_unfinished_folder_every_command_names_it_and_what_completes_it() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let (server, is_up) = published(folder);
    let url = server.url("manifest.json").to_string();
    expect(1, folder, &["download", "--retries", "0", &url]);
    let inside = folder.join("probe-portable").canonicalize().expect("there");
    for command in ["verify", "bundle"] {
        let (_, err) = expect(1, &inside, &[command]);
        assert!(err.contains("the download into this folder is not complete"), "{err}");
        assert!(err.contains(&format!("path: {}\n", inside.display())), "{err}");
        assert!(err.contains(&format!(": pack download --dir . {url}\n")), "{err}");
    }
    is_up.store(true, Ordering::SeqCst);
    type_hint(&inside, &expect(1, &inside, &["verify"]).1);
    expect(0, &inside, &["verify"]);
}

#[test]
fn a_folder_that_came_from_the_manifest_built_in_or_from_itself_or_from_a_lost_file() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let product = small_product(folder);
    let origin = |text: &str| {
        fs::create_dir_all(product.join(".pack")).expect("a folder");
        fs::write(product.join(".pack/origin"), text).expect("written");
    };
    origin("builtin:///manifest.json\n");
    fs::remove_file(product.join("noise")).expect("removed");
    let (_, err) = expect(3, folder, &["verify"]);
    // Nobody can name that one.
    assert!(err.contains(": pack download --dir probe-portable\n"), "{err}");
    let (_, err) = expect(0, folder, &["download", "--list", "--dir", "probe-portable"]);
    assert!(err.contains("came from: builtin:///manifest.json"), "{err}");

    origin("file:///nowhere/manifest.json\n");
    for words in [&["download", "--dir", "probe-portable"][..], &["download", "--list", "--dir", "probe-portable"]] {
        let (_, err) = expect(1, folder, words);
        assert!(err.contains("is not there any more") && err.contains("file:///nowhere/manifest.json"), "{err}");
    }
    // Filled in place: its own manifest is no other source.
    origin(&format!("file://{}\n", product.canonicalize().expect("there").join("manifest.json").display()));
    let (_, err) = expect(0, &product, &["download", "--list"]);
    assert!(!err.contains("came from"), "{err}");
    // What somebody wrote there is shown as little as what pack would have.
    origin("https://ada:secret@nowhere.invalid/manifest.json?token=secret");
    let (_, err) = expect(1, &product, &["download", "--list", "--retries", "0"]);
    assert!(err.contains("came from: https://nowhere.invalid/manifest.json\n") && !err.contains("secret"), "{err}");
    for not_to_fetch in ["ftp://host.example/manifest.json", "no-url"] {
        origin(not_to_fetch);
        let (_, err) = expect(0, &product, &["download", "--list"]);
        assert!(!err.contains("came from"), "{err}");
    }
}

#[test]
fn a_folder_checked_against_a_manifest_is_completed_from_that() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let product = small_product(folder);
    fs::rename(&product, folder.join("po")).expect("moved");
    fs::create_dir_all(folder.join("hf/conf")).expect("folders");
    for name in ["run.sh", "conf/app.yaml", "empty"] {
        fs::copy(folder.join("po").join(name), folder.join("hf").join(name)).expect("copied");
    }
    fs::write(folder.join("hf/noise"), "other").expect("written");
    let below = folder.join("below");
    fs::create_dir(&below).expect("a folder");
    let check = ["verify", "../hf", "--manifest", "../po/manifest.json"];
    let (_, err) = expect(3, &below, &check);
    assert!(err.contains(": pack download ../po/manifest.json --dir ../hf\n"), "{err}");
    let (_, err) = expect(3, &below, &[&check[..], &["--platform", "linux/arm64"]].concat());
    assert!(err.contains(": pack download ../po/manifest.json --dir ../hf --platform linux/arm64\n"), "{err}");
    type_hint(&below, &expect(3, &below, &check).1);
    expect(0, &below, &["verify", "../hf"]);
}

#[test]
fn a_folder_out_of_a_bundle_is_completed_from_the_bundle_and_not_from_its_own_bad_file() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let product = small_product(folder);
    expect(0, folder, &["bundle"]);
    fs::remove_dir_all(&product).expect("removed");
    expect(0, folder, &["extract", BUNDLE, "out"]);
    let bad = || fs::write(folder.join("out/noise"), noise(2, 3_000)).expect("written");
    bad();
    let (_, err) = expect(3, folder, &["verify", "out"]);
    assert!(err.contains(&format!(": pack extract {BUNDLE} out\n")), "{err}");
    type_hint(folder, &err);
    bad();
    // Its own manifest, named, is its own manifest.
    let (_, err) = expect(3, folder, &["verify", "out", "--manifest", "out/manifest.json"]);
    type_hint(folder, &err);
    fs::write(folder.join("out/noise"), "short").expect("written");
    type_hint(folder, &expect(3, folder, &["bundle", "out", "-o", "again.run"]).1);
    bad();
    // From inside, where the bundle lies beside the folder.
    let out = folder.join("out");
    let (_, err) = expect(3, &out, &["verify"]);
    assert!(err.contains(&format!(": pack extract ../{BUNDLE} .\n")), "{err}");
    type_hint(&out, &err);
    expect(0, folder, &["verify", "out"]);
    // What is on a server comes from there.
    let manifest = out.join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("read").replace("\"noise\"\n", "\"https://host.example/noise\"\n");
    fs::write(&manifest, text).expect("written");
    bad();
    let (_, err) = expect(3, folder, &["verify", "out"]);
    assert!(err.contains(": pack download --dir out out/manifest.json\n"), "{err}");
    let output = pack(folder).args(["verify", "out", "--json"]).output().expect("runs");
    assert!(texts(&output).0.contains("mismatch"), "{:?}", texts(&output));
}
