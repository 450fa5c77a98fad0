//! A folder goes into a bundle and comes back byte for byte.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::images::{docker_legacy, image, layer};
use crate::support::mounts::Tmpfs;
use crate::support::{
    BUNDLE, PACK, PACK_SITE, expect, file, interruptible, noise, payload_at, portable, run, shell, small_product,
    staged, texts, tree, write_product,
};
use serde_json::Value;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_product(folder.path());
    folder
}

#[test]
fn a_folder_comes_back_byte_for_byte_with_its_modes() {
    let folder = folder();
    let product = folder.path().join("probe-portable");
    fs::set_permissions(product.join("noise"), fs::Permissions::from_mode(0o600)).expect("a mode");
    expect(0, folder.path(), &["bundle"]);
    expect(0, folder.path(), &["extract", BUNDLE, "out"]);
    assert_eq!(tree(&folder.path().join("out")), tree(&product));
    expect(0, folder.path(), &["verify", "out"]);
    expect(0, folder.path(), &["verify", BUNDLE]);
    assert!(shell(folder.path(), &format!("sha256sum -c {BUNDLE}.sha256")).contains("OK"));
}

#[test]
fn it_says_what_to_do_with_the_bundle_and_counts_in_english() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = portable(folder.path(), &[file("data", "file", "x")]);
    let (out, _) = expect(0, folder.path(), &["bundle"]);
    assert!(out.contains(&format!("sh {BUNDLE} pack extract probe")) && !out.contains("run it on site"), "{out}");
    assert!(out.contains(": 1 artifact, "), "{out}");
    assert!(expect(0, folder.path(), &["verify"]).0.contains(": 1 artifact, all ok"));
    assert!(expect(0, folder.path(), &["inspect", BUNDLE]).0.contains(" in 1 frame, "));
    assert!(expect(0, folder.path(), &["extract", BUNDLE, "out"]).0.contains("out: 1 file of probe"));
    fs::write(product.join("data"), "").expect("written");
    let (out, err) = expect(3, folder.path(), &["verify"]);
    assert!(out.contains("0 of 1 byte\n") && err.contains("1 of 1 file in"), "{out}{err}");
    fs::write(product.join("data"), "x").expect("written");
    write_product(&product, "1.0.0", &[file("data", "file", "x"), file("run.sh", "script", "#!/bin/sh\n")]);
    let (out, _) = expect(0, folder.path(), &["bundle"]);
    assert!(out.contains(&format!("run it on site with: sh {BUNDLE}")) && out.contains(": 2 artifacts, "), "{out}");
}

#[test]
fn stock_tools_open_it() {
    let folder = folder();
    expect(0, folder.path(), &["bundle"]);
    let at = payload_at(folder.path(), BUNDLE);
    let launcher = fs::read(folder.path().join(BUNDLE)).expect("read")[..8192].to_vec();
    assert!(String::from_utf8_lossy(&launcher).contains(&format!("tail -c +{at} THIS_FILE | zstd -dc | tar -x")));
    fs::create_dir(folder.path().join("out")).expect("a folder");
    shell(folder.path(), &format!("cd out && tail -c +{at} ../{BUNDLE} | zstd -dc | tar -x"));
    assert_eq!(tree(&folder.path().join("out")), tree(&folder.path().join("probe-portable")));
}

#[test]
fn the_same_folder_gives_the_same_bundle_on_any_number_of_cores() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Several frames, of bytes that compress and bytes that do not.
    let mut mixed = noise(5, 9 << 20);
    mixed.extend(std::iter::repeat_n(b"all work and no play ", 1 << 20).flatten());
    portable(folder.path(), &[file("run.sh", "script", "#!/bin/sh\n"), file("mixed", "file", mixed)]);
    for compression in ["fast", "balanced"] {
        let bundle = |threads: &str| {
            expect(0, folder.path(), &["bundle", "--compression", compression, "--threads", threads, "-o", "x.run"]);
            fs::read(folder.path().join("x.run")).expect("read")
        };
        let one = bundle("1");
        assert!(one == bundle("8"), "{compression}: 1 and 8 threads");
        shell(
            folder.path(),
            "touch probe-portable/* && cp -r probe-portable copy && rm -r probe-portable && mv copy probe-portable",
        );
        assert!(one == bundle("2"), "{compression}: a copy of the folder");
    }
}

