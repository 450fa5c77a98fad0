//! What a product names is packed with it: told while bundling, not on site.

use crate::support::images::{docker_archive, gzip, image, layer};
use crate::support::{expect, file, portable};

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
