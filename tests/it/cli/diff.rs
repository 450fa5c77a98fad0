//! What differs between two versions, each a manifest, a folder or a bundle.

use std::fs;
use std::path::Path;

use crate::support::craft::with_index;
use crate::support::images::{Layers, Made, docker_archive, docker_legacy, gzip, image, image_for, layer, oci};
use crate::support::{File, expect, file, json_of_output, manifest, noise, write_product};
use pack::digest::Digest;
use serde_json::{Value, json};

/// Makes the folder `name` of that version.
fn product(here: &Path, name: &str, version: &str, files: &[File]) {
    fs::create_dir_all(here.join(name)).expect("a folder");
    write_product(&here.join(name), version, files);
}

/// Makes the folder `name` and a bundle of it, `name.run`.
fn bundled(here: &Path, name: &str, version: &str, files: &[File]) {
    product(here, name, version, files);
    expect(0, here, &["bundle", "-q", "--platform", "amd64", name, "-o", &format!("{name}.run")]);
}

fn diff(here: &Path, words: &[&str]) -> Value {
    json_of_output(&expect(0, here, &[&["diff", "--json"], words].concat()).0)
}

fn states(list: &Value, name: &str) -> Vec<(String, String)> {
    let text = |one: &Value| one.as_str().unwrap_or("-").to_owned();
    list.as_array().expect("a list").iter().map(|one| (text(&one["state"]), text(&one[name]))).collect()
}

fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(state, name)| ((*state).to_owned(), (*name).to_owned())).collect()
}

fn small(text: &str) -> Vec<File> {
    vec![file("run.sh", "script", "#!/bin/sh\n"), file("changes", "file", text), file("stays", "file", noise(1, 3_000))]
}

/// Two images on one base in one archive; in `new` the first has another upper layer.
fn images(new: bool) -> [Made; 2] {
    let base = layer(1, 300_000);
    let upper = if new { layer(4, 50_000) } else { layer(2, 40_000) };
    [image("probe/app:1", vec![base.clone(), upper]), image("probe/db:1", vec![base, layer(3, 20_000)])]
}

fn with_images(new: bool) -> Vec<File> {
    let [app, db] = images(new);
    vec![
        file("run.sh", "script", "#!/bin/sh\n"),
        file("app.tar.gz", "image", gzip(&docker_legacy(&[app]), 6)),
        file("db.tar", "image", oci(&[db], Layers::Gzip, true)),
    ]
}

fn sizes(layers: &[&Vec<u8>]) -> Vec<Value> {
    layers.iter().map(|layer| json!({ "diffId": Digest::of(layer), "size": layer.len() })).collect()
}

#[test]
fn two_manifests_differ_in_what_is_added_removed_changed_and_moved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    let mut old = small("12345");
    old.extend([file("goes", "file", "1"), file("before", "file", noise(5, 700)), file("i.tar", "image", "a")]);
    let mut new = small("1234567");
    // The last has bytes that somebody with the old one has.
    new.extend([file("comes", "file", noise(6, 90)), file("after", "file", noise(5, 700)), file("copy", "file", "1")]);
    new.push(file("goes", "file", "1"));
    old.push(file("really-goes", "file", "22"));
    new.push(file("i.tar", "image", "bc"));
    fs::write(here.join("old.json"), manifest("1.0.0", &old).to_string()).expect("written");
    fs::write(here.join("new.json"), manifest("1.1.0", &new).to_string()).expect("written");
    let found = diff(here, &["old.json", "new.json"]);
    let expected = [
        ("unchanged", "run.sh"),
        ("changed", "changes"),
        ("unchanged", "stays"),
        ("added", "comes"),
        ("moved", "after"),
        ("added", "copy"),
        ("unchanged", "goes"),
        ("changed", "i.tar"),
        ("removed", "really-goes"),
    ];
    assert_eq!(states(&found["artifacts"], "name"), of(&expected));
    let changed = &found["artifacts"][1];
    assert_eq!((&changed["old"]["size"], &changed["new"]["size"]), (&json!(5), &json!(7)));
    assert_eq!(changed["old"]["digest"], json!(Digest::of(b"12345")));
    assert_eq!(found["artifacts"][4]["old"]["name"], "before");
    assert_eq!((&found["artifacts"][3]["old"], &found["artifacts"][8]["new"]), (&Value::Null, &Value::Null));
    assert_eq!(found["same"], false);
    for (side, version) in [("old", "1.0.0"), ("new", "1.1.0")] {
        let side = &found[side];
        assert_eq!((&side["form"], &side["name"]), (&json!("manifest"), &json!("probe")));
        assert_eq!((&side["version"], &side["platform"]), (&json!(version), &Value::Null));
        assert_eq!((&side["imagesUnknown"], &side["signature"]["state"]), (&json!("noFiles"), &json!("none")));
    }
    // What moved, and what lies there under another name, is not carried again.
    let carry = json!({ "files": 3, "bytes": 7 + 90 + 2, "sizeUnknown": [], "bytesWithoutKnownLayers": null });
    assert_eq!(found["carry"], carry);
    assert_eq!((&found["images"], &found["layers"]), (&Value::Null, &Value::Null));
    let (out, _) = expect(0, here, &["diff", "old.json", "new.json"]);
    for line in [
        "old       probe 1.0.0, the manifest old.json, not signed\n",
        "artifacts 2 added, 1 removed, 2 changed, 1 moved, 3 unchanged\n",
        "images    unknown: a manifest alone does not say what is in its archives\n",
        "layers    unknown: ",
        "to carry  99 B in 3 files\n",
        "was before",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
}

