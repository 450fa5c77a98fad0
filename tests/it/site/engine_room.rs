//! Room where the engine keeps its images: told before the first byte where that can be seen, and else not judged.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::images::{docker_legacy, image, layer};
use crate::support::mounts::Tmpfs;
use crate::support::{BUNDLE, PACK, PACK_SITE, expect, file, portable, stand_in, texts};
use pack::digest::Digest;
use serde_json::{Value, json};

const SIZES: [usize; 3] = [900_000, 700_000, 500_000];

/// Two images that share their first layer, whose layers have these sizes as archives.
fn bundled(folder: &Path) -> [Vec<u8>; 3] {
    let layers = [layer(1, SIZES[0]), layer(2, SIZES[1]), layer(3, SIZES[2])];
    let images = [
        image("probe/one:1", vec![layers[0].clone(), layers[1].clone()]),
        image("probe/two:1", vec![layers[0].clone(), layers[2].clone()]),
    ];
    portable(folder, &[file("both.tar", "image", docker_legacy(&images))]);
    expect(0, folder, &["bundle"]);
    layers
}

/// An engine of this machine that keeps everything below `root`.
fn here(root: &Path) -> Value {
    let line = |path: &str| fs::read_to_string(path).expect("there").trim().to_owned();
    json!({
        "Name": line("/proc/sys/kernel/hostname"), "KernelVersion": line("/proc/sys/kernel/osrelease"),
        "DockerRootDir": root, "Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "tmpfs"]],
    })
}

/// Loads with `program` into an engine that says this of itself, is reached at `host`, and has `base` alone.
fn load(program: &str, folder: &Path, info: &Value, host: &str, base: Option<&[u8]>) -> Output {
    fs::write(folder.join("info.json"), info.to_string()).expect("written");
    let ls = base.map_or(String::new(), |_| "echo sha256:base".to_owned());
    let inspect = base.map_or(String::new(), |base| {
        format!(
            "case \"$*\" in *sha256:base) echo 'sha256:base {{\"Layers\":[\"{}\"]}}' ;; *) exit 1 ;; esac",
            Digest::of(base)
        )
    });
    let script = format!(
        "case \"$*\" in\nload*) cat >loaded.tar ;;\n'info --format {{{{json .}}}}') cat info.json ;;\n\
         'context inspect'*) echo '{host}' ;;\n'image ls'*) {ls} ;;\n'image inspect'*) {inspect} ;;\nesac"
    );
    let path = stand_in(folder, "docker", &script);
    let mut command = std::process::Command::new(program);
    command.args(["load", BUNDLE]).current_dir(folder).env("PATH", path).output().expect("it runs")
}

const SOCKET: &str = "unix:///var/run/docker.sock";

#[test]
fn a_load_says_beforehand_what_the_engine_lacks_room_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(small) = Tmpfs::mount(&folder.path().join("root"), "size=1m") else { return };
    let layers = bundled(folder.path());
    let sent = folder.path().join("loaded.tar");
    for program in [PACK, PACK_SITE] {
        for (base, needed) in [(None, &layers[..]), (Some(&layers[0][..]), &layers[1..])] {
            let needed: usize = needed.iter().map(Vec::len).sum();
            let output = load(program, folder.path(), &here(small.path()), SOCKET, base);
            let (_, err) = texts(&output);
            assert_eq!(output.status.code(), Some(1), "{err}");
            let path = format!("path: {}", small.path().display());
            for said in ["not enough room", &path, &format!("({needed} bytes)"), "(1048576 bytes)", "docker system df"]
            {
                assert!(err.contains(said), "{said}: {err}");
            }
            assert!(!sent.exists(), "a byte was sent");
        }
    }
    // One page less than it takes, and just enough: the engine has its turn.
    let needed = layers.iter().map(Vec::len).sum::<usize>().next_multiple_of(4096);
    for (size, refused) in [(needed - 4096, true), (needed, false)] {
        small.remount(&format!("size={size}"));
        let (_, err) = texts(&load(PACK, folder.path(), &here(small.path()), SOCKET, None));
        assert_eq!(err.contains("not enough room"), refused, "{size}: {err}");
        assert_eq!(sent.exists(), !refused, "{size}");
        // Whoever has just enough for the layers is told of the copy that the engine makes first.
        assert_eq!(err.contains("loading takes up to"), !refused, "{size}: {err}");
    }
}

#[test]
fn of_an_engine_elsewhere_nothing_is_claimed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(small) = Tmpfs::mount(&folder.path().join("root"), "size=1m") else { return };
    bundled(folder.path());
    let changed = |key: &str, value: Value| {
        let mut info = here(small.path());
        info[key] = value;
        info
    };
    let in_containerd = json!([["driver-type", "io.containerd.snapshotter.v1"]]);
    for (case, info, host) in [
        ("over a network", here(small.path()), "tcp://10.0.0.1:2376"),
        ("by ssh", here(small.path()), "ssh://root@site"),
        ("Docker Desktop", changed("Name", "docker-desktop".into()), SOCKET),
        ("another kernel", changed("KernelVersion", "5.15.49-linuxkit".into()), SOCKET),
        ("a folder that is not here", changed("DockerRootDir", "/not/here".into()), SOCKET),
        ("images in containerd", changed("DriverStatus", in_containerd), SOCKET),
        ("a store that compresses", changed("Driver", "btrfs".into()), SOCKET),
        ("podman", json!({ "host": {}, "store": {} }), SOCKET),
        ("no answer of that kind", json!(null), SOCKET),
    ] {
        let sent = folder.path().join("loaded.tar");
        let (_, err) = texts(&load(PACK, folder.path(), &info, host, None));
        assert!(!err.contains("not enough room") && !err.contains("loading takes"), "{case}: {err}");
        fs::remove_file(sent).unwrap_or_else(|why| panic!("{case}: {why}: {err}"));
    }
}