#[test]
fn some_files_come_back_alone() {
    let folder = folder();
    expect(0, folder.path(), &["bundle"]);
    let (said, _) = expect(0, folder.path(), &["extract", BUNDLE, "out", "conf/app.yaml", "empty"]);
    assert!(said.contains("out: 2 files of probe"), "{said}");
    let names: Vec<_> = tree(&folder.path().join("out")).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, [Path::new("conf/app.yaml"), Path::new("empty")]);
    let (_, err) = expect(1, folder.path(), &["extract", BUNDLE, "out", "nobody"]);
    assert!(err.contains("the bundle has no such file") && err.contains("pack inspect"), "{err}");
}

#[test]
fn extracting_removes_nothing_that_it_did_not_make() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("a", "file", "a"), file(".pack-backup", "file", "b")]);
    expect(0, folder.path(), &["bundle"]);
    let out = folder.path().join("out");
    expect(0, folder.path(), &["extract", BUNDLE, "out"]);
    let kept = [
        ".pack-abcdef",
        ".pack-extract-notes",
        ".pack-extract-.partial",
        "abcdefabcdef.partial",
        ".x.abcdef-abcde.partial",
    ];
    kept.iter().for_each(|name| fs::write(out.join(name), "kept").expect("written"));
    expect(0, folder.path(), &["extract", BUNDLE, "out", "a"]);
    expect(0, folder.path(), &["extract", BUNDLE, "out"]);
    for name in kept.iter().chain(&[".pack-backup", "a"]) {
        assert!(out.join(name).exists(), "{name} was removed");
    }
}

#[test]
fn extracting_a_damaged_bundle_leaves_what_was_there() {
    let folder = folder();
    expect(0, folder.path(), &["bundle"]);
    let (inspected, _) = expect(0, folder.path(), &["inspect", "--json", BUNDLE]);
    let inspected: Value = serde_json::from_str(&inspected).expect("JSON");
    let path = folder.path().join(BUNDLE);
    let mut bytes = fs::read(&path).expect("read");
    let frame = &inspected["index"]["frames"][0];
    bytes[(frame["offset"].as_u64().expect("a number") + 100) as usize] ^= 1;
    fs::write(&path, bytes).expect("written");
    fs::create_dir(folder.path().join("out")).expect("a folder");
    fs::write(folder.path().join("out/noise"), "mine").expect("written");
    let (_, err) = expect(3, folder.path(), &["extract", BUNDLE, "out"]);
    assert!(err.contains("frame 0") && err.contains("expected: sha256:"), "{err}");
    assert_eq!(tree(&folder.path().join("out")), [("noise".into(), 0o644, b"mine".to_vec())]);
    let (out, _) = expect(3, folder.path(), &["verify", BUNDLE]);
    assert!(out.contains("damaged"), "{out}");
    // It is looked into all the same, unless somebody asks who signed it.
    expect(0, folder.path(), &["inspect", BUNDLE]);
    expect(0, folder.path(), &["keygen", "release", "--no-password"]);
    expect(3, folder.path(), &["inspect", BUNDLE, "--pubkey", "release.pub"]);
}

#[test]
fn a_folder_that_is_not_right_is_not_packed() {
    let folder = folder();
    let product = folder.path().join("probe-portable");
    fs::write(product.join("noise"), noise(2, 3_000)).expect("written");
    let (_, err) = expect(3, folder.path(), &["bundle"]);
    assert!(err.contains("noise") && err.contains("pack download"), "{err}");
    fs::write(product.join("noise"), "short").expect("written");
    assert!(expect(3, folder.path(), &["bundle"]).1.contains("expected: 3000 bytes"));
    fs::remove_file(product.join("noise")).expect("removed");
    expect(1, folder.path(), &["bundle"]);
    fs::create_dir(product.join("noise")).expect("a folder");
    assert!(expect(3, folder.path(), &["bundle"]).1.contains("expected: 3000 bytes"));
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("read").file_name()).collect();
    assert_eq!(left, ["probe-portable"], "nothing half-made is left");
}

#[test]
fn what_cannot_be_read_while_it_is_packed_is_not_taken_for_another_content() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let product = portable(folder.path(), &[file("data", "file", "")]);
    // A file that is there, of no length, and whose bytes nobody gets.
    fs::remove_file(product.join("data")).expect("removed");
    std::os::unix::fs::symlink("/proc/self/mem", product.join("data")).expect("a link");
    let (_, err) = expect(1, folder.path(), &["bundle"]);
    assert!(err.contains("cannot read") && err.contains("data"), "{err}");
}

