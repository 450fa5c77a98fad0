//! `pack load` into an engine that keeps images in containerd: one stream, and what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Output;

use crate::support::images::{Layers, Made, docker_archive, gzip, image, layer, oci};
use crate::support::{BUNDLE, expect, file, json_of_output, pack, portable, stand_in, texts};
use serde_json::Value;

/// An engine that keeps what it was sent, and has under each name what the stream says; `ids` has what it has already.
const ENGINE: &str = r#"case "$*" in
load*) echo >>loads; exec cat >loaded.tar ;;
info*) echo '[["driver-type","io.containerd.snapshotter.v1"]]' ;;
"image ls"*) cat ids ;;
"image inspect"*)
    shift 4
    for name; do
        id=$(tar -xOf loaded.tar index.json | tr '{' '\n' | grep -A 1 "image.name\":\"docker.io/$name\"" |
            grep -o 'sha256:[0-9a-f]*' | head -n 1)
        [ -n "$id" ] || exit 1
        echo "$id {\"Layers\":[]}"
    done
    ;;
esac"#;

fn load(folder: &Path, what: &[&str]) -> Output {
    let path = stand_in(folder, "docker", ENGINE);
    pack(folder).arg("load").args(what).env("PATH", path).output().expect("pack runs")
}

/// Every member of what was sent.
fn sent(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let archive = fs::read(folder.join("loaded.tar")).expect("it was sent something");
    let mut members = BTreeMap::new();
    for member in tar::Archive::new(&archive[..]).entries().expect("tar") {
        let mut member = member.expect("a member");
        let name = member.path().expect("a path").display().to_string();
        let mut content = Vec::new();
        member.read_to_end(&mut content).expect("memory");
        assert!(members.insert(name.clone(), content).is_none(), "{name} is there twice");
    }
    members
}

fn two() -> [Made; 2] {
    let base = layer(1, 90_000);
    [image("probe/one:1", vec![base.clone(), layer(2, 40_000)]), image("probe/two:1", vec![base, layer(3, 20_000)])]
}

fn product() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [one, two] = two();
    let archives = [
        file("one.tar", "image", docker_archive(&[one])),
        file("two.tar.gz", "image", gzip(&docker_archive(&[two]), 6)),
    ];
    portable(folder.path(), &archives);
    expect(0, folder.path(), &["bundle"]);
    fs::write(folder.path().join("ids"), "").expect("written");
    folder
}

#[test]
fn one_stream_brings_every_image_and_each_blob_once() {
    let folder = product();
    for what in [BUNDLE, "probe-portable"] {
        let output = load(folder.path(), &[what]);
        assert_eq!(output.status.code(), Some(0), "{what}: {}", texts(&output).1);
        let loads = fs::read_to_string(folder.path().join("loads")).expect("it was asked");
        assert_eq!(loads.lines().count(), 1, "{what}");
        fs::remove_file(folder.path().join("loads")).expect("removed");
        let members = sent(folder.path());
        for made in two() {
            for blob in made.layers.iter().chain([&made.config]) {
                let path = format!("blobs/sha256/{}", pack::digest::Digest::of(blob).hex());
                assert_eq!(members.get(&path), Some(blob), "{what}: {path}");
            }
        }
        // Three layers, two configs, two manifests, and what says that it is a layout.
        assert_eq!(members.len(), 9, "{what}: {:?}", members.keys());
        let index: Value = serde_json::from_slice(&members["index.json"]).expect("JSON");
        let names: Vec<&str> = index["manifests"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|it| it["annotations"]["io.containerd.image.name"].as_str())
            .collect();
        assert_eq!(names, ["docker.io/probe/one:1", "docker.io/probe/two:1"], "{what}");
    }
}

#[test]
fn the_layers_of_an_image_that_is_there_are_not_sent_again() {
    let folder = product();
    assert_eq!(load(folder.path(), &[BUNDLE]).status.code(), Some(0));
    let all = sent(folder.path());
    let index: Value = serde_json::from_slice(&all["index.json"]).expect("JSON");
    let id = index["manifests"][0]["digest"].as_str().expect("a digest");
    fs::write(folder.path().join("ids"), format!("{id}\n")).expect("written");
    let output = load(folder.path(), &[BUNDLE, "--json"]);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert_eq!(json_of_output(&out)["loaded"].as_array().map(Vec::len), Some(2), "{out}");
    // Its documents are: they set its names, and have it unpacked where that was broken off.
    let members = sent(folder.path());
    let left_out: Vec<&String> = all.keys().filter(|name| !members.contains_key(*name)).collect();
    let expected: Vec<String> =
        two()[0].layers.iter().map(|layer| format!("blobs/sha256/{}", pack::digest::Digest::of(layer).hex())).collect();
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(expected.iter().all(|name| left_out.contains(&name)), "{left_out:?}");
}

/// containerd would take the names of a layout from annotations that few tools write.
#[test]
fn an_archive_that_goes_as_it_is_has_dockers_list_and_is_no_layout() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = gzip(&oci(&two(), Layers::Zstd, false), 6);
    portable(folder.path(), &[file("both.tar.gz", "image", archive)]);
    expect(0, folder.path(), &["bundle", "--compression", "fast"]);
    fs::write(folder.path().join("ids"), "").expect("written");
    load(folder.path(), &[BUNDLE]);
    let members = sent(folder.path());
    assert!(members.contains_key("manifest.json") && !members.contains_key("oci-layout"), "{:?}", members.keys());
}
