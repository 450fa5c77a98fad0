//! The commands as people type them.

use std::fs;

use super::{SECTOR, damaged};
use crate::support::{BUNDLE, expect, file, json_of_output, noise, portable, run, shell, small_product, texts};

/// Where the file is damaged that these tests repair: in launcher and runtime.
const LOST: [usize; 2] = [700, 701];

#[test]
fn a_bundle_with_parity_is_damaged_mapped_patched_and_repaired() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    small_product(folder);
    let (out, _) = expect(0, folder, &["bundle", "--json", "--compression", "fast", "--parity", "2%"]);
    let made = json_of_output(&out);
    let parity = format!("{BUNDLE}.parity");
    assert_eq!(made["parity"]["parity"], parity.as_str());
    assert!(made["parity"]["repairsSectors"].as_u64() >= Some(2), "{made}");
    let path = folder.join(BUNDLE);
    let bytes = fs::read(&path).expect("read");
    fs::copy(&path, folder.join("good.run")).expect("copied");
    let last = bytes.len() / SECTOR;
    let lost = [last - 1, last - 2];
    let damage = || fs::write(&path, damaged(&bytes, lost)).expect("written");

    damage();
    let output = run(folder, &["verify", "--map", "damage.json", BUNDLE]);
    assert_eq!(output.status.code(), Some(3));
    let (_, err) = texts(&output);
    assert!(err.contains(&format!("parity lies beside it: pack repair {BUNDLE}")), "{err}");
    let map = json_of_output(&fs::read_to_string(folder.join("damage.json")).expect("written"));
    assert_eq!((&map["unit"], &map["ranges"][0]["size"]), (&"sector".into(), &(2 * SECTOR).into()), "{map}");
    expect(0, folder, &["cut", "good.run", "--map", "damage.json", "-o", "damage.patch"]);
    assert!(fs::metadata(folder.join("damage.patch")).expect("there").len() < 9_000);
    let (out, _) = expect(0, folder, &["repair", BUNDLE]);
    assert!(out.contains("8.19 kB repaired; every byte is as its publisher packed it"), "{out}");
    assert!(fs::read(&path).expect("read") == bytes);
    let (out, _) = expect(0, folder, &["repair", BUNDLE]);
    assert!(out.contains("nothing was wrong"), "{out}");

    fs::remove_file(folder.join(&parity)).expect("removed");
    for how in [["--with", "damage.patch"], ["--from", "good.run"]] {
        damage();
        let (out, _) = expect(0, folder, &["repair", "--json", BUNDLE, how[0], how[1]]);
        assert_eq!(json_of_output(&out)["repaired"], 2 * SECTOR, "{how:?}");
        assert!(fs::read(&path).expect("read") == bytes);
    }
    let (_, err) = expect(1, folder, &["repair", BUNDLE]);
    assert!(err.contains("there is no parity beside the bundle") && err.contains("pack cut"), "{err}");
}

#[test]
fn without_parity_a_map_is_by_frames() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    small_product(folder);
    expect(0, folder, &["bundle", "--compression", "fast"]);
    let path = folder.join(BUNDLE);
    let bytes = fs::read(&path).expect("read");
    let (out, _) = expect(0, folder, &["verify", "--json", "--map", "none.json", BUNDLE]);
    assert_eq!(json_of_output(&out)["ok"], true);
    let none = json_of_output(&fs::read_to_string(folder.join("none.json")).expect("written"));
    assert_eq!((&none["unit"], &none["ranges"]), (&"frame".into(), &serde_json::json!([])));
    fs::copy(&path, folder.join("good.run")).expect("copied");
    let (_, err) = expect(1, folder, &["cut", "good.run", "--map", "none.json", "-o", "x.patch"]);
    assert!(err.contains("the damage map says that nothing is damaged"), "{err}");
    fs::write(&path, damaged(&bytes, LOST)).expect("written");
    expect(3, folder, &["verify", "--map", "damage.json", BUNDLE]);
    expect(0, folder, &["cut", "good.run", "--map", "damage.json", "-o", "x.patch"]);
    expect(0, folder, &["repair", BUNDLE, "--with", "x.patch"]);
    assert!(fs::read(&path).expect("read") == bytes);
    let (_, err) = expect(2, folder, &["verify", "--map", "damage.json", "probe-portable"]);
    assert!(err.contains("a damage map is made of a bundle"), "{err}");
}

#[test]
fn the_pack_inside_the_bundle_repairs_it_and_a_new_bundle_has_no_old_parity() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    // So much that the last sectors are frames: a bundle whose runtime is damaged does not start.
    portable(folder, &[file("run.sh", "script", "exit\n"), file("noise", "file", noise(1, 60_000))]);
    expect(0, folder, &["bundle", "--compression", "fast"]);
    let (out, _) = expect(0, folder, &["parity", "--json", "--amount", "3%", BUNDLE]);
    assert_eq!(json_of_output(&out)["sectorSize"], SECTOR);
    let path = folder.join(BUNDLE);
    let bytes = fs::read(&path).expect("read");
    let last = bytes.len() / SECTOR;
    fs::write(&path, damaged(&bytes, [last - 5])).expect("written");
    shell(folder, &format!("sh {BUNDLE} pack repair"));
    assert!(fs::read(&path).expect("read") == bytes);
    expect(0, folder, &["bundle", "--compression", "fast"]);
    assert!(!folder.join(format!("{BUNDLE}.parity")).exists());
    let (_, err) = expect(2, folder, &["parity", "--amount", "0%", BUNDLE]);
    assert!(err.contains("from 1% to 100%"), "{err}");
}