#[test]
fn only_a_static_program_for_the_platform_is_carried() {
    let folder = folder();
    for (runtime, why) in
        [("/bin/sh", "dynamically linked"), ("probe-portable/run.sh", "not an ELF"), ("/dev/zero", "not a regular")]
    {
        let (_, err) = expect(1, folder.path(), &["bundle", "--runtime", runtime]);
        assert!(err.contains(why) && err.contains("with --runtime"), "{err}");
    }
    // An executable for i386: the header of ELF, 32 bits, with no segments.
    let mut small = b"\x7fELF\x01\x01\x01".to_vec();
    small.resize(52, 0);
    (small[16], small[18], small[20], small[40], small[42]) = (2, 3, 1, 52, 32);
    fs::write(folder.path().join("small"), small).expect("written");
    let (_, err) = expect(1, folder.path(), &["bundle", "--runtime", "small"]);
    assert!(err.contains("it is for ELF machine 3"), "{err}");
    let (_, err) = expect(1, folder.path(), &["bundle", "--platform", "linux/arm64", "--runtime", PACK]);
    assert!(err.contains("it is for linux/amd64") && err.contains("with --runtime"), "{err}");
    expect(0, folder.path(), &["bundle", "--runtime", PACK]);
}

#[test]
fn a_runtime_is_found_beside_pack_then_among_the_users() {
    let folder = folder();
    let programs = folder.path().join("programs");
    let data = folder.path().join("data");
    let runtimes = data.join("pack/runtimes");
    fs::create_dir_all(&programs).expect("made");
    fs::create_dir_all(&runtimes).expect("made");
    let pack = programs.join("pack");
    fs::copy(PACK, &pack).expect("copied");
    let bundle = || {
        let mut command = Command::new(&pack);
        command.current_dir(folder.path()).env("XDG_DATA_HOME", &data).args(["bundle", "--compression", "fast"]);
        let output = command.output().expect("started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, err) = bundle();
    assert_eq!(code, Some(1), "{err}");
    for place in ["programs/pack-site-x86_64", "programs/pack-site", "data/pack/runtimes/pack-site-x86_64"] {
        assert!(err.contains(place), "{place} in {err}");
    }
    assert!(err.contains("no runtime for linux/amd64") && err.contains("--runtime pack-site-x86_64"), "{err}");

    let places = [runtimes.join("pack-site-x86_64"), programs.join("pack-site"), programs.join("pack-site-x86_64")];
    for place in &places {
        fs::copy(PACK_SITE, place).expect("copied");
        let (code, err) = bundle();
        assert_eq!(code, Some(0), "{err}");
        // The next one found comes before this one: what this one is does not matter any more.
        fs::write(place, "not a program").expect("written");
        let (code, err) = bundle();
        assert!(code == Some(1) && err.contains(&place.display().to_string()), "{err}");
    }
    // What cannot be opened is there: the next one is not taken in its place.
    let first = &places[2];
    fs::copy(PACK_SITE, &places[1]).expect("copied");
    fs::remove_file(first).expect("removed");
    std::os::unix::fs::symlink(first, first).expect("a link to itself");
    let (code, err) = bundle();
    assert!(code == Some(1) && err.contains("cannot read the runtime"), "{err}");
}

#[test]
fn the_runtime_is_packed_as_small_as_it_gets_unless_time_counts() {
    let folder = folder();
    let header = |compression: &str| {
        expect(0, folder.path(), &["bundle", "--compression", compression]);
        payload_at(folder.path(), BUNDLE)
    };
    let (fast, balanced, max) = (header("fast"), header("balanced"), header("max"));
    assert!(fast > balanced && balanced == max, "{fast} {balanced} {max}");
}

#[test]
fn what_belongs_to_an_old_bundle_and_cannot_be_removed_is_told() {
    let folder = folder();
    let beside = folder.path().join(format!("{BUNDLE}.sha256.minisig"));
    fs::create_dir(&beside).expect("a folder");
    let (_, err) = expect(1, folder.path(), &["bundle"]);
    assert!(err.contains("cannot remove what belonged to the old bundle") && err.contains(".minisig"), "{err}");
}

#[test]
fn a_full_disk_leaves_the_old_bundle_as_it_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("data", "file", noise(1, 3_000_000))]);
    expect(0, folder.path(), &["bundle"]);
    // More room than it needs at the very least, as far as can be told beforehand, and less than it does.
    let size = fs::metadata(folder.path().join(BUNDLE)).expect("there").len() - 300_000;
    let Some(small) = Tmpfs::mount(&folder.path().join("small"), &format!("size={size}")) else { return };
    let path = small.path().join(BUNDLE);
    for ending in ["", ".sha256", ".sha256.minisig"] {
        fs::write(format!("{}{ending}", path.display()), format!("old{ending}")).expect("written");
    }
    let (_, err) = expect(1, folder.path(), &["bundle", "-o", "small/"]);
    assert!(err.contains("the disk is full") && err.contains(BUNDLE), "{err}");
    for ending in ["", ".sha256", ".sha256.minisig"] {
        let content = fs::read_to_string(format!("{}{ending}", path.display())).expect("read");
        assert_eq!(content, format!("old{ending}"));
    }
    assert_eq!(fs::read_dir(small.path()).expect("read").count(), 3, "no partial is left");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = folder();
    expect(0, folder.path(), &["bundle"]);
    let out = shell(
        folder.path(),
        &format!("({} inspect --json {BUNDLE}; echo $? >code) | head -1; cat code", crate::support::PACK),
    );
    assert_eq!(out, "{\n0\n");
    assert!(!texts(&run(folder.path(), &["inspect", BUNDLE])).1.contains("panicked"));
}

