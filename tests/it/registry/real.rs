//! Debian's docker-registry, filled and read by skopeo: it and `pack` agree in image ID, config and layers.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::said;
use crate::support::engine::Engine;
use crate::support::images::{Layers, Made, image, image_for, layer, oci};
use crate::support::registry::{artifact, described, index, members, pack_without_logins, write_manifest};
use crate::support::{shell, skip, texts};
use pack::digest::Digest;
use serde_json::Value;

/// A registry in a folder of its own; stopped when dropped.
struct Registry {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// `None`, and a line that says so, where the programs are missing. `more` is added to the configuration, in which `DIR` is
/// the folder.
fn registry(http: &str, more: &str) -> Option<Registry> {
    let has = |program: &str| {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    if let Some(missing) = ["docker-registry", "skopeo", "curl"].into_iter().find(|program| !has(program)) {
        skip(&format!("{missing} is not installed"));
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().display().to_string();
    if http.contains("tls") {
        shell(
            folder.path(),
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
             -addext subjectAltName=IP:127.0.0.1,DNS:localhost 2>/dev/null",
        );
    }
    // Bound and let go: nobody else takes it in this moment.
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = held.local_addr().expect("an address").to_string();
    drop(held);
    let config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: DIR/data}}}}\n\
         http: {{addr: \"{address}\"{http}}}\n{more}"
    );
    fs::write(folder.path().join("config.yml"), config.replace("DIR", &root)).expect("written");
    let log = fs::File::create(folder.path().join("log")).expect("made");
    let mut serve = Command::new("docker-registry");
    serve.args(["serve", "config.yml"]).current_dir(folder.path()).stdout(Stdio::null()).stderr(log);
    let mut registry = Registry { process: serve.spawn().expect("runs"), address, folder };
    while TcpStream::connect(&registry.address).is_err() {
        let over = registry.process.try_wait().expect("a state");
        assert!(over.is_none(), "{}", fs::read_to_string(registry.folder.path().join("log")).unwrap_or_default());
        sleep(Duration::from_millis(5));
    }
    Some(registry)
}

impl Registry {
    /// Puts an image into `shop/web` under `tag`.
    fn push(&self, made: &Made, tag: &str, options: &str) {
        let folder = self.folder.path();
        fs::write(folder.join("image.tar"), oci(std::slice::from_ref(made), Layers::Plain, false)).expect("written");
        let line = format!(
            "skopeo copy -q --dest-tls-verify=false {options} oci-archive:image.tar:{} docker://{}/shop/web:{tag}",
            made.tag, self.address
        );
        shell(folder, &line);
    }

    fn oci(&self, tag: &str) -> String {
        format!("oci://{}/shop/web:{tag}", self.address)
    }
}

/// What two archives of one image must have in common: the image ID, the config, and each layer's content.
fn content(archive: &Path) -> (String, Vec<u8>, Vec<Vec<u8>>) {
    let members = members(&fs::read(archive).expect("read"));
    let listed: Value = serde_json::from_slice(&members["manifest.json"]).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let config = members[&text(&listed[0]["Config"])].clone();
    let layers = listed[0]["Layers"].as_array().expect("a list").iter().map(|path| members[&text(path)].clone());
    (Digest::of(&config).to_string(), config, layers.collect())
}

#[test]
fn skopeo_and_pack_agree_in_what_a_registry_has() {
    let Some(registry) = registry("", "") else { return };
    let made = image("web:1", vec![layer(1, 900_000), layer(2, 30_000), layer(3, 1_200_000)]);
    for (tag, options) in [
        ("plain", ""),
        ("docker", "--format v2s2"),
        ("gzip", "--dest-compress --dest-compress-format gzip --format oci"),
        ("zstd", "--dest-compress --dest-compress-format zstd --format oci"),
    ] {
        registry.push(&made, tag, options);
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_manifest(folder.path(), &[registry.oci(tag)]);
        said(0, folder.path(), &["lock"]);
        said(0, folder.path(), &["download", "manifest.json"]);
        said(0, folder.path(), &["download", "manifest.json", "--no-cache", "--dir", "again"]);
        let pinned = artifact(folder.path());
        let place = format!("docker://{}/shop/web:{tag}", registry.address);
        let raw = shell(folder.path(), &format!("skopeo inspect --tls-verify=false --raw {place}"));
        assert_eq!(pinned["urls"][0], format!("{}@{}", registry.oci(tag), Digest::of(raw.as_bytes())));
        shell(folder.path(), &format!("skopeo copy -q --src-tls-verify=false {place} docker-archive:theirs.tar"));
        let ours = content(&folder.path().join("probe-portable/web.tar"));
        assert!(ours == content(&folder.path().join("theirs.tar")), "{tag}");
        assert_eq!((&ours.0, &ours.2), (&made.id().to_string(), &made.layers), "{tag}");
        let config = shell(folder.path(), "skopeo inspect --raw --config docker-archive:probe-portable/web.tar");
        assert!(config.as_bytes() == ours.1, "{tag}: skopeo reads what pack wrote");
        said(0, folder.path(), &["verify", "probe-portable"]);
    }
}

