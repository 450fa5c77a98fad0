//! A system that gives less than usual: few descriptors, no more threads, little memory, files that may not grow. Each
//! command says so. None panics, hangs or is ended by a signal, and what it leaves is good enough for the next run.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::alone::said;
use crate::support::fault::product::Product;
use crate::support::fault::{Reply, Request, serve};
use crate::support::images::{docker_legacy, gzip, image, layer};
use crate::support::{PACK, expect, file, noise, portable, stand_in};
use pack::digest::Digest;

const ARTIFACTS: usize = 12;
const SIZE: usize = 2 << 20;

/// A folder with what the commands need, and a server's manifest.
struct Place {
    scratch: tempfile::TempDir,
    manifest: String,
    _server: crate::support::fault::Server,
}

fn place() -> Place {
    let server = serve(|request: &Request| {
        let name = request.path.trim_start_matches('/').parse().unwrap_or(0);
        Reply::file(request, &noise(name, SIZE))
    });
    let product = (1..=ARTIFACTS).fold(Product::new(), |product, n| {
        let url = server.url(&n.to_string()).to_string();
        product.with(&n.to_string(), &noise(n as u64, SIZE), &[&url])
    });
    let scratch = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(scratch.path().join("manifest.json"), product.text()).expect("written");
    Place { scratch, manifest: "manifest.json".to_owned(), _server: server }
}

/// Runs `pack` under a limit of a real shell's.
fn under(folder: &Path, limit: &str, words: &[&str]) -> Output {
    under_with(folder, limit, words, &std::env::var("PATH").unwrap_or_default())
}

/// As [`under`], with programs found on `path`.
fn under_with(folder: &Path, limit: &str, words: &[&str], path: &str) -> Output {
    // Two minutes are far more than any of this takes; `timeout` ends what hangs with 124.
    Command::new("sh")
        .args(["-c", &format!("ulimit {limit} && exec timeout 120 \"$@\""), "sh", PACK])
        .args(words)
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .expect("sh runs")
}

/// It did what it was asked, or said why not.
fn assert_told(output: &Output, limit: &str, words: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.signal(), None, "ulimit {limit}: {words:?}: {text}");
    let code = output.status.code().expect("no signal");
    assert!(code <= 3, "ulimit {limit}: {words:?}: exit {code}: {text}");
    assert!(!text.contains("panicked"), "ulimit {limit}: {words:?}: {text}");
    assert!(code == 0 || text.contains("error:"), "ulimit {limit}: {words:?}: exit {code}: {text}");
    assert!(code != 3, "nothing is wrong with the bytes: ulimit {limit}: {words:?}: {text}");
}

const LIMITS: &[&str] = &[
    "-n 10",
    "-n 16",
    "-n 24",
    "-n 32",
    "-n 40",
    "-n 64",
    "-v 60000",
    "-v 150000",
    "-v 400000",
    "-f 1",
    "-f 1000",
    "-f 3000",
    "-s 128",
    "-s 64",
    "-s 1000",
];

#[test]
fn too_small_a_stack_is_an_error_before_anything_is_done() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    for words in [&["verify", "x.run"][..], &["--help"], &["download"], &["no-command"], &["bundle", "--json"]] {
        for size in ["64", "128", "256", "1000"] {
            let limit = format!("-s {size}");
            let output = under(scratch.path(), &limit, words);
            assert_told(&output, &limit, words);
            assert_eq!(output.status.code(), Some(1), "{limit} {words:?}: {}", said(&output));
            let said = said(&output);
            assert!(said.contains(&format!("ulimit -s {size}")) && said.contains("ulimit -s 1024"), "{said}");
            if words.contains(&"--json") {
                assert!(said.contains("\"error\""), "{said}");
            }
        }
    }
    assert_eq!(under(scratch.path(), "-s 1024", &["--help"]).status.code(), Some(0));
}

