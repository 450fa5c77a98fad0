//! Bundles of images: every layer once, every byte back, readable by stock tools, loaded into a real engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::images::{Layers, Made, docker_legacy, gzip, image, layer, oci, tar, zstd};
use crate::support::{
    BUNDLE, expect, file, noise, pack, payload_at, portable, run, shell, skip, stand_in, texts, tree,
};
use pack::digest::Digest;
use serde_json::Value;

/// Three images on one base, under tags that nothing else on this machine has.
fn made(test: &str) -> Vec<Made> {
    let base = layer(1, 400_000);
    let tag = |name: &str| format!("pack-test-{test}-{}/{name}:1", std::process::id());
    vec![
        image(&tag("one"), vec![base.clone(), layer(2, 30_000)]),
        image(&tag("two"), vec![base.clone(), layer(3, 200_000), tar(&[])]),
        image(&tag("three"), vec![base, layer(2, 30_000), layer(4, 10_000)]),
    ]
}

/// A product whose artifacts have each another form.
fn product(folder: &Path, made: &[Made]) -> PathBuf {
    let engine = gzip(&tar(&[("docker/dockerd", crate::support::images::Member::File(&layer(9, 300_000)))]), 9);
    portable(
        folder,
        &[
            file(
                "run.sh",
                "script",
                "#!/bin/sh\nls\nmkdir out && \"$PACK\" extract -q \"$PACK_BUNDLE\" out engine.tgz && cat out/engine.tgz\n",
            ),
            file("engine.tgz", "engine", engine),
            file("one.tar.gz", "image", gzip(&docker_legacy(&made[..1]), 6)),
            file("two.tar", "image", oci(&made[1..2], Layers::Gzip, true)),
            file("three.tar.zst", "image", zstd(&docker_legacy(&made[2..]))),
            file("data.gz", "file", gzip(&noise(3, 1_000), 1)),
        ],
    )
}

fn folder(test: &str) -> (tempfile::TempDir, Vec<Made>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = made(test);
    product(folder.path(), &made);
    (folder, made)
}

fn index(folder: &Path) -> Value {
    let (inspected, _) = expect(0, folder, &["inspect", "--json", BUNDLE]);
    serde_json::from_str::<Value>(&inspected).expect("JSON")
}