#[test]
fn the_same_twice_differs_in_nothing_whatever_form_it_has() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    bundled(here, "p", "1.0.0", &with_images(false));
    let forms = ["p", "p.run", "p/manifest.json"];
    for (old, new) in forms.iter().flat_map(|old| forms.iter().map(move |new| (*old, *new))) {
        let found = diff(here, &[old, new]);
        assert_eq!(found["same"], true, "{old} {new}");
        assert!(states(&found["artifacts"], "name").iter().all(|(state, _)| state == "unchanged"), "{found}");
        assert_eq!((&found["carry"]["files"], &found["carry"]["bytes"]), (&json!(0), &json!(0)));
        let is_known = !(old.ends_with("json") || new.ends_with("json"));
        assert_eq!(found["layers"].is_null(), !is_known, "{old} {new}");
        if is_known {
            assert!(states(&found["images"], "reference").iter().all(|(state, _)| state == "unchanged"), "{found}");
            assert_eq!((&found["layers"]["added"], &found["layers"]["removed"]), (&json!([]), &json!([])));
            assert_eq!(found["carry"]["bytesWithoutKnownLayers"], 0);
        }
    }
    let (out, _) = expect(0, here, &["diff", "p", "p.run"]);
    assert!(out.contains("to carry  nothing: every file is there\n") && !out.contains("IMAGE"), "{out}");
    assert!(!here.join("p/.pack").exists(), "a reader leaves no trace");
}

#[test]
fn bundles_whose_images_share_layers_differ_in_a_layer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    bundled(here, "a", "1.0.0", &with_images(false));
    bundled(here, "b", "1.1.0", &with_images(true));
    let [old, _] = images(false);
    let [new, db] = images(true);
    let archive = gzip(&docker_legacy(std::slice::from_ref(&new)), 6).len() as u64;
    // Bundles and folders know the same.
    for words in [["a.run", "b.run"], ["a", "b.run"], ["a.run", "b"], ["a", "b"]] {
        let found = diff(here, &words);
        let expected = [("unchanged", "run.sh"), ("changed", "app.tar.gz"), ("unchanged", "db.tar")];
        assert_eq!(states(&found["artifacts"], "name"), of(&expected), "{words:?}");
        let expected = [("changed", "probe/app:1"), ("unchanged", "probe/db:1")];
        assert_eq!(states(&found["images"], "reference"), of(&expected), "{words:?}");
        let app = &found["images"][0];
        assert_eq!((&app["old"], &app["new"]), (&json!(old.id()), &json!(new.id())));
        assert_eq!(app["newLayers"], json!({ "count": 1, "size": new.layers[1].len() }));
        let layers = &found["layers"];
        assert_eq!(layers["added"], json!(sizes(&[&new.layers[1]])), "{words:?}");
        assert_eq!(layers["removed"], json!(sizes(&[&old.layers[1]])), "{words:?}");
        assert_eq!(layers["unchanged"], json!(sizes(&[&new.layers[0], &db.layers[1]])), "{words:?}");
        let own = new.layers[1].len() as u64;
        assert!(own < archive, "{own} {archive}");
        let carry = json!({ "files": 1, "bytes": archive, "sizeUnknown": [], "bytesWithoutKnownLayers": own });
        assert_eq!(found["carry"], carry, "{words:?}");
        assert_eq!(found["old"]["platform"], "linux/amd64");
    }
    let (out, _) = expect(0, here, &["diff", "a.run", "b.run", "-v"]);
    let id = Digest::of(&new.layers[1]).to_string();
    assert!(out.contains("images    1 changed, 1 unchanged\n") && out.contains("without the layers"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("added ") && line.ends_with(&id)), "{out}");
}

