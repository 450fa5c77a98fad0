//! Images of an engine as sources. Nothing asks it: `pack lock` does.

use super::{done, listed, refused, write};

const COMPOSE: &str =
    "version: \"3.7\"\nservices:\n  web: { image: \"shop/web:${TAG:-1}\", build: . }\n  db: { image: \"redis:6\" }\n";

#[test]
fn an_image_of_an_engine_is_that_of_the_stack_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), &[("compose.yaml", COMPOSE)]);
    let words = ["init", "--platform", "amd64", "compose.yaml", "docker-daemon:docker.io/shop/web:1"];
    let document = done(folder.path(), &words);
    let expected = [
        "product.yaml product product.yaml",
        "compose.yaml stack compose.yaml",
        "images/redis-6.tar image linux/amd64 oci://docker.io/library/redis:6",
        "images/web-1.tar image linux/amd64 docker-daemon:docker.io/shop/web:1",
    ];
    assert_eq!(listed(folder.path()), expected);
    let notes = document["notes"].to_string();
    assert!(!notes.contains("is built"), "{notes}");
    // Without it, the note says how.
    let other = tempfile::tempdir().expect("a temporary folder");
    write(other.path(), &[("compose.yaml", COMPOSE)]);
    let notes = done(other.path(), &["init", "compose.yaml"])["notes"].to_string();
    assert!(
        notes.contains("'web' is built") && notes.contains("docker-daemon:shop/web:1 as one more source"),
        "{notes}"
    );
}

#[test]
fn an_image_of_an_engine_is_added_once_and_has_its_name_for_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    done(folder.path(), &["init", "--platform", "amd64", "docker-daemon:web:1", "docker-daemon:web:1"]);
    done(folder.path(), &["add", "--platform", "arm64", "docker-daemon:web:1"]);
    write(folder.path(), &[("compose.yaml", "services:\n  web: { image: \"web:1\", build: . }\n")]);
    let notes = done(folder.path(), &["add", "--platform", "arm64", "compose.yaml"])["notes"].to_string();
    assert!(!notes.contains("is built"), "{notes}");
    let expected = [
        "images/web-1.tar image linux/amd64 docker-daemon:web:1",
        "images/library-web-1.tar image linux/arm64 docker-daemon:web:1",
        "compose.yaml stack compose.yaml",
        "product.yaml product product.yaml",
    ];
    let mut found = listed(folder.path());
    found[2..].sort();
    assert_eq!(found, expected);
    for again in ["docker-daemon:docker.io/library/web:1", "web:1"] {
        let err = refused(1, folder.path(), &["add", "--platform", "amd64", again]);
        assert!(err.contains("already") && err.contains("images/web-1.tar"), "{err}");
    }
    for wrong in ["docker-daemon:web", "docker-daemon://web:1", "docker-daemon:Web:1"] {
        assert!(refused(2, folder.path(), &["add", wrong]).contains("docker-daemon:redis:6.2"), "{wrong}");
    }
}
