//! What a power cut in the middle of a load leaves in a real engine: layers that are recorded, and whose files
//! are empty. The next load finds and replaces them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::engine::Engine;
use crate::support::images::{Made, docker_legacy, gzip, image, layer};
use crate::support::{BUNDLE, PACK, expect, file, portable, stand_in, texts};

/// A bundle of two images on one base.
fn bundle(folder: &Path) -> [Made; 2] {
    let base = layer(1, 400_000);
    let made = [
        image("cut.example/one:1", vec![base.clone(), layer(2, 30_000)]),
        image("cut.example/two:1", vec![base, layer(3, 20_000), layer(4, 10_000)]),
    ];
    let archive = |made: &Made| gzip(&docker_legacy(std::slice::from_ref(made)), 6);
    let script = file("run.sh", "script", "#!/bin/sh\n");
    let images = made.each_ref().map(archive);
    let [one, two] = images;
    portable(folder, &[script, file("one.tar.gz", "image", one), file("two.tar.gz", "image", two)]);
    expect(0, folder, &["bundle"]);
    made
}

/// An engine of its own, in which `loads` images were loaded when the power went; and a bundle with both.
fn after_a_cut(loads: u32) -> Option<(tempfile::TempDir, Engine, [Made; 2])> {
    let mut engine = Engine::start()?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = bundle(folder.path());
    load_and_cut(folder.path(), &engine, loads);
    engine.kill();
    engine.up();
    Some((folder, engine, made))
}

/// `pack load` in another boot than this one, as far as it can tell, killed with all that it runs when the engine has
/// `loads` images.
fn load_and_cut(folder: &Path, engine: &Engine, loads: u32) {
    let docker = format!(
        "PATH=${{PATH#*:}}\n[ \"$1\" = load ] || exec docker \"$@\"\ndocker \"$@\" || exit\n\
         echo >>loaded\n[ $(wc -l <loaded) -lt {loads} ] || kill -KILL 0"
    );
    let path = stand_in(folder, "docker", &docker);
    fs::write(folder.join("boot"), "0f5e11aa-0000-4000-8000-000000000000\n").expect("written");
    let line = "mount --bind boot /proc/sys/kernel/random/boot_id; exec \"$@\"";
    let output = Command::new("setsid")
        .args(["unshare", "--mount", "sh", "-ec", line, "sh", PACK, "load", BUNDLE])
        .current_dir(folder)
        .env("DOCKER_HOST", engine.host())
        .env("PATH", path)
        .output()
        .expect("unshare runs");
    assert!(!output.status.success() && fs::read_to_string(folder.join("loaded")).is_ok(), "{}", texts(&output).1);
}

fn load(folder: &Path, engine: &Engine) -> Output {
    crate::support::pack(folder).args(["load", BUNDLE]).env("DOCKER_HOST", engine.host()).output().expect("pack runs")
}

fn marks(engine: &Engine) -> String {
    engine.ask(&["volume", "ls", "--quiet", "--filter", "label=pack.loading"])
}

fn sound(engine: &Engine, image: &str) -> bool {
    engine.docker(["save", image]).status.success()
}

/// As after a cut: the layer is recorded, its files are empty.
fn empty(file: &Path) {
    fs::File::options()
        .write(true)
        .truncate(true)
        .open(file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Loads, and expects every image to be whole afterwards and no mark to stay.
fn made_good(folder: &Path, engine: &Engine, made: &[Made; 2]) -> String {
    let output = load(folder, engine);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{err}");
    for made in made {
        assert_eq!(engine.ask(&["image", "inspect", "--format", "{{.Id}}", &made.tag]), made.id().to_string());
        assert!(sound(engine, &made.tag), "{} is damaged", made.tag);
    }
    assert_eq!(marks(engine), "");
    err
}

#[test]
fn images_with_empty_files_are_loaded_again() {
    let Some((folder, engine, made)) = after_a_cut(1) else { return };
    assert_ne!(marks(&engine), "");
    let base = engine.layers(&made[0].tag).pop().expect("a layer");
    empty(&base.join("diff/data/file-1"));
    assert!(!sound(&engine, &made[0].tag));

    let err = made_good(folder.path(), &engine, &made);
    assert!(err.contains("the power was cut") && err.contains(&format!("{} was damaged", made[0].tag)), "{err}");
    let err = made_good(folder.path(), &engine, &made);
    assert!(!err.contains("power"), "{err}");
}

#[test]
fn an_image_that_is_whole_after_a_cut_is_kept() {
    let Some((folder, engine, made)) = after_a_cut(1) else { return };
    let err = made_good(folder.path(), &engine, &made);
    assert!(err.contains("the power was cut") && !err.contains("damaged"), "{err}");
}

#[test]
fn layers_that_no_image_has_are_not_believed() {
    let Some((folder, mut engine, made)) = after_a_cut(2) else { return };
    let layers = engine.layers(&made[1].tag);
    engine.kill();
    // The images were not recorded any more, their layers were; the engine cannot even mount some of these.
    let store = engine.root().join("image/overlay2");
    fs::remove_file(store.join("repositories.json")).expect("removed");
    for record in fs::read_dir(store.join("imagedb/content/sha256")).expect("a folder") {
        fs::remove_file(record.expect("an entry").path()).expect("removed");
    }
    empty(&layers[1].join("diff/data/file-3"));
    empty(&layers[1].join("link"));
    engine.up();
    assert_eq!(engine.ask(&["image", "ls", "--all", "--quiet"]), "");
    made_good(folder.path(), &engine, &made);
}

#[test]
fn a_damaged_image_that_is_in_use_is_named_and_kept() {
    let Some((folder, engine, made)) = after_a_cut(2) else { return };
    engine.ask(&["create", "--name", "user", "--network", "none", &made[1].tag]);
    let top = engine.layers(&made[1].tag).swap_remove(0);
    empty(&top.join("diff/data/file-4"));

    let output = load(folder.path(), &engine);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains(&made[1].tag) && err.contains("docker ps --all --filter ancestor="), "{err}");
    assert_ne!(marks(&engine), "");
    engine.ask(&["rm", "user"]);
    made_good(folder.path(), &engine, &made);
}

/// A load that was killed in this boot has lost nothing; its mark goes with the next.
#[test]
fn a_load_that_was_killed_is_no_power_cut() {
    let Some(engine) = Engine::start() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = bundle(folder.path());
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot ID");
    let id = made[0].id();
    let label = format!(
        r#"pack.loading={{"boot":"{}","process":4194304,"images":[{{"name":"a","id":"{id}","layers":[]}}]}}"#,
        boot.trim()
    );
    engine.ask(&["volume", "create", "--label", &label]);
    let err = made_good(folder.path(), &engine, &made);
    assert!(!err.contains("power"), "{err}");
}
