//! Stack and Compose files as sources: their images, the description of the product beside them, and what is refused.

use std::fs;

use super::{done, listed, refused, write};
use crate::support::expect;
use crate::support::images::{docker_archive, image, layer};
use pack::product::{OptionType, Product};

const COMPOSE: &str = "name: Guest_Book
version: \"3.7\"
x-db: &db
  image: mysql:${MYSQL:-8.0}
services:
  db:
    <<: *db
    volumes: [\"${installDir}/data/db:/var/lib/mysql\"]
  cache: { image: redis }
  web:
    image: r.example:5000/shop/web:1.2
    build: .
    ports: [\"${PORT:-8080}:80\"]
    volumes: [\"./conf:/conf:ro\", named:/x]
    env_file: .env
  again: { image: \"docker.io/library/mysql:8.0\" }
";

#[test]
fn every_image_of_a_compose_file_is_an_artifact_and_a_product_is_begun() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &[("compose.yaml", COMPOSE)]);
    let document = done(folder.path(), &["init", "--platform", "amd64", "compose.yaml"]);
    let expected = [
        "product.yaml product product.yaml",
        "compose.yaml stack compose.yaml",
        "images/redis-latest.tar image linux/amd64 oci://docker.io/library/redis:latest",
        "images/mysql-8.0.tar image linux/amd64 oci://docker.io/library/mysql:8.0",
        "images/web-1.2.tar image linux/amd64 oci://r.example:5000/shop/web:1.2",
    ];
    let mut sorted = (listed(folder.path()), expected.map(str::to_owned).to_vec());
    assert_eq!(sorted.0[..2], sorted.1[..2], "what is read first stands first");
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1);
    assert_eq!((&document["name"], &document["product"]), (&"guest_book".into(), &"product.yaml".into()));
    assert_eq!(document["run"], serde_json::Value::Null);
    let notes = document["notes"].to_string();
    for note in ["'web' is built", "'web' uses ./conf", "'web' uses .env"] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
    assert!(!notes.contains("'version'"), "{notes}");
    let text = fs::read_to_string(folder.path().join("product.yaml")).expect("written");
    let product = Product::parse(&text, "product.yaml").expect("valid");
    assert_eq!(product.options["PORT"].kind, OptionType::Port);
    assert!(!product.options.contains_key("MYSQL"), "an image is what it is");
    assert_eq!(product.folders[0].path.as_str(), "data/db");
    assert_eq!((product.stack.as_str(), product.title.as_str()), ("compose.yaml", "guest_book"));
}

#[test]
fn a_product_that_is_there_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(
        folder.path(),
        &[("in/compose.yml", "services: { a: { image: \"x:1\" } }\n"), ("in/product.yaml", "mine: true\n")],
    );
    let document = done(folder.path(), &["init", "in/compose.yml"]);
    assert_eq!(fs::read_to_string(folder.path().join("in/product.yaml")).expect("read"), "mine: true\n");
    assert_eq!(document["product"], serde_json::Value::Null);
    let notes = document["notes"].to_string();
    assert!(notes.contains("product.yaml is there already") && notes.contains("has no 'version'"), "{notes}");
    assert_eq!(listed(folder.path())[0], "in/product.yaml product in/product.yaml");
}

#[test]
fn what_lies_in_an_archive_is_not_asked_of_a_registry() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(
        folder.path(),
        &[
            (
                "release/stack.yaml",
                "version: \"3\"\nservices: { web: { image: \"shop/web:1\" }, db: { image: \"db:1\" } }\n",
            ),
            ("release/override.yaml", "services: { web: { command: x } }\n"),
            (
                "release/product.yaml",
                "schemaVersion: 1\ntitle: X\nstack: release/stack.yaml\ninstallDir: /srv/x\nservices: { db: { store: true } }\n",
            ),
        ],
    );
    let archive = docker_archive(&[image("shop/web:1", vec![layer(1, 5_000)])]);
    fs::write(folder.path().join("release/web.tar"), &archive).expect("written");
    let document = done(folder.path(), &["init", "--name", "p", "--platform", "amd64", "release"]);
    let expected = [
        "release/override.yaml file release/override.yaml",
        "release/product.yaml product release/product.yaml",
        "release/stack.yaml stack release/stack.yaml",
        "images/db-1.tar image linux/amd64 oci://docker.io/library/db:1",
        "release/web.tar image linux/amd64 release/web.tar",
    ];
    let mut sorted = listed(folder.path());
    assert_eq!(sorted.len(), expected.len());
    sorted.retain(|line| !expected.contains(&line.as_str()));
    assert_eq!(sorted, [""; 0]);
    let notes = document["notes"].to_string();
    assert!(notes.contains("override.yaml is taken as a file"), "{notes}");
    // The same with the archive in the manifest before.
    let other = tempfile::tempdir().expect("a temporary folder");
    write(other.path(), &[("stack.yaml", "services: { web: { image: \"shop/web:1\" } }\n")]);
    fs::write(other.path().join("web.tar"), &archive).expect("written");
    expect(0, other.path(), &["init", "--name", "p", "web.tar"]);
    expect(0, other.path(), &["add", "stack.yaml"]);
    assert_eq!(listed(other.path()).len(), 3, "{:?}", listed(other.path()));
}

#[test]
fn a_stack_file_that_cannot_be_carried_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let digest = "ab".repeat(32);
    for (services, why) in [
        (
            "  web: { build: . }\n  job:\n    build: { context: . }\n  ok: { image: \"x:1\" }\n",
            &["web", "job", "docker compose -f in/c.yaml build"][..],
        ),
        (
            "  web:\n    init: true\n    image: shop/web:${TAG}\n",
            &["web", "line: 4", "shop/web:${TAG}", "shop/web:${TAG:-1.0}"],
        ),
        ("  web: { image: \"$IMAGE\" }\n", &["web", "line: 2", "behind ':-'"]),
        ("  web: { image: \"shop/web:${TAG:?needed}\" }\n", &["web", "without a default"]),
        ("  web: { image: \"Shop:1\" }\n", &["web", "lower-case"]),
        ("  web: { command: x }\n", &["web", "no image"]),
        ("  web: { image: \"x:1\", command: \"$HOME\" }\n", &["'$$'"]),
        ("  web: { image: \"Host/x:1\" }\n", &["web", "names no registry"]),
        (&format!("  web: {{ image: \"x:1@sha256:{digest}\" }}\n"), &["web", "by its digest", "by its tag alone"]),
        (" {}\n", &["services"]),
    ] {
        write(folder.path(), &[("in/c.yaml", &format!("services:\n{services}"))]);
        let err = refused(1, folder.path(), &["init", "in/c.yaml"]);
        assert!(why.iter().all(|why| err.contains(why)), "{services}: {err}");
        assert!(!folder.path().join("manifest.json").exists() && !folder.path().join("in/product.yaml").exists());
    }
}