#[test]
fn an_archive_is_counted_whole_where_its_own_layers_are_more() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    let archive = |made: &[Made]| gzip(&docker_archive(made), 9);
    let all_new = image("probe/new:1", vec![layer(7, 200_000)]);
    let [app, db] = images(true);
    bundled(here, "a", "1.0.0", &[file("a.tar.gz", "image", archive(std::slice::from_ref(&app)))]);
    let whole = archive(std::slice::from_ref(&all_new));
    assert!(whole.len() < all_new.layers[0].len());
    let new = [
        file("a.tar.gz", "image", archive(&[app.clone(), db.clone()])),
        // A layer that another archive brings is not counted again.
        file("again.tar", "image", docker_archive(&[Made { tag: "probe/again:1".to_owned(), ..db.clone() }])),
        file("b.tar.gz", "image", whole.clone()),
        file("notes", "file", "0123456789"),
    ];
    bundled(here, "b", "1.1.0", &new);
    let carry = &diff(here, &["a.run", "b.run"])["carry"];
    let bytes: usize = new.iter().map(|file| file.content.len()).sum();
    assert_eq!((&carry["files"], &carry["bytes"]), (&json!(4), &json!(bytes)));
    assert_eq!(carry["bytesWithoutKnownLayers"], json!(db.layers[1].len() + whole.len() + 10));
    // Back, all is there: an image is gone, and another has lost its second name.
    let found = diff(here, &["b.run", "a.run"]);
    let expected = [
        ("unchanged", "probe/app:1"),
        ("removed", "probe/db:1"),
        ("removed", "probe/again:1"),
        ("removed", "probe/new:1"),
    ];
    assert_eq!(states(&found["images"], "reference"), of(&expected));
    assert_eq!(found["carry"]["bytesWithoutKnownLayers"], 0);
}

#[test]
fn what_only_one_side_knows_is_unknown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    bundled(here, "a", "1.0.0", &with_images(false));
    bundled(here, "b", "1.1.0", &with_images(true));
    let found = diff(here, &["a/manifest.json", "b.run"]);
    assert_eq!((&found["old"]["imagesUnknown"], &found["new"]["imagesUnknown"]), (&json!("noFiles"), &Value::Null));
    assert_eq!((&found["images"], &found["layers"]), (&Value::Null, &Value::Null));
    assert_eq!(found["carry"]["bytesWithoutKnownLayers"], Value::Null);
    // Without archives of images a manifest knows them all: there are none.
    product(here, "c", "1.0.0", &small("x"));
    let found = diff(here, &["c/manifest.json", "b.run"]);
    assert_eq!(states(&found["images"], "reference"), of(&[("added", "probe/app:1"), ("added", "probe/db:1")]));
    // A detached bundle knows what lies beside it.
    expect(0, here, &["bundle", "-q", "--detached", "--platform", "amd64", "a", "-o", "x.run"]);
    assert_eq!(diff(here, &["x.run", "b.run"])["old"]["imagesUnknown"], "notBeside");
    for name in ["app.tar.gz", "db.tar"] {
        fs::copy(here.join("a").join(name), here.join(name)).expect("copied");
    }
    assert_eq!(diff(here, &["x.run", "b.run"])["layers"], diff(here, &["a.run", "b.run"])["layers"]);
    fs::write(here.join("db.tar"), "x").expect("written");
    let (_, err) = expect(3, here, &["diff", "x.run", "b.run"]);
    assert!(err.contains("file: db.tar: ") && err.contains("hint: get each"), "{err}");
}

