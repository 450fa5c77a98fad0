//! `docker-daemon:REF`: images of an engine of this machine, saved by `pack lock` into files beside the manifest.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::engine::Engine;
use crate::support::fault::{Reply, serve};
use crate::support::images::{Made, docker_archive, image, image_for, layer};
use crate::support::registry::{artifact, members};
use crate::support::{PACK, json_of_output, pack, skip, staged, texts};
use pack::digest::Digest;
use serde_json::{Value, json};

const FILE: &str = "images/web-1.tar";

/// A folder whose manifest has one image, of the engine; and what asks `pack` with that engine.
struct Publisher<'a> {
    folder: tempfile::TempDir,
    engine: &'a Engine,
}

impl<'a> Publisher<'a> {
    fn new(engine: &'a Engine, urls: &[&str]) -> Self {
        let publisher = Publisher { folder: tempfile::tempdir().expect("a temporary folder"), engine };
        publisher.write("linux/amd64", urls);
        publisher
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, platform: &str, urls: &[&str]) {
        fs::write(self.path().join("manifest.json"), manifest_of(platform, urls)).expect("written");
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = pack(self.path());
        command.args(words).env("DOCKER_HOST", self.engine.host());
        command
    }

    fn said(&self, code: i32, words: &[&str]) -> String {
        ended(code, &mut self.command(words))
    }

    fn document(&self, code: i32, words: &[&str]) -> Value {
        let output = self.command(&[words, &["--json"]].concat()).output().expect("pack runs");
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}\n{out}\n{err}");
        json_of_output(&out)
    }

    fn file(&self) -> PathBuf {
        self.path().join(FILE)
    }

    fn digest(&self) -> String {
        Digest::of(&fs::read(self.file()).expect("read")).to_string()
    }
}

/// What a command says that ends so.
fn ended(code: i32, command: &mut Command) -> String {
    let output = command.output().expect("pack runs");
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{out}\n{err}");
    assert!(code == 0 || err.contains("hint: "), "{command:?}\n{err}");
    out + &err
}

fn load(engine: &Engine, made: &Made) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.tar");
    fs::write(&path, docker_archive(std::slice::from_ref(made))).expect("written");
    engine.ask(&["load", "--quiet", "--input", path.to_str().expect("UTF-8")]);
}

/// `docker import`: an image of one layer, made by the engine itself.
fn import(engine: &Engine, seed: u64, tag: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("root.tar");
    fs::write(&path, layer(seed, 200_000)).expect("written");
    engine.ask(&["import", path.to_str().expect("UTF-8"), tag]);
}

