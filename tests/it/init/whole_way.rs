//! The whole way, with the commands that each step prints: a Compose file becomes a bundle.

use std::fs;

use crate::support::images::{docker_archive, gzip, image, layer};
use crate::support::registry::{Documents, pack_without_logins};
use crate::support::{json_of_output, texts};
use serde_json::Value;

use super::write;

#[test]
fn a_compose_file_becomes_a_bundle_with_the_commands_that_are_printed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let web = image("web:1", vec![layer(1, 30_000), layer(2, 4_000)]);
    let server = Documents::of(&web, |layer| gzip(layer, 6)).serve();
    let registry = server.address();
    let compose = format!(
        "version: \"3.7\"\nservices:\n  web:\n    image: {registry}/shop/web:${{TAG:-1}}\n    ports: [\"${{PORT:-8080}}:80\"]\n    \
         environment: {{ LEVEL: \"${{LEVEL}}\" }}\n  job:\n    image: probe/job:1\n"
    );
    write(folder.path(), &[("shop/compose.yaml", &compose)]);
    let shop = folder.path().join("shop");
    let job = image("probe/job:1", vec![layer(2, 4_000), layer(3, 4_000)]);
    fs::write(shop.join("job.tar.gz"), gzip(&docker_archive(&[job]), 6)).expect("written");
    let said = |words: &[&str]| -> Value {
        let output = pack_without_logins(&shop, &[words, &["--json"]].concat())
            .env("XDG_CACHE_HOME", folder.path().join("cache"))
            .output()
            .expect("pack runs");
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "pack {words:?}\n{out}\n{err}");
        json_of_output(&out)
    };
    let begun = said(&["init", "--platform", "amd64", "compose.yaml", "job.tar.gz"]);
    for next in begun["next"].as_array().expect("a list") {
        let line: Vec<&str> = next.as_str().expect("text").split(' ').collect();
        assert_eq!(line[0], "pack");
        said(&if line[1] == "bundle" { [&line[1..], &["--platform", "amd64"]].concat() } else { line[1..].to_vec() });
    }
    let bundle = "shop-1.0.0-x86_64.run";
    said(&["verify", bundle]);
    let shown = said(&["inspect", bundle]);
    let names: Vec<&str> =
        shown["index"]["artifacts"].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["product.yaml", "compose.yaml", "images/web-1.tar", "job.tar.gz"]);
}