#[test]
fn what_is_not_pinned_is_said_as_such() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    let mut files = small("12345");
    files.push(file("i.tar", "image", docker_archive(&images(true))));
    product(here, "p", "1.0.0", &files);
    let mut made = manifest("1.1.0", &files);
    for (place, key) in [(1, "size"), (1, "digest"), (2, "size"), (3, "size"), (3, "digest")] {
        made["artifacts"][place].as_object_mut().expect("an object").remove(key);
    }
    fs::write(here.join("new.json"), made.to_string()).expect("written");
    let found = diff(here, &["p/manifest.json", "new.json"]);
    let expected = [("unchanged", "run.sh"), ("unpinned", "changes"), ("unchanged", "stays"), ("unpinned", "i.tar")];
    assert_eq!(states(&found["artifacts"], "name"), of(&expected));
    assert_eq!(found["artifacts"][1]["new"]["digest"], Value::Null);
    assert_eq!((&found["same"], &found["carry"]["files"]), (&json!(false), &json!(2)));
    let unknown = |name: &str| json!({ "name": name, "platform": null });
    assert_eq!(found["carry"]["sizeUnknown"], json!([unknown("changes"), unknown("i.tar")]));
    let (out, _) = expect(0, here, &["diff", "p/manifest.json", "new.json"]);
    assert!(out.contains("not pinned in the new one") && out.contains("2 files of unknown size"), "{out}");
    let (out, _) = expect(0, here, &["diff", "new.json", "p/manifest.json"]);
    assert!(out.contains("not pinned in the old one"), "{out}");
    // In a folder, what lies in its place need not be it.
    fs::copy(here.join("new.json"), here.join("p/manifest.json")).expect("copied");
    let found = diff(here, &["p", "p"]);
    assert_eq!((&found["old"]["imagesUnknown"], &found["same"]), (&json!("notPinned"), &json!(false)));
    assert_eq!(found["artifacts"][2]["old"]["size"], 3_000, "the size that no pin has is the file's");
}

#[test]
fn of_several_platforms_those_of_the_folder_or_bundle_count() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    let tar = |platform: &str, size| docker_archive(&[image_for(platform, "probe/app:1", vec![layer(1, size)])]);
    let of_each = |size: usize| {
        let files = [file("app.tar", "image", tar("amd64", size)), file("app.tar", "image", tar("arm64", size))];
        let mut made = manifest("1.0.0", &files);
        for (place, platform) in ["linux/amd64", "linux/arm64"].into_iter().enumerate() {
            made["artifacts"][place]["platform"] = platform.into();
        }
        (made.to_string(), files)
    };
    let (old, files) = of_each(1_000);
    fs::create_dir(here.join("p")).expect("made");
    fs::write(here.join("p/manifest.json"), old).expect("written");
    fs::write(here.join("p/app.tar"), &files[0].content).expect("written");
    fs::write(here.join("new.json"), of_each(2_000).0).expect("written");
    expect(0, here, &["bundle", "-q", "--platform", "amd64", "p", "-o", "p.run"]);
    assert_eq!(diff(here, &["p/manifest.json", "new.json"])["artifacts"].as_array().map(Vec::len), Some(2));
    let asked = diff(here, &["p/manifest.json", "new.json", "--platform", "arm64"]);
    assert_eq!(asked["artifacts"][0]["platform"], "linux/arm64");
    for words in [&["p.run", "new.json"][..], &["new.json", "p.run"], &["p", "new.json", "--platform", "x86_64"]] {
        let found = diff(here, words);
        assert_eq!(states(&found["artifacts"], "platform"), of(&[("changed", "linux/amd64")]), "{words:?}");
        assert_eq!(found["new"]["platform"], "linux/amd64");
    }
    let (_, err) = expect(2, here, &["diff", "p.run", "new.json", "--platform", "arm64"]);
    assert!(err.contains("for another platform") && err.contains("hint: leave --platform out"), "{err}");
}

