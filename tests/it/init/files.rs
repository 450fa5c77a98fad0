//! Folders, files, URLs and images as sources: the name, kind and URL of each, and what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::{done, listed, manifest, refused, write};
use crate::support::images::{Layers, Member, docker_archive, gzip, image, image_for, layer, oci, tar};
use crate::support::{expect, noise};

#[test]
fn every_file_of_a_folder_has_the_kind_that_its_content_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join("release").join(name);
    write(
        folder.path(),
        &[
            ("release/start", "#!/bin/sh\necho\n"),
            ("release/conf/app.yaml", "a: 1\n"),
            ("release/conf/pack.service", "[Unit]\nDescription=x\n"),
            ("release/a b%.txt", "text"),
            ("release/empty", ""),
            ("release/.env", "SECRET=1"),
            ("release/.git/config", "x"),
        ],
    );
    let web = image("probe/web:1", vec![layer(1, 5_000)]);
    fs::write(at("web.tar.gz"), gzip(&docker_archive(std::slice::from_ref(&web)), 6)).expect("written");
    let arm = image_for("arm64", "probe/arm:1", vec![layer(2, 5_000)]);
    fs::write(at("arm.oci"), oci(&[arm], Layers::Gzip, false)).expect("written");
    fs::write(at("engine.tgz"), gzip(&tar(&[("docker/dockerd", Member::File(b"engine"))]), 6)).expect("written");
    fs::write(at("plain.tar"), tar(&[("a", Member::File(b"a"))])).expect("written");
    let whole = docker_archive(&[web]);
    fs::write(at("cut.tar"), &whole[..whole.len() / 2]).expect("written");
    fs::write(at("noise.bin"), noise(1, 3_000)).expect("written");
    fs::write(at("tool"), [b"\x7fELF".as_slice(), &noise(2, 100)].concat()).expect("written");
    fs::set_permissions(at("tool"), fs::Permissions::from_mode(0o755)).expect("a mode");
    symlink("start", at("linked")).expect("a link");
    let (out, err) = expect(0, folder.path(), &["init", "--name", "probe", "release"]);
    let expected = [
        "release/a b%.txt file release/a%20b%25.txt",
        "release/arm.oci image linux/arm64 release/arm.oci",
        "release/conf/app.yaml file release/conf/app.yaml",
        "release/conf/pack.service unit release/conf/pack.service",
        "release/cut.tar file release/cut.tar",
        "release/empty file release/empty",
        "release/engine.tgz engine release/engine.tgz",
        "release/linked script release/linked",
        "release/noise.bin file release/noise.bin",
        "release/plain.tar file release/plain.tar",
        "release/start script release/start",
        "release/tool script release/tool",
        "release/web.tar.gz image linux/amd64 release/web.tar.gz",
    ];
    assert_eq!(listed(folder.path()), expected);
    for line in expected {
        let (name, kind) =
            (line.rsplit_once(".txt file").map_or(line.split(' ').next(), |_| Some("release/a b%.txt")), line);
        assert!(out.lines().any(|row| row.starts_with(name.expect("a name"))), "{kind}: {out}");
    }
    // What cannot be told, or is left out, is said.
    for said in [
        "release/.env, release/.git",
        "cut.tar: an archive, and not one of images",
        "plain.tar: an archive",
        "runs nothing",
    ] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert!(out.ends_with("next:\n  pack lock manifest.json\n  pack bundle --manifest manifest.json\n"), "{out}");
    expect(0, folder.path(), &["lock"]);
}

#[test]
fn what_lies_elsewhere_is_found_from_the_manifest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &[("files/sub/run.sh", "#!/bin/sh\necho\n"), ("data.bin", "data"), ("out/x:y", "colon")]);
    let document = done(&folder.path().join("files"), &["init", "-o", "../made/here", "../data.bin", "../files"]);
    assert_eq!(document["manifest"], "../made/here/manifest.json");
    assert_eq!(document["run"], "files/sub/run.sh", "the only script");
    assert_eq!(document["name"], "here");
    assert_eq!(document["artifacts"][0]["kind"], "file");
    let made = folder.path().join("made/here");
    assert_eq!(listed(&made), ["data.bin file ../../data.bin", "files/sub/run.sh script ../../files/sub/run.sh"]);
    expect(0, &made, &["lock"]);
    // A colon is not a scheme's.
    let out = folder.path().join("out");
    expect(0, &out, &["init", "--manifest", "release.json", "."]);
    let (text, _) = (fs::read_to_string(out.join("release.json")).expect("read"), ());
    assert!(text.contains(r#""urls": ["./x:y"]"#), "{text}");
    expect(0, &out, &["lock", "release.json"]);
}

#[test]
fn a_url_is_named_after_the_last_part_of_its_path() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let urls = [
        "https://user:s3cret@h.example/a/docker-24.0.9.tgz?sig=s3cret",
        "http://h.example/%E6%95%B0%20x.tar",
        "https://h.example/${version}/install-${version}.sh",
    ];
    let words = [&["init", "--name", "probe", "--version", "2.0.0-rc.1"][..], &urls].concat();
    let (out, err) = expect(0, folder.path(), &words);
    assert!(!out.contains("s3cret") && !err.contains("s3cret"), "{out}{err}");
    let text = fs::read_to_string(folder.path().join("manifest.json")).expect("read");
    assert!(urls.iter().all(|url| text.contains(&format!("\"{url}\""))), "as they were typed: {text}");
    let manifest = manifest(folder.path());
    let named: Vec<_> = manifest.artifacts().iter().map(|one| (one.id.name.as_str(), one.kind.as_str())).collect();
    assert_eq!(named, [("docker-24.0.9.tgz", "engine"), ("数 x.tar", "file"), ("install-2.0.0-rc.1.sh", "script")]);
    assert_eq!(manifest.run().map(AsRef::as_ref), Some("install-2.0.0-rc.1.sh"));
}