/// Looks whether nothing is left but what has a final name.
fn assert_nothing_is_staged(publisher: &Publisher<'_>) {
    let left = staged(&publisher.path().join("images"), "web-1.tar");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_engines_image_is_saved_once_with_the_same_bytes_each_time_and_packed() {
    let Some(engine) = Engine::start() else { return };
    import(&engine, 1, "shop/web:1");
    let publisher = Publisher::new(&engine, &["docker-daemon:shop/web:1"]);
    let locked = publisher.document(0, &["lock"]);
    assert_eq!((&locked["saved"], &locked["pinned"][0]["name"]), (&json!([FILE]), &json!(FILE)));
    assert_nothing_is_staged(&publisher);
    let pinned = artifact(publisher.path());
    assert_eq!(pinned["urls"], json!(["docker-daemon:shop/web:1"]));
    assert_eq!(pinned["digest"], json!(publisher.digest()));
    // The engine's own ID, name and layer.
    let members = members(&fs::read(publisher.file()).expect("read"));
    let listed: Value = serde_json::from_slice(&members["manifest.json"]).expect("JSON");
    let id = engine.ask(&["image", "inspect", "--format", "{{.Id}}", "shop/web:1"]);
    let config = listed[0]["Config"].as_str().expect("text");
    assert_eq!((Digest::of(&members[config]).to_string(), &listed[0]["RepoTags"]), (id, &json!(["shop/web:1"])));
    assert_eq!(members[listed[0]["Layers"][0].as_str().expect("text")], layer(1, 200_000));
    // Once: what is there and pinned is not asked for again.
    let mtime = || fs::metadata(publisher.file()).and_then(|found| found.modified()).expect("a time");
    let before = mtime();
    assert_eq!(publisher.document(0, &["lock"])["saved"], json!([]));
    assert_eq!(publisher.document(0, &["lock", "--update"])["changed"], json!(false));
    assert_eq!(mtime(), before, "the same bytes are not written again");
    // Saved by somebody else, it is the same file.
    let other = Publisher::new(&engine, &["docker-daemon:shop/web:1"]);
    other.said(0, &["lock"]);
    assert_eq!(other.digest(), publisher.digest());
    // Everything behind it needs no engine.
    for words in
        [&["bundle", "--manifest", "manifest.json", "--compression", "fast"][..], &["verify", "probe-portable"]]
    {
        ended(0, pack(publisher.path()).args(words).env("DOCKER_HOST", "unix:///nonexistent"));
    }
}

#[test]
fn a_file_that_is_lost_is_saved_again_from_the_same_image_only() {
    let Some(engine) = Engine::start() else { return };
    import(&engine, 1, "shop/web:1");
    let publisher = Publisher::new(&engine, &["docker-daemon:shop/web:1"]);
    publisher.said(0, &["lock"]);
    let pinned = artifact(publisher.path());
    fs::remove_file(publisher.file()).expect("removed");
    // Nobody else has it.
    let text = publisher.said(1, &["download", "manifest.json"]);
    assert!(text.contains("docker-daemon:shop/web:1, which only the publisher's machine has"), "{text}");
    assert!(text.contains("pack lock ") && text.contains("put images/web-1.tar beside the manifest"), "{text}");
    let text = publisher.said(0, &["lock"]);
    assert!(text.contains("saved again"), "{text}");
    assert_eq!((pinned["digest"].as_str(), &artifact(publisher.path())), (Some(&publisher.digest()[..]), &pinned));
    // Another image under that name is not what is pinned.
    fs::remove_file(publisher.file()).expect("removed");
    import(&engine, 2, "shop/web:1");
    let text = publisher.said(3, &["lock"]);
    assert!(
        text.contains("another image than the one that is pinned") && text.contains("pack lock --update"),
        "{text}"
    );
    assert!(!publisher.file().exists());
    assert_nothing_is_staged(&publisher);
    publisher.said(0, &["lock", "--update"]);
    assert_eq!(artifact(publisher.path())["digest"], json!(publisher.digest()));
}

#[test]
fn only_what_was_saved_before_is_replaced() {
    let Some(engine) = Engine::start() else { return };
    import(&engine, 1, "shop/web:1");
    let publisher = Publisher::new(&engine, &["docker-daemon:shop/web:1"]);
    fs::create_dir(publisher.path().join("images")).expect("a folder");
    fs::write(publisher.file(), "mine").expect("written");
    let text = publisher.said(1, &["lock"]);
    assert!(text.contains("in the place of an image") && text.contains("mv "), "{text}");
    assert_eq!(fs::read_to_string(publisher.file()).expect("read"), "mine");
    fs::remove_file(publisher.file()).expect("removed");
    publisher.said(0, &["lock"]);
    let first = publisher.digest();
    // A new build under the same name.
    import(&engine, 2, "shop/web:1");
    publisher.said(0, &["lock", "--update=images/web-1.tar"]);
    assert_ne!(publisher.digest(), first);
    assert_eq!(artifact(publisher.path())["digest"], json!(publisher.digest()));
}

#[test]
fn what_the_engine_has_is_pinned_whatever_a_server_has() {
    let Some(engine) = Engine::start() else { return };
    import(&engine, 1, "shop/web:1");
    let server = serve(|request| Reply::file(request, b"the file of last week"));
    let publisher = Publisher::new(&engine, &[server.url("web.tar").as_str(), "docker-daemon:shop/web:1"]);
    publisher.said(0, &["lock"]);
    assert_eq!(artifact(publisher.path())["digest"], json!(publisher.digest()));
    // Once it is there too, nobody needs the file beside the manifest.
    let file = fs::read(publisher.file()).expect("read");
    server.now(move |request| Reply::file(request, &file));
    fs::remove_file(publisher.file()).expect("removed");
    assert_eq!(publisher.document(0, &["lock"])["saved"], json!([]));
    publisher.said(0, &["download", "manifest.json"]);
}

#[test]
fn a_check_asks_the_file_and_the_engine() {
    let Some(engine) = Engine::start() else { return };
    import(&engine, 1, "shop/web:1");
    let publisher = Publisher::new(&engine, &["docker-daemon:shop/web:1"]);
    publisher.said(0, &["lock"]);
    let states = |document: &Value| {
        let rows = document["artifacts"].as_array().expect("a list").iter();
        rows.map(|row| row["state"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let check = ["lock", "--check"];
    assert_eq!(states(&publisher.document(0, &check)), ["ok", "ok"]);
    import(&engine, 2, "shop/web:1");
    let moved = publisher.document(3, &check);
    assert_eq!(states(&moved), ["ok", "moved"]);
    assert_eq!(moved["artifacts"][1]["url"], "docker-daemon:shop/web:1");
    engine.ask(&["image", "rm", "shop/web:1"]);
    let failed = publisher.document(1, &check);
    assert_eq!(states(&failed), ["ok", "failed"]);
    assert_eq!(failed["error"], "the container engine has no such image");
}

#[test]
fn an_image_of_another_platform_or_without_layers_is_named() {
    let Some(engine) = Engine::start() else { return };
    load(&engine, &image_for("arm64", "shop/web:1", vec![layer(1, 30_000)]));
    let publisher = Publisher::new(&engine, &["docker-daemon:shop/web:1"]);
    let text = publisher.said(1, &["lock"]);
    for said in ["another platform", "linux/arm64", "docker pull --platform linux/amd64 shop/web:1"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!publisher.file().exists());
    publisher.write("linux/arm64", &["docker-daemon:shop/web:1"]);
    publisher.said(0, &["lock"]);
    load(&engine, &image("shop/empty:1", Vec::new()));
    let publisher = Publisher::new(&engine, &["docker-daemon:shop/empty:1"]);
    // Of some engines: 'empty export - not implemented'.
    let lock = publisher.command(&["lock"]).output().expect("pack runs");
    let (_, err) = texts(&lock);
    assert!(lock.status.success() || err.contains("cannot save an image without layers"), "{err}");
    assert!(lock.status.success() || !publisher.path().join("images").exists(), "an empty folder is left");
}

#[test]
fn what_is_wrong_with_the_engine_is_named_with_what_to_type() {
    let Some(engine) = Engine::start() else { return };
    let publisher = Publisher::new(&engine, &["docker-daemon:shop/web:1"]);
    let text = publisher.said(1, &["lock"]);
    assert!(text.contains("has no such image") && text.contains("docker pull shop/web:1"), "{text}");
    let text = ended(1, publisher.command(&["lock"]).env("DOCKER_HOST", "unix:///nonexistent/socket"));
    assert!(text.contains("does not answer") && text.contains("systemctl start docker"), "{text}");
    let nothing = publisher.path().join("bin");
    fs::create_dir(&nothing).expect("a folder");
    let text = ended(1, publisher.command(&["lock"]).env("PATH", &nothing));
    assert!(text.contains("no container engine") && text.contains("oci://"), "{text}");
    // Another user, whom the socket is closed to.
    let folder = publisher.path();
    for path in [folder.to_owned(), folder.join("manifest.json")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("a mode");
    }
    let own = folder.join("pack");
    fs::copy(PACK, &own).expect("copied");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&own).arg("lock");
    let text = ended(1, command.current_dir(folder).env("HOME", folder).env("DOCKER_HOST", engine.host()));
    assert!(text.contains("may not ask the container engine") && text.contains("group 'docker'"), "{text}");
    assert!(!folder.join("images").exists(), "an empty folder is left");
}

/// `podman` with a store of its own, where there is no `docker`.
#[test]
fn podmans_images_keep_their_ids_too() {
    let Ok(podman) = which("podman") else { return skip("podman is not installed") };
    if !rustix::process::geteuid().is_root() {
        return skip("a store of podman's own needs root");
    }
    let folder = tempfile::Builder::new().prefix("podman").tempdir_in("/var/tmp").expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("bin")).expect("a folder");
    symlink(podman, at("bin/podman")).expect("a link");
    let store = format!("[storage]\ndriver = \"vfs\"\ngraphroot = {:?}\nrunroot = {:?}\n", at("store"), at("run"));
    fs::write(at("storage.conf"), store).expect("written");
    let of = |mut command: Command| {
        command.env("PATH", at("bin")).env("CONTAINERS_STORAGE_CONF", at("storage.conf"));
        command
    };
    let ask = |words: &[&str]| {
        let mut command = of(Command::new(at("bin/podman")));
        let output = command.args(words).output().expect("podman runs");
        let (out, err) = texts(&output);
        assert!(output.status.success(), "{words:?}\n{err}");
        out.trim().to_owned()
    };
    // In Docker's form and in OCI's.
    let made = image("docker.io/shop/web:1", vec![layer(1, 60_000), layer(2, 5_000)]);
    fs::write(at("a.tar"), docker_archive(std::slice::from_ref(&made))).expect("written");
    ask(&["load", "--quiet", "--input", at("a.tar").to_str().expect("UTF-8")]);
    fs::write(at("root.tar"), layer(3, 60_000)).expect("written");
    ask(&["import", "--quiet", at("root.tar").to_str().expect("UTF-8"), "shop/oci:1"]);
    for (url, layers) in
        [("docker-daemon:shop/web:1", made.layers.clone()), ("docker-daemon:shop/oci:1", vec![layer(3, 60_000)])]
    {
        let own = tempfile::tempdir().expect("a temporary folder");
        fs::write(own.path().join("manifest.json"), manifest_of("linux/amd64", &[url])).expect("written");
        let lock = || {
            let mut command = of(pack(own.path()));
            command.arg("lock");
            command
        };
        ended(0, &mut lock());
        let archive = fs::read(own.path().join(FILE)).expect("read");
        let members = members(&archive);
        let listed: Value = serde_json::from_slice(&members["manifest.json"]).expect("JSON");
        let name = url.trim_start_matches("docker-daemon:");
        let id = ask(&["image", "inspect", "--format", "{{.Id}}", name]);
        let config = &members[listed[0]["Config"].as_str().expect("text")];
        assert_eq!((Digest::of(config).hex(), &listed[0]["RepoTags"]), (id, &json!([name])), "{url}");
        let paths = listed[0]["Layers"].as_array().expect("a list").iter();
        let found: Vec<&Vec<u8>> = paths.map(|path| &members[path.as_str().expect("text")]).collect();
        assert!(found == layers.iter().collect::<Vec<_>>(), "{url}");
        fs::write(own.path().join("manifest.json"), manifest_of("linux/amd64", &[&format!("{url}-absent")]))
            .expect("written");
        let text = ended(1, &mut lock());
        assert!(text.contains("has no such image") && text.contains("podman pull shop/"), "{text}");
    }
}

fn manifest_of(platform: &str, urls: &[&str]) -> String {
    let artifact = json!({ "name": FILE, "kind": "image", "platform": platform, "urls": urls });
    json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "artifacts": [artifact] }).to_string()
}

fn which(program: &str) -> Result<PathBuf, ()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file()).ok_or(())
}
