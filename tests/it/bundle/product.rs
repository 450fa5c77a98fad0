//! What a product names is packed with it: told while bundling, not on site.

use std::fs;

use pack::digest::Digest;
use serde_json::json;

use crate::support::images::{docker_archive, gzip, image, image_for, layer};
use crate::support::{PACK, expect, file, portable};

const STACK: &str = "version: \"3.4\"\nservices:\n  web:\n    image: probe/web:1\n";

/// `pack bundle` of a product described so, beside its stack, a hook and an engine.
fn bundled(code: i32, product: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let described = format!("schemaVersion: 1\ntitle: Probe\nstack: stack.yaml\ninstallDir: /srv/probe\n{product}");
    let files = [
        file("product.yaml", "product", described),
        file("stack.yaml", "stack", STACK),
        file("hook.sh", "script", "#!/bin/sh\n"),
        file("engine.tgz", "engine", gzip(b"an engine", 6)),
        file("web.tar.gz", "image", gzip(&docker_archive(&[image("probe/web:1", vec![layer(1, 5_000)])]), 6)),
    ];
    portable(folder.path(), &files);
    expect(code, folder.path(), &["bundle", "-o", "x.run", "probe-portable"]).1
}

#[test]
fn what_a_product_names_and_does_not_have_is_told() {
    bundled(0, "engines: [{ artifact: engine.tgz, cgroup: v1, kernel: \"3.10\" }]\nhooks: { doctor: hook.sh }\n");
    for (product, why) in [
        ("engines: [{ artifact: other.tgz }]\n", "engines: other.tgz is no artifact of kind 'engine'"),
        ("engines: [{ artifact: stack.yaml }]\n", "engines: stack.yaml is no artifact of kind 'engine'"),
        ("hooks: { doctor: other.sh }\n", "the hook 'doctor' is to be other.sh"),
        ("services: { db: { store: true } }\n", "the stack has no service 'db'"),
        ("gate: { probes: [{ service: db, command: [x] }] }\n", "the stack has no service 'db'"),
        ("engines: [{ artifact: engine.tgz, unit: hook.sh }]\n", "engines: hook.sh is no artifact of kind 'unit'"),
        ("engines: [{ artifact: engine.tgz, cgroup: v3 }]\n", "v3"),
        ("engines: [{ artifact: engine.tgz, systemd: 240 }]\n", "systemd"),
    ] {
        let told = bundled(1, product);
        assert!(told.contains(why) && told.contains("product.yaml"), "{product}{told}");
    }
}

#[test]
fn each_platform_of_a_product_has_image_references_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut artifacts = Vec::new();
    let mut publish = |name: &str, kind: &str, platform: Option<&str>, content: &[u8]| {
        let url = platform.map_or_else(|| name.to_owned(), |platform| format!("{platform}-{name}"));
        fs::write(folder.path().join(&url), content).expect("written");
        let mut artifact = json!({ "name": name, "kind": kind, "urls": [url], "size": content.len(),
            "digest": Digest::of(content) });
        if let Some(platform) = platform {
            artifact["platform"] = format!("linux/{platform}").into();
        }
        artifacts.push(artifact);
    };
    publish(
        "product.yaml",
        "product",
        None,
        b"schemaVersion: 1\ntitle: Probe\nstack: stack.yaml\ninstallDir: /srv/probe\n",
    );
    for (platform, reference) in [("amd64", "probe/web:1"), ("arm64", "probe/web-arm:7")] {
        let stack = STACK.replace("probe/web:1", reference);
        let image = image_for(platform, reference, vec![layer(1, 5_000)]);
        publish("stack.yaml", "stack", Some(platform), stack.as_bytes());
        publish("web.tar.gz", "image", Some(platform), &gzip(&docker_archive(&[image]), 6));
    }
    let manifest = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "artifacts": artifacts });
    fs::write(folder.path().join("manifest.json"), manifest.to_string()).expect("written");
    // A program for arm64: the header of ELF, 64 bits, with no segments.
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(64, 0);
    (program[16], program[18], program[20], program[52]) = (2, 183, 1, 64);
    fs::write(folder.path().join("program"), program).expect("written");
    for (platform, runtime, reference) in [("amd64", PACK, "probe/web:1"), ("arm64", "program", "probe/web-arm:7")] {
        let bundle = format!("{platform}.run");
        expect(0, folder.path(), &["download", "--platform", platform, "--dir", platform, "manifest.json"]);
        expect(0, folder.path(), &["bundle", "--platform", platform, "--runtime", runtime, "-o", &bundle, platform]);
        assert_eq!(
            expect(0, folder.path(), &["cat", &bundle, "stack.yaml"]).0,
            STACK.replace("probe/web:1", reference)
        );
        let shown = expect(0, folder.path(), &["inspect", &bundle]).0;
        assert!(shown.contains(reference), "{shown}");
    }
}