fn has(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn the_folder_comes_back_and_the_bundle_says_how() {
    let (folder, made) = folder("back");
    expect(0, folder.path(), &["bundle"]);
    expect(0, folder.path(), &["verify", BUNDLE]);
    expect(0, folder.path(), &["extract", BUNDLE, "out"]);
    assert_eq!(tree(&folder.path().join("out")), tree(&folder.path().join("probe-portable")));
    expect(0, folder.path(), &["verify", "out"]);
    expect(0, folder.path(), &["extract", BUNDLE, "some", "two.tar"]);
    let some = tree(&folder.path().join("some"));
    assert_eq!(some.len(), 1);
    assert!(some[0].2 == fs::read(folder.path().join("probe-portable/two.tar")).expect("read"));

    let document = index(folder.path());
    let index = &document["index"];
    assert_eq!(index["requires"], serde_json::json!(["images"]));
    let artifact = |name: &str| {
        let found = index["artifacts"].as_array().expect("a list").iter().find(|one| one["name"] == name);
        found.expect("there").clone()
    };
    for name in ["engine.tgz", "one.tar.gz", "two.tar"] {
        assert_eq!(artifact(name)["form"], "rebuilt", "{name}");
    }
    let kept = artifact("three.tar.zst");
    assert!(kept["form"].is_null() && kept["kept"].as_str().expect("a reason").contains("zstd"), "{kept}");
    let paths: Vec<&str> = index["entries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["path"].as_str().expect("text"))
        .collect();
    let base = format!("oci/blobs/sha256/{}", Digest::of(&made[0].layers[0]).hex());
    assert_eq!(paths.iter().filter(|path| **path == base).count(), 1);
    let (shown, _) = expect(0, folder.path(), &["inspect", BUNDLE]);
    assert!(shown.contains(&made[0].tag) && shown.contains("shared with") && shown.contains("as it is"), "{shown}");
    // The base is shared: it is not what either of them adds.
    let adds = |name: &str| document["adds"][name].as_u64().expect("a number");
    let own = |made: &Made| made.layers[1..].iter().map(|layer| layer.len() as u64).sum::<u64>();
    for (name, made) in [("one.tar.gz", &made[0]), ("two.tar", &made[1])] {
        let recipe = adds(name) - own(made);
        assert!((1..60_000).contains(&recipe), "{name}: {}", document["adds"]);
    }
    assert_eq!(
        adds("three.tar.zst"),
        fs::metadata(folder.path().join("probe-portable/three.tar.zst")).expect("there").len()
    );
    // What lies there for one alone, and what several have, is all there is.
    let frames = document["index"]["frames"].as_array().expect("a list");
    let stored: u64 = frames.iter().map(|frame| frame["size"].as_u64().expect("a number")).sum();
    let stores: u64 = document["stores"].as_object().expect("a map").values().filter_map(Value::as_u64).sum();
    assert!(stores < stored && stores > stored / 2, "{stores} of {stored}");
}

#[test]
fn the_same_folder_gives_the_same_bundle() {
    let (folder, _) = folder("same");
    expect(0, folder.path(), &["bundle", "--threads", "1", "-o", "a.run"]);
    expect(0, folder.path(), &["bundle", "--threads", "3", "-o", "b.run"]);
    assert!(
        fs::read(folder.path().join("a.run")).expect("read") == fs::read(folder.path().join("b.run")).expect("read")
    );
}

#[test]
fn fast_keeps_what_is_compressed_and_no_originals_gives_plain_archives() {
    let (folder, made) = folder("ways");
    expect(0, folder.path(), &["bundle", "--compression", "fast"]);
    let forms = |document: Value| -> Vec<String> {
        let artifacts = document["index"]["artifacts"].as_array().expect("a list").clone();
        artifacts.iter().map(|one| one["form"].as_str().unwrap_or("file").to_owned()).collect()
    };
    assert_eq!(forms(index(folder.path())), ["file", "file", "file", "rebuilt", "file", "file"]);
    // A layer that is compressed inside an archive that is not is a compressed artifact as well.
    let document = index(folder.path());
    let images = document["index"]["images"].as_array().expect("a list");
    let two = images.iter().find(|image| image["tags"][0] == made[1].tag.as_str()).expect("there");
    assert_eq!(two["layers"][0]["packed"]["compression"], "gzip", "{two}");
    expect(0, folder.path(), &["extract", BUNDLE, "fast"]);
    assert_eq!(tree(&folder.path().join("fast")), tree(&folder.path().join("probe-portable")));

    expect(0, folder.path(), &["bundle", "--no-originals"]);
    let (out, _) = expect(0, folder.path(), &["verify", BUNDLE]);
    assert!(out.contains("comes back as a plain docker archive"), "{out}");
    assert_eq!(forms(index(folder.path())), ["file", "file", "exported", "exported", "exported", "file"]);
    let (told, _) = expect(0, folder.path(), &["verify", "--json", BUNDLE]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let exactly = |name: &str| {
        let artifacts = told["artifacts"].as_array().expect("a list");
        artifacts.iter().find(|one| one["name"] == name).expect("there")["comesBackExactly"].as_bool()
    };
    assert_eq!((exactly("one.tar.gz"), exactly("engine.tgz")), (Some(false), Some(true)), "{told}");
    let (_, err) = expect(0, folder.path(), &["extract", BUNDLE, "plain"]);
    assert!(err.contains("plain docker archives") && err.contains("one.tar.gz, two.tar, three.tar.zst"), "{err}");
    let manifest = shell(folder.path(), "tar -xOf plain/three.tar.zst manifest.json");
    assert!(manifest.contains(&made[2].tag), "{manifest}");
}

#[test]
fn the_script_asks_for_the_engine_and_gets_it_as_it_was() {
    let (folder, _) = folder("run");
    expect(0, folder.path(), &["bundle"]);
    let output = Command::new("sh").arg(BUNDLE).current_dir(folder.path()).output().expect("sh runs");
    let engine = fs::read(folder.path().join("probe-portable/engine.tgz")).expect("read");
    let rest = output
        .stdout
        .strip_prefix(b"data.gz\nmanifest.json\nrun.sh\n")
        .expect("neither engine nor images lie there unasked");
    assert!(rest == engine, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_bad_image_is_told_before_anything_is_written() {
    let (folder, mut made) = folder("bad");
    made[0].layers[1] = layer(77, 30_000);
    let bad = gzip(&docker_legacy(&made[..1]), 6);
    portable(folder.path(), &[file("one.tar.gz", "image", bad)]);
    let (_, err) = expect(3, folder.path(), &["bundle"]);
    assert!(err.contains("one.tar.gz") && err.contains(&made[0].tag) && err.contains("layer.tar"), "{err}");
    assert!(!folder.path().join(BUNDLE).exists());
}

#[test]
fn damage_is_found_and_named_by_artifact() {
    let (folder, _) = folder("damage");
    expect(0, folder.path(), &["bundle"]);
    let path = folder.path().join(BUNDLE);
    let good = fs::read(&path).expect("read");
    let document = index(folder.path());
    let from = document["index"]["headerSize"].as_u64().expect("a number") as usize;
    // Every byte would take an hour; a prime's multiples hit every kind of place.
    for at in (from..good.len()).step_by(9_973) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        fs::write(&path, &bad).expect("written");
        assert_eq!(run(folder.path(), &["verify", BUNDLE]).status.code(), Some(3), "at {at}");
        let output = run(folder.path(), &["extract", BUNDLE, "damaged"]);
        fs::create_dir_all(folder.path().join("damaged")).expect("a folder");
        let extracted = tree(&folder.path().join("damaged"));
        let original = tree(&folder.path().join("probe-portable"));
        assert!(extracted.iter().all(|file| original.contains(file)), "at {at}: a wrong file under its final name");
        assert!(output.status.code() == Some(3) || extracted == original, "at {at}");
        let _ = fs::remove_dir_all(folder.path().join("damaged"));
    }
    let mut bad = good.clone();
    bad[from + (good.len() - from) / 2] ^= 1;
    fs::write(&path, &bad).expect("written");
    let (out, err) = expect(3, folder.path(), &["verify", BUNDLE]);
    assert!(out.contains(".tar") || err.contains(".tar"), "{out}{err}");
}

#[test]
fn stock_tools_read_the_layout() {
    if !has("skopeo") || !has("zstd") {
        return skip("skopeo or zstd is not installed");
    }
    let (folder, made) = folder("stock");
    expect(0, folder.path(), &["bundle"]);
    let at = payload_at(folder.path(), BUNDLE);
    shell(folder.path(), &format!("mkdir raw && cd raw && tail -c +{at} ../{BUNDLE} | zstd -dc | tar -x"));
    for made in &made[..2] {
        let tag = &made.tag;
        shell(folder.path(), &format!("skopeo copy -q oci:raw/oci:{tag} docker-archive:copied.tar:{tag}"));
        let config = shell(folder.path(), "skopeo inspect --config --raw docker-archive:copied.tar; rm copied.tar");
        assert_eq!(config.as_bytes(), made.config);
    }
    shell(folder.path(), "tar -C raw/oci -c . > layout.tar");
    let both =
        shell(folder.path(), &format!("skopeo inspect --raw --config docker-archive:layout.tar:{}", made[1].tag));
    assert_eq!(both.as_bytes(), made[1].config);
    // podman takes the whole layout as an archive; its store is a folder of the test's.
    if !has("podman") {
        return skip("podman is not installed");
    }
    if !rustix::process::geteuid().is_root() {
        return skip("podman has a store of its own only for root");
    }
    let podman = "podman --storage-driver vfs --root $PWD/root --runroot $PWD/run";
    shell(folder.path(), &format!("{podman} load -q -i layout.tar"));
    for made in &made[..2] {
        let id = shell(folder.path(), &format!("{podman} image inspect --format '{{{{.Id}}}}' {}", made.tag));
        assert_eq!(id.trim(), made.id().hex());
    }
}

#[test]
fn what_skopeo_writes_is_read() {
    if !has("skopeo") {
        return skip("skopeo is not installed");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = image("probe/one:1", vec![layer(1, 300_000), layer(2, 20_000)]);
    fs::write(folder.path().join("made.tar"), docker_legacy(std::slice::from_ref(&made))).expect("written");
    let from = format!("skopeo copy -q docker-archive:made.tar:{}", made.tag);
    shell(
        folder.path(),
        &format!("{from} oci-archive:named.tar:probe/one:1 && {from} docker-archive:docker.tar:probe/two:2"),
    );
    shell(folder.path(), &format!("{from} oci-archive:nameless.tar"));
    let read = |name: &str| fs::read(folder.path().join(name)).expect("read");
    let files = [
        file("named.tar", "image", read("named.tar")),
        file("docker.tar", "image", read("docker.tar")),
        file("nameless.tar", "image", read("nameless.tar")),
    ];
    let product = portable(folder.path(), &files);
    expect(0, folder.path(), &["bundle"]);
    expect(0, folder.path(), &["extract", BUNDLE, "out"]);
    assert_eq!(tree(&folder.path().join("out")), tree(&product));
    let document = index(folder.path());
    let images = document["index"]["images"].as_array().expect("a list");
    // It writes a config of its own for OCI.
    let tags: Vec<&Value> = images.iter().map(|image| &image["tags"]).collect();
    assert_eq!(tags, [&serde_json::json!(["probe/one:1"]), &serde_json::json!(["docker.io/probe/two:2"])]);
    assert_eq!(images[1]["id"], made.id().to_string());
    for (layer, of) in made.layers.iter().zip(images[0]["layers"].as_array().expect("a list")) {
        assert_eq!(of["diffId"], Digest::of(layer).to_string());
    }
}

/// Removes the images of a test from the engine.
struct Loaded<'a>(&'a [Made]);

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        for made in self.0 {
            let _ = Command::new("docker").args(["image", "rm", "--force", &made.tag]).output();
        }
    }
}

fn ids(made: &[Made]) -> Vec<String> {
    let id = |made: &Made| {
        let output = Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", &made.tag]).output();
        texts(&output.expect("docker runs")).0.trim().to_owned()
    };
    made.iter().map(id).collect()
}

fn docker_answers() -> bool {
    Command::new("docker").arg("info").output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_real_engine_gets_every_image_once() {
    if !docker_answers() {
        return skip("no Docker Engine answers");
    }
    let (folder, made) = folder("engine");
    let expected: Vec<String> = made.iter().map(|made| made.id().to_string()).collect();
    let loaded = Loaded(&made);
    for words in [&["bundle"][..], &["bundle", "--no-originals"], &["bundle", "--compression", "fast"]] {
        expect(0, folder.path(), words);
        expect(0, folder.path(), &["load", BUNDLE]);
        assert_eq!(ids(&made), expected, "{words:?}");
        // Again, with everything there already, and after one is gone.
        expect(0, folder.path(), &["load", BUNDLE]);
        drop(Loaded(&made[..1]));
        expect(0, folder.path(), &["load", BUNDLE, "one.tar.gz"]);
        assert_eq!(ids(&made), expected, "{words:?}");
        drop(Loaded(&made));
    }
    let (_, err) = expect(0, folder.path(), &["load", "probe-portable"]);
    assert!(err.contains("read one.tar.gz"), "{err}");
    assert_eq!(ids(&made), expected);
    drop(Loaded(&made));
    expect(0, folder.path(), &["load", "probe-portable", "two.tar"]);
    assert_eq!(ids(&made), [String::new(), expected[1].clone(), String::new()]);
    drop(Loaded(&made));

    expect(0, folder.path(), &["bundle"]);
    expect(0, folder.path(), &["extract", BUNDLE, "out"]);
    let at = payload_at(folder.path(), BUNDLE);
    shell(folder.path(), &format!("mkdir raw && cd raw && tail -c +{at} ../{BUNDLE} | zstd -dc | tar -x"));
    shell(folder.path(), "tar -C raw/oci -c . | docker load");
    assert_eq!(ids(&made)[..2], expected[..2]);
    drop(loaded);
}

#[test]
fn an_engine_that_has_something_else_afterwards_is_an_error() {
    let (folder, _) = folder("liar");
    expect(0, folder.path(), &["bundle"]);
    // An engine that takes everything and keeps nothing.
    let path = stand_in(folder.path(), "docker", "[ \"$1\" = load ] && exec cat >/dev/null\n[ \"$1\" = version ]");
    let output =
        pack(folder.path()).args(["load", BUNDLE, "one.tar.gz"]).env("PATH", path).output().expect("pack runs");
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains("no such image") && err.contains("one.tar.gz"), "{err}");
}

#[test]
fn a_stack_file_may_ask_only_for_what_is_packed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = gzip(&docker_legacy(&[image("r.example/x/redis:5", vec![layer(1, 5_000)])]), 6);
    let with = |stack: &str| {
        let files = [
            file("stack.yaml", "stack", format!("services:\n{stack}")),
            file("redis.tar.gz", "image", archive.clone()),
        ];
        portable(folder.path(), &files);
    };
    with("  cache: { image: 'r.example/x/redis:5' }\n");
    expect(0, folder.path(), &["bundle"]);
    for (stack, named) in
        [("  cache: { image: 'r.example/x/redis:6' }\n", "redis:6"), ("  db: { image: mysql }\n", "image: mysql")]
    {
        with(stack);
        let (_, err) = expect(1, folder.path(), &["bundle"]);
        assert!(
            err.contains("stack: stack.yaml") && err.contains(named) && err.contains("r.example/x/redis:5"),
            "{err}"
        );
    }
    with("  cache: { image: '${IMAGE}' }\n");
    let (_, err) = expect(1, folder.path(), &["bundle"]);
    assert!(err.contains("not literal"), "{err}");
}
