//! What `docker load` of a real engine takes, `pack` takes, or says what it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::engine::Engine;
use crate::support::images::{Made, Member, docker_archive, gzip, image, layer, tar};
use crate::support::{BUNDLE, PACK, PACK_SITE, expect, file, portable, run, skip, texts, through};
use pack::digest::Digest;
use serde_json::{Value, json};

/// Loads `what` in `folder` with this program, and takes the image away again; its ID as the engine tells it.
fn loaded_by(program: &str, folder: &Path, what: &str, engine: &Engine, tag: &str) -> String {
    let output =
        Command::new(program).args(["load", what]).current_dir(folder).env("DOCKER_HOST", engine.host()).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{program} {what} {tag}: {}", texts(&output).1);
    let id = engine.ask(&["image", "inspect", "--format", "{{.Id}}", tag]);
    engine.ask(&["image", "rm", tag]);
    id
}

/// `FROM scratch` with nothing but labels, as several tools write that.
#[test]
fn an_image_without_layers_is_loaded_and_has_its_id() {
    let Some(engine) = Engine::start() else { return };
    let forms = [
        ("list", json!({ "type": "layers", "diff_ids": [] }), json!([])),
        ("null", json!({ "type": "layers", "diff_ids": null }), json!(null)),
        ("absent", json!({ "type": "layers" }), json!([])),
    ];
    for (form, rootfs, layers) in forms {
        let tag = format!("probe/{form}:1");
        let config: Value =
            json!({ "architecture": "amd64", "os": "linux", "config": { "Labels": { "a": "b" } }, "rootfs": rootfs });
        let config = config.to_string().into_bytes();
        let (id, path) = (Digest::of(&config).to_string(), format!("{}.json", Digest::of(&config).hex()));
        let list = json!([{ "Config": path, "RepoTags": [tag], "Layers": layers }]).to_string().into_bytes();
        let archive = tar(&[("manifest.json", Member::File(&list)), (&path, Member::File(&config))]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        // As blobs, and as it is.
        for (archive, words) in [(archive.clone(), &[][..]), (gzip(&archive, 6), &["--compression", "fast"])] {
            portable(folder.path(), &[file("a.tar", "image", archive)]);
            expect(0, folder.path(), &[&["bundle"], words].concat());
            for (program, what) in [(PACK, BUNDLE), (PACK_SITE, BUNDLE), (PACK, "probe-portable")] {
                assert_eq!(loaded_by(program, folder.path(), what, &engine, &tag), id, "{form} {program} {what}");
            }
        }
    }
}

/// One image of one layer.
fn one() -> Made {
    image("probe/as-written:1", vec![layer(1, 50_000)])
}

/// The archive of that, its layer or all of it by one of the compressions that Engine 20.10 reads.
fn written() -> Option<Vec<(&'static str, &'static str, Vec<u8>)>> {
    let packed_layer = |by: &dyn Fn(&[u8]) -> Option<Vec<u8>>| {
        let made = one();
        let layer = by(&made.layers[0])?;
        let config = format!("{}.json", made.id().hex());
        let list = json!([{ "Config": config, "RepoTags": [made.tag], "Layers": ["layer.tar"] }]).to_string();
        let members = [
            ("layer.tar", Member::File(&layer)),
            (config.as_str(), Member::File(&made.config)),
            ("manifest.json", Member::File(list.as_bytes())),
        ];
        Some(tar(&members))
    };
    let plain = docker_archive(&[one()]);
    let mut written = vec![("plain", "", plain.clone())];
    for (name, refused) in [("gzip", ""), ("xz", ""), ("bzip2", "bzip2")] {
        written.push((name, refused, through(name, &["-c"], &plain)?));
    }
    for (name, refused) in [("gzip", ""), ("xz", "xz"), ("bzip2", "bzip2")] {
        written.push((name, refused, packed_layer(&|bytes| through(name, &["-c"], bytes))?));
    }
    Some(written)
}

#[test]
fn what_an_engine_takes_is_taken_or_named() {
    let Some(engine) = Engine::start() else { return };
    let Some(written) = written() else { return skip("gzip, xz and bzip2 are not all installed") };
    for (name, refused, archive) in written {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("a.tar"), &archive).expect("written");
        let path = folder.path().join("a.tar");
        engine.ask(&["load", "--quiet", "--input", path.to_str().expect("UTF-8")]);
        engine.ask(&["image", "rm", &one().tag]);
        portable(folder.path(), &[file("a.tar", "image", archive)]);
        if refused.is_empty() {
            expect(0, folder.path(), &["bundle"]);
            for (program, what) in [(PACK_SITE, BUNDLE), (PACK, "probe-portable")] {
                let id = loaded_by(program, folder.path(), what, &engine, &one().tag);
                assert_eq!(id, one().id().to_string(), "{name} {what}");
            }
            continue;
        }
        for words in [&["bundle"][..], &["load", "probe-portable"]] {
            let output = run(folder.path(), words);
            let (_, err) = texts(&output);
            assert_eq!(output.status.code(), Some(1), "{name} {words:?}: {err}");
            let named = format!("compressed with {refused}");
            for said in [named.as_str(), "artifact: a.tar", "read", "hint: ", "docker save", "pack lock"] {
                assert!(err.contains(said), "{name} {words:?}: {said}: {err}");
            }
            assert!(!err.contains("damaged"), "{name} {words:?}: {err}");
        }
    }
}