#[test]
fn a_download_with_too_little_of_anything_says_so_and_the_next_completes() {
    let place = place();
    let folder = place.scratch.path();
    for limit in LIMITS {
        let words = ["download", "--no-cache", "--retries", "1", "--dir", "out", &place.manifest];
        assert_told(&under(folder, limit, &words), limit, &words);
        expect(0, folder, &words);
        expect(0, folder, &["verify", "out"]);
        std::fs::remove_dir_all(folder.join("out")).expect("removed");
    }
}

#[test]
fn the_commands_of_a_site_with_too_little_of_anything_say_so() {
    let place = place();
    let folder = place.scratch.path();
    expect(0, folder, &["download", "--no-cache", "--dir", "out", &place.manifest]);
    expect(0, folder, &["bundle", "out", "-o", "whole.run"]);
    for limit in LIMITS {
        for words in [
            &["verify", "out"][..],
            &["verify", "whole.run"],
            &["inspect", "whole.run"],
            &["extract", "whole.run", "back"],
            &["bundle", "out", "-o", "other.run"],
            &["lock", "--update", "manifest.json"],
        ] {
            assert_told(&under(folder, limit, words), limit, words);
        }
        expect(0, folder, &["bundle", "out", "-o", "other.run"]);
        expect(0, folder, &["verify", "other.run"]);
        expect(0, folder, &["extract", "whole.run", "back"]);
        expect(0, folder, &["verify", "back"]);
    }
}

/// A folder and a bundle, `images.run`, of an image, and a `PATH` with an engine that has it once it was loaded.
fn images(folder: &Path) -> String {
    let made = image("probe/one:1", vec![layer(1, 3_000_000), layer(2, 500_000)]);
    portable(folder, &[file("a.tar.gz", "image", gzip(&docker_legacy(std::slice::from_ref(&made)), 6))]);
    expect(0, folder, &["bundle", "probe-portable", "-o", "images.run"]);
    let layers: Vec<Digest> = made.layers.iter().map(|layer| Digest::of(layer)).collect();
    let layers = serde_json::to_string(&layers).expect("JSON");
    let engine = format!(
        "case \"$*\" in load*) exec cat >/dev/null ;; 'image inspect'*) echo '{} {{\"Layers\":{layers}}}' ;; esac",
        made.id()
    );
    stand_in(folder, "docker", &engine)
}

#[test]
fn a_load_with_too_little_of_anything_says_so_and_the_next_completes() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path();
    let path = images(folder);
    for words in [&["load", "images.run"][..], &["load", "probe-portable"]] {
        for limit in LIMITS {
            assert_told(&under_with(folder, limit, words, &path), limit, words);
        }
        let output = under_with(folder, "-n 256", words, &path);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
    }
}

/// The limit of processes is the user's, and root has none: another user asks.
#[test]
fn without_more_threads_every_command_says_so() {
    if !rustix::process::geteuid().is_root() {
        return crate::support::skip("to be a user of one's own takes root");
    }
    let place = place();
    let folder = place.scratch.path();
    expect(0, folder, &["download", "--no-cache", "--dir", "out", &place.manifest]);
    expect(0, folder, &["bundle", "out", "-o", "whole.run"]);
    let path = images(folder);
    let owned = Command::new("chown").args(["-R", "54321"]).arg(folder).status().expect("chown runs");
    assert!(owned.success());
    for limit in [1, 2, 3, 4, 6, 9] {
        for words in [
            &["download", "--no-cache", "--retries", "1", "--dir", "more", "manifest.json"][..],
            &["verify", "out"],
            &["verify", "whole.run"],
            &["extract", "whole.run", "back"],
            &["bundle", "out", "-o", "other.run"],
            &["load", "images.run"],
        ] {
            let output = Command::new("timeout")
                .args(["120", "setpriv", "--reuid=54321", "--clear-groups", "prlimit"])
                .arg(format!("--nproc={limit}"))
                .arg(PACK)
                .args(words)
                .current_dir(folder)
                .env("HOME", folder)
                .env("PATH", &path)
                .output()
                .expect("timeout runs");
            assert_told(&output, &format!("-u {limit}"), words);
        }
    }
}
