//! The example product, from its folder to a run on a machine without a network.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{expect, skip, texts, top};
use pack::digest::Descriptor;
use pack::manifest::Manifest;
use pack::platform::Platform;

fn example() -> PathBuf {
    top().join("examples/hello")
}

fn manifest() -> Manifest {
    let text = fs::read_to_string(example().join("manifest.json")).expect("readable");
    Manifest::parse(text, "examples/hello/manifest.json").expect("valid")
}

/// What a command printed, provided that it ended well.
fn printed(command: &mut Command) -> String {
    let output = command.output().expect("started");
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out
}

/// The words before a command that leave it without a network, not even to this machine.
fn without_network() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["unshare", "--net"], &["unshare", "--map-root-user", "--net"]];
    let works = |way: &&&[&str]| {
        let tried = Command::new(way[0]).args(&way[1..]).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    };
    ways.iter().find(works).copied().unwrap_or_else(|| {
        skip("this user may not take the network away from a process");
        &["env"]
    })
}

#[test]
fn its_pins_are_true() {
    for artifact in manifest().artifacts() {
        let pin = artifact.pin.expect("pinned");
        let Descriptor { size, digest } =
            Descriptor::of_reader(File::open(artifact.id.name.below(&example())).expect("there")).expect("readable");
        let hint = "after a change, run: pack lock --update examples/hello/manifest.json";
        assert_eq!((Some(size), digest), (pin.size, pin.digest), "{}: {hint}", artifact.id.name);
    }
}

#[test]
fn the_first_command_of_the_readme_makes_a_bundle_that_runs_without_a_network() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let source = example().join("manifest.json");
    expect(0, place.path(), &["bundle", "--manifest", source.to_str().expect("text")]);
    let name = format!("hello-1.0.0-{}.run", Platform::host().expect("known").machine());
    let bundle = place.path().join(&name);
    printed(Command::new("sha256sum").args(["--check", &format!("{name}.sha256")]).current_dir(place.path()));

    let (out, _) = expect(0, place.path(), &["load", &name]);
    assert!(out.contains("nothing to load"), "{out}");

    let alone = without_network();
    for shell in [&["dash"] as &[&str], &["bash"], &["busybox", "sh"]] {
        let mut command = Command::new(alone[0]);
        command.args(&alone[1..]).args(shell).arg(&bundle).args(["Ada", "two words"]).current_dir("/");
        let greeting = printed(&mut command);
        assert!(greeting.starts_with("Hello, Ada!\nI am hello 1.0.0, out of the bundle "), "{greeting}");
        assert!(greeting.contains("arguments: 2\n  Ada\n  two words\n"), "{greeting}");
        for artifact in manifest().artifacts() {
            assert!(greeting.contains(&artifact.pin.expect("pinned").digest.to_string()), "{greeting}");
        }
    }

    // The same script in the plain folder, without pack.
    let folder = place.path().join("hello-portable/hello.sh");
    let greeting = printed(Command::new("sh").arg(folder).arg("Ada"));
    assert!(greeting.starts_with("Hello, Ada!\nI am running in a plain folder.\n"), "{greeting}");
}

#[test]
fn what_comes_out_on_site_has_the_modes_that_the_caller_allows() {
    let place = tempfile::tempdir().expect("a temporary folder");
    expect(0, place.path(), &["bundle", example().to_str().expect("text"), "-o", "x.run"]);
    for (mask, mode) in [("022", 0o755), ("077", 0o700)] {
        let line = format!("umask {mask}; exec sh x.run pack extract out-{mask}");
        printed(Command::new("sh").args(["-c", &line]).current_dir(place.path()));
        let folder = fs::metadata(place.path().join(format!("out-{mask}"))).expect("extracted");
        assert_eq!(folder.permissions().mode() & 0o777, mode, "under umask {mask}");
    }
}
