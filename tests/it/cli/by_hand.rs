//! What was fetched by other means: the list of what to fetch, sums for stock tools, and the check of the folder.

use std::fs;

use crate::support::{expect, json_of_output, shell, small_product};
use pack::digest::Digest;

#[test]
fn a_folder_that_was_filled_by_hand_is_checked_and_packed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let product = small_product(folder);
    fs::rename(product.join("manifest.json"), folder.join("manifest.json")).expect("moved");
    let (out, err) = expect(0, folder, &["verify", "probe-portable", "--manifest", "manifest.json"]);
    assert!(
        out.contains("4 artifacts, all ok") && err.contains("cp manifest.json probe-portable/manifest.json"),
        "{out}{err}"
    );
    fs::write(product.join("noise"), "other").expect("written");
    let (_, err) = expect(3, folder, &["verify", "probe-portable", "--manifest", "manifest.json", "-q"]);
    assert!(err.contains("noise: truncated"), "{err}");
    let (_, err) = expect(2, folder, &["verify", "manifest.json", "--manifest", "manifest.json"]);
    assert!(err.contains("--manifest"), "{err}");
}

#[test]
fn the_list_has_the_manifest_itself_and_the_sums_are_the_stock_programs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let product = small_product(folder);
    let text = fs::read(product.join("manifest.json")).expect("read");
    let (out, _) = expect(0, folder, &["download", "--list", "probe-portable/manifest.json"]);
    let row: Vec<&str> = out.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(row[..3], ["manifest.json", &text.len().to_string(), &Digest::of(&text).to_string()]);
    assert!(row[3].starts_with("file:///") && row[3].ends_with("/probe-portable/manifest.json"), "{row:?}");
    let listed =
        json_of_output(&expect(0, folder, &["download", "--list", "--json", "probe-portable/manifest.json"]).0);
    assert_eq!(listed["manifest"]["digest"], Digest::of(&text).to_string());

    let (sums, _) = expect(0, folder, &["download", "--sha256sums", "probe-portable/manifest.json"]);
    fs::write(product.join("SHA256SUMS"), &sums).expect("written");
    assert_eq!(sums.lines().count(), 5, "{sums}");
    shell(&product, "sha256sum -c --strict SHA256SUMS");
}