#[test]
fn an_interrupted_pack_leaves_nothing_half_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    portable(folder.path(), &[file("noise", "file", noise(5, 64 << 20))]);
    let mut command = interruptible(crate::support::PACK);
    command.args(["bundle", "--compression", "max", "--threads", "1"]).current_dir(folder.path());
    let mut child = command.spawn().expect("runs");
    while staged(folder.path(), BUNDLE).is_empty() {
        assert!(child.try_wait().expect("asked").is_none(), "it ended before it began to write");
    }
    shell(folder.path(), &format!("kill -INT {}", child.id()));
    let status = child.wait().expect("ended");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2), "{status}");
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("read").file_name()).collect();
    assert_eq!(left, ["probe-portable"]);
}

#[test]
fn a_bundle_does_not_come_to_lie_in_the_folder_that_is_packed() {
    let folder = folder();
    let product = folder.path().join("probe-portable");
    expect(0, &product, &["bundle"]);
    expect(0, folder.path(), &["verify", BUNDLE]);
    for output in ["x.run", "conf/", "../probe-portable/x.run"] {
        let (_, err) = expect(2, &product, &["bundle", "-o", output]);
        assert!(err.contains("would lie in the folder") && err.contains("hint:"), "{err}");
    }
    expect(2, folder.path(), &["bundle", "-o", "probe-portable"]);
    expect(0, &product, &["verify", "."]);
    fs::create_dir(folder.path().join("other")).expect("a folder");
    for other in ["other", "other/"] {
        expect(0, folder.path(), &["bundle", "-o", other]);
        fs::remove_file(folder.path().join("other").join(BUNDLE)).expect("there");
    }
    let (_, err) = expect(1, folder.path(), &["bundle", "-o", "missing/x.run"]);
    assert!(err.contains("is not there") && err.contains("mkdir -p missing"), "{err}");
}

#[test]
fn inspecting_a_folder_says_what_to_do_with_it() {
    let folder = folder();
    let (_, err) = expect(1, folder.path(), &["inspect", "probe-portable"]);
    assert!(err.contains("pack verify probe-portable") && err.contains("pack bundle probe-portable"), "{err}");
}

#[test]
fn under_a_signature_each_file_has_the_mode_of_its_kind() {
    let folder = folder();
    expect(0, folder.path(), &["keygen", "release", "--no-password"]);
    expect(0, folder.path(), &["sign", "probe-portable/manifest.json", "--key", "release.key"]);
    let noise = folder.path().join("probe-portable/noise");
    fs::set_permissions(noise, fs::Permissions::from_mode(0o600)).expect("a mode");
    expect(0, folder.path(), &["bundle"]);
    expect(0, folder.path(), &["verify", BUNDLE, "--pubkey", "release.pub"]);
}

#[test]
fn another_archive_of_the_same_size_is_not_packed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = |seed| docker_legacy(&[image("a:1", vec![layer(seed, 40_000)])]);
    assert_eq!(archive(1).len(), archive(2).len());
    let product = portable(folder.path(), &[file("one.tar", "image", archive(1))]);
    fs::write(product.join("one.tar"), archive(2)).expect("written");
    let (_, err) = expect(3, folder.path(), &["bundle"]);
    assert!(err.contains("an artifact in the folder is not what the manifest pins"), "{err}");
}

#[test]
fn of_a_file_that_is_not_a_script_no_first_line_is_looked_at() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = "#!/no/such/program\n";
    portable(folder.path(), &[file("run.sh", "script", "#!/bin/sh\n"), file("data", "file", text)]);
    assert!(!expect(0, folder.path(), &["bundle"]).1.contains("/no/such/program"));
}
