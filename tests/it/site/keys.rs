//! A key on site: what runs was signed with it, and what the script loads is proved with it.

use std::fs;

use super::stick::{Site, site_of};
use crate::support::craft::with_index_text;
use crate::support::{expect, file, portable, texts};
use serde_json::{Value, json};

const SCRIPT: &str = "#!/bin/sh
echo \"args: $*\"
echo \"key: ${PACK_PUBKEY:-none}\"
\"$PACK\" cat \"$PACK_BUNDLE\" data
";

/// A signed product on a stick, with `release.pub` and `other.pub` beside the bundle.
fn signed() -> (Site, String) {
    let mut key = String::new();
    let site = site_of(|folder| {
        let product = portable(folder, &[file("run.sh", "script", SCRIPT), file("data", "file", "some data\n")]);
        for name in ["release", "other"] {
            expect(0, folder, &["keygen", "--no-password", &format!("stick/{name}")]);
        }
        let manifest = product.join("manifest.json");
        expect(0, folder, &["sign", "--key", "stick/release.key", manifest.to_str().expect("text")]);
        let public = fs::read_to_string(folder.join("stick/release.pub")).expect("read");
        key = public.lines().nth(1).expect("a key").to_owned();
    });
    (site, key)
}

#[test]
fn a_key_proves_what_runs_and_what_the_script_takes_out() {
    let (site, key) = signed();
    for words in [
        &["--pubkey", "release.pub", "a", "b"][..],
        &["--pubkey=release.pub", "a", "b"],
        &["--pubkey", &key, "--", "a", "b"],
    ] {
        let (out, err) = texts(&site.run(&["sh"], words));
        assert_eq!(out, format!("args: a b\nkey: {key}\nsome data\n"), "{words:?}: {err}");
    }
    let output = site.command(&["dash"]).arg("a").env("PACK_PUBKEY", "release.pub").output().expect("runs");
    assert_eq!(texts(&output).0, format!("args: a\nkey: {key}\nsome data\n"), "{:?}", texts(&output));
    assert_eq!(texts(&site.run(&["sh"], &["a"])).0, "args: a\nkey: none\nsome data\n");
    assert_eq!(texts(&site.run(&["sh"], &["--", "--pubkey", "x"])).0, "args: --pubkey x\nkey: none\nsome data\n");
    assert!(site.run(&["sh"], &["--pubkey", "release.pub", "pack", "verify"]).status.success());
    assert_eq!(site.run(&["sh"], &["--pubkey"]).status.code(), Some(2));
    site.nothing_is_left();
}

#[test]
fn with_another_key_nothing_runs() {
    let (site, _) = signed();
    for words in [&["--pubkey", "other.pub", "a"][..], &["--pubkey", "other.pub", "pack", "verify"]] {
        let output = site.run(&["sh"], words);
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(3), ""), "{err}");
    }
    let output = site.command(&["sh"]).env("PACK_PUBKEY", "other.pub").output().expect("runs");
    assert_eq!(output.status.code(), Some(3));
    site.nothing_is_left();
}

#[test]
fn of_a_forged_bundle_nothing_runs_where_a_key_is_given() {
    let (site, _) = signed();
    let bytes = with_index_text(&fs::read(&site.bundle).expect("read"), |index| {
        let mut index: Value = serde_json::from_slice(index).expect("JSON");
        for (list, key) in [("entries", "path"), ("artifacts", "name")] {
            for item in index[list].as_array_mut().expect("a list") {
                if item[key] == "data" {
                    item["mode"] = json!(0o777);
                }
            }
        }
        index.to_string().into_bytes()
    });
    fs::write(&site.bundle, bytes).expect("written");
    assert!(site.run(&["sh"], &["a"]).status.success(), "every digest in it is right");
    let output = site.run(&["sh"], &["--pubkey", "release.pub", "a"]);
    let (out, err) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(3), ""), "{err}");
    assert!(err.contains("not what its signed manifest pins"), "{err}");
    site.nothing_is_left();
}
