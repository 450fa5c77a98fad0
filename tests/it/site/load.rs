//! `pack load` of archives that a bundle carries as they are: what goes to the engine is what any engine can read.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::engine::Engine;
use crate::support::images::{Layers, Made, docker_archive, docker_legacy, gzip, image, layer, oci, zstd};
use crate::support::{BUNDLE, expect, file, json_of_output, pack, portable, shell, skip, stand_in, texts};

/// A bundle of one archive, made with these words more.
fn bundled(name: &'static str, archive: Vec<u8>, words: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file(name, "image", archive)]);
    expect(0, folder.path(), &[&["bundle"], words].concat());
    folder
}

/// An engine in the place of Docker: a script with `images` to answer with, which keeps what it was sent.
fn with_fake(folder: &Path, script: &str) -> Output {
    let path = stand_in(folder, "docker", script);
    pack(folder).args(["load", BUNDLE]).env("PATH", path).output().expect("pack runs")
}

const KEEPS: &str = "[ \"$1\" = load ] && exec cat >loaded.tar\n[ \"$1\" = version ]";

fn one() -> Made {
    image("probe/kept:1", vec![layer(1, 200_000), layer(2, 30_000)])
}

fn kept() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let made = [one()];
    let xz = |bytes: &[u8]| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("a"), bytes).expect("written");
        shell(folder.path(), "xz a");
        fs::read(folder.path().join("a.xz")).expect("read")
    };
    let fast = &["--compression", "fast"][..];
    let mut kept = vec![
        ("a.tar.gz", gzip(&oci(&made, Layers::Plain, false), 6), fast),
        ("a.tar.zst", zstd(&oci(&made, Layers::Zstd, false)), &[][..]),
    ];
    if !std::process::Command::new("xz").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skip("xz is not installed");
        return kept;
    }
    kept.extend([
        ("a.tar.xz", xz(&oci(&made, Layers::Gzip, true)), &[][..]),
        ("a.tar.xz", xz(&docker_legacy(&made)), &[][..]),
    ]);
    kept
}

#[test]
fn what_goes_over_is_plain_and_has_dockers_list() {
    for (name, archive, words) in kept() {
        let folder = bundled(name, archive, words);
        let (_, err) = texts(&with_fake(folder.path(), KEEPS));
        assert!(err.contains("no such image"), "{name}: {err}");
        let list = shell(folder.path(), "tar -xOf loaded.tar manifest.json");
        let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
        assert_eq!(list[0]["RepoTags"][0], "probe/kept:1", "{name}");
        let layers: Vec<&str> =
            list[0]["Layers"].as_array().expect("a list").iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(layers.len(), 2, "{name}");
        for layer in layers {
            let head = shell(folder.path(), &format!("tar -xOf loaded.tar {layer} | head -c 4 | od -An -tx1"));
            assert!(!head.contains("28 b5 2f fd"), "{name}: {layer} is under zstd");
        }
    }
}

#[test]
fn a_real_engine_takes_it() {
    let Some(engine) = Engine::start() else { return };
    for (name, archive, words) in kept() {
        let folder = bundled(name, archive, words);
        let output = pack(folder.path()).args(["load", BUNDLE]).env("DOCKER_HOST", engine.host()).output();
        let output = output.expect("pack runs");
        assert_eq!(output.status.code(), Some(0), "{name}: {}", texts(&output).1);
        let id = engine.ask(&["image", "inspect", "--format", "{{.Id}}", "probe/kept:1"]);
        assert_eq!(id.trim(), one().id().to_string(), "{name}");
        engine.ask(&["image", "rm", "probe/kept:1"]);
    }
}