#[test]
fn of_an_index_the_platforms_image_is_taken_as_skopeo_does() {
    let Some(registry) = registry("", "") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut manifests = Vec::new();
    for (architecture, variant) in [("arm64", "v8"), ("amd64", ""), ("arm", "v7")] {
        registry.push(&image_for(architecture, "web:1", vec![layer(1, 50_000)]), architecture, "--format oci");
        let place = format!("docker://{}/shop/web:{architecture}", registry.address);
        let raw = shell(folder.path(), &format!("skopeo inspect --tls-verify=false --raw {place}"));
        manifests.push(described(raw.as_bytes(), architecture, variant));
    }
    fs::write(folder.path().join("index.json"), index(&manifests)).expect("written");
    let put = format!(
        "curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary @index.json \
         http://{}/v2/shop/web/manifests/all",
        registry.address
    );
    shell(folder.path(), &put);
    write_manifest(folder.path(), &[registry.oci("all")]);
    said(0, folder.path(), &["lock"]);
    let url = artifact(folder.path())["urls"][0].clone();
    assert_eq!(url, format!("{}@{}", registry.oci("all"), manifests[1]["digest"].as_str().expect("text")));
    said(0, folder.path(), &["download", "manifest.json"]);
    let config = shell(
        folder.path(),
        &format!(
            "skopeo inspect --override-arch amd64 --override-os linux --tls-verify=false --raw --config docker://{}/shop/web:all",
            registry.address
        ),
    );
    assert_eq!(content(&folder.path().join("probe-portable/web.tar")).1, config.as_bytes());
}

#[test]
fn a_registry_and_an_engine_give_the_same_archive_of_an_image() {
    let (Some(registry), Some(engine)) = (registry("", ""), Engine::start()) else { return };
    let made = image("web:1", vec![layer(1, 300_000), layer(2, 30_000)]);
    registry.push(&made, "1", "--dest-compress --dest-compress-format gzip --format v2s2");
    let name = format!("{}/shop/web:1", registry.address);
    engine.ask(&["pull", "--quiet", &name]);
    let digests = [registry.oci("1"), format!("docker-daemon:{name}")].map(|url| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_manifest(folder.path(), &[url]);
        let output = pack_without_logins(folder.path(), &["lock"]).env("DOCKER_HOST", engine.host()).output();
        let output = output.expect("pack runs");
        assert!(output.status.success(), "{}", texts(&output).1);
        artifact(folder.path())["digest"].clone()
    });
    assert_eq!(digests[0], digests[1]);
}

/// `me` with the password `s3cret`, as `htpasswd -B` writes it.
const USERS: &str = "me:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

#[test]
fn a_registry_with_tls_and_a_password_takes_the_login_that_skopeo_writes() {
    let auth = "auth: {htpasswd: {realm: test, path: DIR/users}}\n";
    let Some(registry) = registry(", tls: {certificate: DIR/cert.pem, key: DIR/key.pem}", auth) else { return };
    fs::write(registry.folder.path().join("users"), USERS).expect("written");
    let made = image("web:1", vec![layer(1, 200_000)]);
    registry.push(&made, "1", "--dest-creds me:s3cret");
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_manifest(folder.path(), &[registry.oci("1")]);
    let text = said(1, folder.path(), &["lock", "--retries", "0"]);
    assert!(text.contains("certificate"), "{text}");
    let authority = registry.folder.path().join("cert.pem").display().to_string();
    let lock = ["lock", "--retries", "0", "--cacert", &authority];
    let text = said(1, folder.path(), &lock);
    assert!(text.contains("denies access") && text.contains(&format!("docker login {}", registry.address)), "{text}");
    let logins = folder.path().join("docker/config.json");
    fs::create_dir(folder.path().join("docker")).expect("a folder");
    let login =
        format!("skopeo login --tls-verify=false --authfile docker/config.json -u me -p s3cret {}", registry.address);
    shell(folder.path(), &login);
    let text = said(0, folder.path(), &lock);
    assert!(!text.contains("s3cret") && logins.exists(), "{text}");
    said(0, folder.path(), &["download", "manifest.json"]);
    assert_eq!(content(&folder.path().join("probe-portable/web.tar")).2, made.layers);
}