#[test]
fn what_is_damaged_or_nothing_is_an_error_with_a_hint() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    bundled(here, "a", "1.0.0", &with_images(false));
    let whole = fs::read(here.join("a.run")).expect("read");
    fs::write(here.join("cut.run"), &whole[..whole.len() - 100]).expect("written");
    let mut other = whole.clone();
    let place = other.len() - 200;
    other[place] ^= 1;
    fs::write(here.join("index.run"), other).expect("written");
    fs::write(here.join("page"), "<!DOCTYPE html><html>Sign in</html>").expect("written");
    fs::write(here.join("noise"), [noise(1, 5_000), vec![0]].concat()).expect("written");
    fs::create_dir(here.join("empty")).expect("made");
    for (code, path, said) in [
        (3, "cut.run", "it was cut short"),
        (3, "index.run", "its index is not what its trailer says"),
        (1, "page", "a web page"),
        (1, "noise", "this is no bundle"),
        (1, "empty", "this folder has no manifest.json"),
        (1, "nowhere", "there is no such file or folder"),
    ] {
        for words in [["diff", path, "a.run"], ["diff", "a.run", path]] {
            let (out, err) = expect(code, here, &words);
            assert!(err.contains(said) && err.contains("\nhint: ") && out.is_empty(), "{words:?}: {out}{err}");
        }
    }
    let archive = here.join("a/app.tar.gz");
    let bytes = fs::read(&archive).expect("read");
    let same_size = gzip(&docker_legacy(&[images(false)[0].clone()]), 6);
    assert_eq!(bytes, same_size);
    let mut flipped = bytes.clone();
    // The time in gzip's header, which no content depends on.
    flipped[4] ^= 1;
    for (content, said) in [
        (flipped, "an archive of images is not what the manifest pins"),
        (bytes[..1_000].to_vec(), "file: app.tar.gz: truncated"),
    ] {
        fs::write(&archive, content).expect("written");
        let (_, err) = expect(3, here, &["diff", "a", "a.run"]);
        assert!(err.contains(said) && err.contains("hint: get what is missing or wrong with: pack download"), "{err}");
    }
    fs::remove_file(&archive).expect("removed");
    let (_, err) = expect(1, here, &["diff", "a", "a.run"]);
    assert!(err.contains("file: app.tar.gz: missing"), "{err}");
    let (out, _) = expect(1, here, &["diff", "--json", "a", "a.run"]);
    assert_eq!(json_of_output(&out)["error"]["exitCode"], 1);
}

#[test]
fn with_a_key_both_must_be_signed_by_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    product(here, "a", "1.0.0", &with_images(false));
    expect(0, here, &["keygen", "release", "--no-password"]);
    expect(0, here, &["keygen", "other", "--no-password"]);
    expect(0, here, &["sign", "a/manifest.json", "--key", "release.key"]);
    bundled(here, "b", "1.1.0", &with_images(true));
    let (out, _) = expect(0, here, &["diff", "a", "b.run"]);
    assert!(out.contains("the folder a for linux/amd64, signed, NOT checked: no key\n"), "{out}");
    expect(3, here, &["diff", "a", "b.run", "--pubkey", "release.pub"]);
    expect(0, here, &["sign", "b/manifest.json", "--key", "release.key"]);
    expect(0, here, &["bundle", "-q", "--platform", "amd64", "b", "-o", "b.run"]);
    for words in [["a", "b.run"], ["b.run", "a/manifest.json"]] {
        let found = diff(here, &[&words[..], &["--pubkey", "release.pub"]].concat());
        assert_eq!(found["old"]["signature"]["state"], "verified");
        assert_eq!(found["new"]["signature"]["state"], "verified");
        expect(3, here, &[&["diff"], &words[..], &["--pubkey", "other.pub"]].concat());
    }
    // What only the index says is proved, not believed.
    with_index(&here.join("b.run"), |index| index["images"][0]["tags"][0] = "probe/other:1".into());
    let found = diff(here, &["a", "b.run"]);
    assert_eq!(found["images"][0]["reference"], "probe/other:1");
    expect(3, here, &["diff", "a", "b.run", "--pubkey", "release.pub"]);
}