/// The archive with every larger member's size in a pax header, as Go's writer does from 8 GiB on.
fn with_pax_sizes(archive: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in tar::Archive::new(archive).entries().expect("tar") {
        let mut member = block.expect("a member");
        let mut header = member.header().clone();
        let mut content = Vec::new();
        std::io::copy(&mut member, &mut content).expect("memory");
        if content.len() > 100_000 {
            let record = format!("15 size={:06}\n", content.len());
            let mut pax = tar::Header::new_ustar();
            pax.set_path("PaxHeaders.0/x").expect("short");
            pax.set_entry_type(tar::EntryType::XHeader);
            pax.set_size(record.len() as u64);
            pax.set_cksum();
            out.extend_from_slice(pax.as_bytes());
            out.extend(record.into_bytes());
            out.resize(out.len().next_multiple_of(512), 0);
            header.set_size(0);
            header.set_cksum();
        }
        out.extend_from_slice(header.as_bytes());
        out.extend(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn a_size_in_a_pax_header_counts() {
    let archive = with_pax_sizes(&docker_legacy(&[one()]));
    let folder = bundled("a.tar.gz", gzip(&archive, 6), &["--compression", "fast"]);
    let (_, err) = texts(&with_fake(folder.path(), KEEPS));
    assert!(err.contains("no such image"), "{err}");
    let list = shell(folder.path(), "tar -xOf loaded.tar manifest.json");
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let first = list[0]["Layers"][0].as_str().expect("a path");
    let size = shell(folder.path(), &format!("tar -xOf loaded.tar {first} | wc -c"));
    assert_eq!(size.trim(), one().layers[0].len().to_string());
}

/// An engine that has the image [`one`], and calls it by its digest alone, as podman does.
fn having_one() -> String {
    let id = one().id().hex();
    let layers: Vec<String> =
        one().layers.iter().map(|layer| format!("\"{}\"", pack::digest::Digest::of(layer))).collect();
    format!(
        "case \"$*\" in load*) exec cat >loaded.tar ;; *inspect*) echo '{id} {{\"Layers\":[{}]}}' ;; esac",
        layers.join(",")
    )
}

#[test]
fn the_size_that_is_told_is_that_of_the_archives_that_are_loaded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = docker_legacy(&[one()]);
    let size = archive.len();
    portable(folder.path(), &[file("data", "file", "data"), file("a.tar", "image", archive)]);
    expect(0, folder.path(), &["bundle"]);
    let path = stand_in(folder.path(), "docker", &having_one());
    for words in [&[BUNDLE][..], &[BUNDLE, "a.tar"], &["probe-portable"], &["probe-portable", "a.tar"]] {
        let output = pack(folder.path()).args(["load", "--json"]).args(words).env("PATH", &path).output();
        let (out, err) = texts(&output.expect("pack runs"));
        assert_eq!(json_of_output(&out)["bytes"], size, "{words:?}: {err}");
    }
}

#[test]
fn an_id_without_its_algorithm_is_the_same_id() {
    let folder = bundled("a.tar", docker_legacy(&[one()]), &[]);
    let script = having_one();
    let output = with_fake(folder.path(), &script);
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
}

/// It goes away at each moment of a load in turn, as in a restart of the daemon.
#[test]
fn an_engine_that_does_not_answer_lacks_nothing_and_has_nothing_else() {
    let folder = bundled("a.tar", docker_legacy(&[one()]), &[]);
    let gone = "echo 'Cannot connect to the Docker daemon' >&2; exit 1";
    for from in ["volume*ls*", "volume*create*", "image*ls*", "image*inspect*"] {
        let script = format!(
            "[ -e gone ] && {{ {gone}; }}\ncase \"$*\" in\n{from}) : >gone; {gone} ;;\nload*) exec cat >/dev/null ;;\n\
             esac"
        );
        let output = with_fake(folder.path(), &script);
        let (_, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{from}: {err}");
        assert!(err.contains("the container engine does not answer"), "{from}: {err}");
        assert!(err.contains("Cannot connect to the Docker daemon"), "{from}: {err}");
        std::fs::remove_file(folder.path().join("gone")).expect("it was asked");
    }
}

#[test]
fn without_images_no_engine_is_needed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("a.txt", "file", "a")]);
    expect(0, folder.path(), &["bundle"]);
    let output = with_fake(folder.path(), "exit 1");
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
}

/// An argument has 128 KiB at most on Linux: what the engine is told of a product's layers must come in parts.
#[test]
fn a_product_of_many_layers_is_not_too_long_a_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images: Vec<Made> = (0..20u64)
        .map(|one| image(&format!("probe/many:{one}"), (0..100).map(|n| layer(one * 1_000 + n, 600)).collect()))
        .collect();
    portable(folder.path(), &[file("many.tar", "image", docker_archive(&images))]);
    expect(0, folder.path(), &["bundle", "--no-originals"]);
    let output = with_fake(folder.path(), KEEPS);
    let (_, err) = texts(&output);
    assert!(err.contains("no such image") && !err.contains("cannot start"), "{err}");
}
