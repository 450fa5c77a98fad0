//! What is read out of volumes is what is in the bundle in one file.

use std::fs;
use std::io::Read as _;

use super::{both, bundle, divide};
use crate::support::{expect, json_of_output, shell, tree};
use pack::bundle::Bundle;
use pack::digest::Digest;
use pack::progress::Silent;
use pack::task::trust::Trust;
use pack::task::verify;

#[test]
fn every_command_reads_volumes_as_one_file() {
    let both = both();
    let folder = both.folder();
    let (out, _) = expect(0, folder, &["verify", "cut/x.run"]);
    assert!(out.contains("every one accounted for"), "{out}");
    for (bundle, to) in [("whole/x.run", "one"), ("cut/x.run", "two")] {
        expect(0, folder, &["extract", bundle, to]);
    }
    assert_eq!(tree(&folder.join("one")), tree(&folder.join("two")));
    assert!(!tree(&folder.join("two")).is_empty());
    let cat = |bundle: &str| crate::support::run(folder, &["cat", bundle, "second"]).stdout;
    assert!(cat("cut/x.run") == cat("whole/x.run") && cat("cut/x.run").len() == 550_000);
    let inspected = |bundle: &str| json_of_output(&expect(0, folder, &["inspect", "--json", bundle]).0);
    let (one, two) = (inspected("whole/x.run"), inspected("cut/x.run"));
    assert_eq!((&one["index"], &one["size"]), (&two["index"], &two["size"]));
    assert!(one["volumes"].is_null(), "{one}");
    assert_eq!(two["escapeHatch"], "cat cut/x.run.0* | zstd -dc | tar -x");
    let first = fs::read(both.volume(1)).expect("read");
    assert_eq!(two["volumes"][0]["name"], "x.run.001");
    assert_eq!(two["volumes"][0]["digest"], Digest::of(&first).to_string());
    let (out, _) = expect(0, folder, &["inspect", "cut/x.run"]);
    assert!(out.contains("x.run.001, x.run.002"), "{out}");
    let (out, _) = expect(0, folder, &["diff", "whole/x.run", "cut/x.run"]);
    assert!(out.contains("4 unchanged") && out.contains("nothing: every file is there"), "nothing differs: {out}");
    let report = verify::bundle(&both.cut, &Trust::default(), &Silent).expect("verified");
    assert!(report.is_good());
}

#[test]
fn the_bundle_in_one_file_is_what_the_volumes_are_made_of() {
    let both = both();
    let (whole, cut) = (Bundle::open(&both.whole).expect("opened"), both.opened().expect("opened"));
    let mut bytes = Vec::new();
    cut.bytes(0, u64::MAX).read_to_end(&mut bytes).expect("read");
    assert!(bytes == fs::read(&both.whole).expect("read"));
    assert_eq!((cut.length(), cut.seal()), (whole.length(), whole.seal()));
    assert_eq!((whole.volumes().len(), cut.files().len()), (0, cut.volumes().len() + 1));
    // Divided again, out of volumes, they are other volumes of the same bundle; and the same ones come out the same.
    let (again, same) = (both.folder().join("again"), both.folder().join("same"));
    divide(&both.cut, &again, 150_000).expect("divided");
    divide(&both.cut, &same, 250_000).expect("divided");
    let smaller = Bundle::open(&again.join("x.run")).expect("opened");
    assert!(smaller.volumes().len() > cut.volumes().len());
    let mut other = Vec::new();
    smaller.bytes(0, u64::MAX).read_to_end(&mut other).expect("read");
    assert!(other == bytes);
    let without_receipt = |folder| {
        let mut files = tree(folder);
        files.retain(|(name, ..)| !name.to_string_lossy().contains("receipt"));
        files
    };
    assert_eq!(without_receipt(&same), without_receipt(&both.folder().join("cut")));
}

#[test]
fn stock_tools_check_and_unpack_volumes() {
    let both = both();
    expect(0, both.folder(), &["extract", "whole/x.run", "one"]);
    shell(
        both.folder(),
        "cd cut && sha256sum -c x.run.sha256 && mkdir ../stock && cat x.run.0* | zstd -dc | tar -x -C ../stock",
    );
    assert_eq!(tree(&both.folder().join("stock")), tree(&both.folder().join("one")));
    let lines = shell(both.folder(), "cat cut/x.run.sha256");
    assert!(lines.lines().next().is_some_and(|line| line.ends_with("  x.run")), "the bundle first: {lines}");
}

#[test]
fn volumes_lie_in_any_folders_in_any_order() {
    let both = both();
    let folder = both.folder();
    shell(folder, "mkdir two three; mv cut/x.run.002 cut/x.run.004 two; mv cut/x.run.003 three");
    let (_, err) = expect(1, folder, &["verify", "cut/x.run"]);
    for missing in ["x.run.002: missing", "x.run.003: missing", "x.run.004: missing", "--volumes"] {
        assert!(err.contains(missing), "{missing}: {err}");
    }
    assert!(!err.contains("x.run.001"), "{err}");
    expect(1, folder, &["verify", "cut/x.run", "--volumes", "two"]);
    expect(0, folder, &["verify", "cut/x.run", "--volumes", "three", "--volumes", "two"]);
    expect(0, folder, &["--volumes", "three", "--volumes=two", "extract", "cut/x.run", "out"]);
    let command = |folders: &str| {
        let mut command = crate::support::pack(folder);
        command.args(["verify", "-q", "cut/x.run"]).env("PACK_VOLUMES", folders).status().expect("pack runs").code()
    };
    assert_eq!((command("two:three"), command("two"), command("")), (Some(0), Some(1), Some(1)));
    // Who follows a link looks where it leads.
    shell(folder, "mkdir link && ln -s ../stick/x.run link/x.run");
    // A wrong one in the first folder hides no right one in the next.
    fs::copy(both.volume(1), folder.join("cut/x.run.002")).expect("copied");
    expect(0, folder, &["verify", "cut/x.run", "--volumes", "three", "--volumes", "two"]);
    // From there they are transferred as they are.
    fs::create_dir(folder.join("stick")).expect("a folder");
    expect(0, folder, &["transfer", "cut/x.run", "stick", "--volumes", "three", "--volumes", "two"]);
    expect(0, folder, &["verify", "stick/x.run"]);
    shell(folder, "cd stick && sha256sum -c x.run.sha256");
    expect(0, folder, &["verify", "link/x.run"]);
}

#[test]
fn a_smaller_bundle_of_the_same_name_leaves_no_volume_of_the_larger_one() {
    let both = both();
    let more = both.folder().join("more/x.run");
    fs::create_dir(both.folder().join("more")).expect("a folder");
    bundle(&more, 7);
    divide(&more, &both.folder().join("cut"), 500_000).expect("divided");
    assert!(both.volume(2).exists() && !both.volume(4).exists());
    shell(both.folder(), "cd cut && cat x.run.0* | zstd -dc | tar -t");
    assert!(verify::bundle(&both.cut, &Trust::default(), &Silent).expect("verified").is_good());
}