#[test]
fn an_image_is_written_as_an_engine_would_pull_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let digest = format!("r.example/x@sha256:{}", "ab".repeat(32));
    let words = [
        "init",
        "--platform",
        "arm64",
        "--name",
        "p",
        "redis:6.2",
        "oci://docker.io/shop/web:1",
        "other/web:1",
        &digest,
    ];
    expect(0, folder.path(), &words);
    let expected = [
        "images/redis-6.2.tar image linux/arm64 oci://docker.io/library/redis:6.2".to_owned(),
        "images/web-1.tar image linux/arm64 oci://docker.io/shop/web:1".to_owned(),
        "images/other-web-1.tar image linux/arm64 oci://docker.io/other/web:1".to_owned(),
        format!("images/x-abababababab.tar image linux/arm64 oci://{digest}"),
    ];
    assert_eq!(listed(folder.path()), expected);
}

#[test]
fn what_is_no_source_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(
        folder.path(),
        &[("a/x", "1"), ("b/c/a/x", "2"), ("oci/x", "1"), ("bad.yaml", "a: ["), ("empty/.hidden", "")],
    );
    write(folder.path(), &[("outer/a/x", "1"), ("UP", "1"), ("b/up", "2")]);
    fs::write(folder.path().join("outer/back\\slash"), "x").expect("written");
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().expect("mkfifo");
    assert!(made.success());
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("a folder");
    for (code, sources, why) in [
        (2, &["redis"][..], "redis:latest"),
        (2, &["compose.yaml"], "there is no such file"),
        (2, &["ftp://h.example/x"], "none of http, https and oci"),
        (2, &["oci://redis:6"], "names no registry"),
        (2, &["Not An Image"], "no URL and no image"),
        (2, &["https://h.example/"], "ends in no name"),
        (2, &["Host/x:1"], "names no registry"),
        (1, &["../bad.yaml"], "is no YAML"),
        (1, &["../empty"], "has no file"),
        (1, &["../outer"], "a backslash"),
        (1, &["../pipe"], "not a file"),
        (1, &["../oci"], "the folder's own"),
        (2, &["../a", "../b/c/a"], "two sources would have one name"),
        (2, &["../UP", "../b/up"], "two sources would have one name"),
    ] {
        let err = refused(code, &inner, &[&["init", "--name", "p"], sources].concat());
        assert!(err.contains(why), "{sources:?}: {err}");
        assert_eq!(fs::read_dir(&inner).expect("listed").count(), 0, "{sources:?}");
    }
    // What may be a password is not repeated.
    for word in ["https://u:s3cret@h.example/", "s3cret@h.example:x", "oci://u:s3cret@h.example/x:1"] {
        let err = refused(2, &inner, &["init", "--name", "p", word]);
        assert!(!err.contains("s3cret"), "{err}");
    }
    let err = refused(1, folder.path(), &["init", "--name", "p", "a", "b/../a", "--manifest", "UP"]);
    assert!(err.contains("there is a manifest already") && err.contains("pack add UP"), "{err}");
    let unnamed = folder.path().join("---");
    fs::create_dir(&unnamed).expect("a folder");
    assert!(refused(2, &unnamed, &["init", "redis:6"]).contains("--name shop"));
    expect(2, folder.path(), &["init"]);
}

#[test]
fn a_file_named_twice_is_one_artifact() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &[("a/x", "1")]);
    expect(0, folder.path(), &["init", "--name", "p", "a", "a/x", "redis:6", "docker.io/library/redis:6"]);
    assert_eq!(listed(folder.path()).len(), 2);
}
