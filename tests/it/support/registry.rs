//! What a registry has, and a product whose artifact is an image in one.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use pack::digest::Digest;
use serde_json::{Value, json};

use super::fault::{Reply, Request, Server, serve};
use super::images::Made;
use super::pack;

/// The media type of an image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// How layers are compressed.
pub type Packer = fn(&[u8]) -> Vec<u8>;

/// A registry's answers by path, all in the repository `shop/web`.
#[derive(Clone, Default)]
pub struct Documents(pub HashMap<String, Vec<u8>>);

impl Documents {
    /// An image under the tag `1`, its layers compressed by `pack`.
    pub fn of(made: &Made, pack: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let mut documents = Documents::default();
        let manifest = documents.push(made, pack);
        documents.name("1", &manifest);
        documents
    }

    /// Adds `made`, its layers compressed by `pack`; returns its manifest.
    pub fn push(&mut self, made: &Made, pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let config = self.blob(&made.config, "application/vnd.oci.image.config.v1+json");
        let layers: Vec<Value> = made
            .layers
            .iter()
            .map(|layer| self.blob(&pack(layer), "application/vnd.oci.image.layer.v1.tar+gzip"))
            .collect();
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        let manifest = manifest.to_string().into_bytes();
        self.name(&Digest::of(&manifest).to_string(), &manifest);
        manifest
    }

    fn blob(&mut self, bytes: &[u8], kind: &str) -> Value {
        let digest = Digest::of(bytes);
        self.0.insert(blob_path(&digest), bytes.to_vec());
        json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
    }

    /// Gives a document the name `reference`.
    pub fn name(&mut self, reference: &str, document: &[u8]) {
        self.0.insert(format!("/v2/shop/web/manifests/{reference}"), document.to_vec());
    }

    /// The honest answer.
    pub fn found(&self, request: &Request) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        self.0.get(path).map_or_else(|| Reply::new(404, "{}"), |bytes| Reply::file(request, bytes))
    }

    /// An honest registry.
    pub fn serve(self) -> Server {
        serve(move |request: &Request| self.found(request))
    }
}

/// Where a blob is.
pub fn blob_path(digest: &Digest) -> String {
    format!("/v2/shop/web/blobs/{digest}")
}

/// What an index says of a manifest.
pub fn described(manifest: &[u8], architecture: &str, variant: &str) -> Value {
    let platform = json!({ "os": "linux", "architecture": architecture, "variant": variant });
    json!({ "mediaType": MANIFEST, "digest": Digest::of(manifest), "size": manifest.len(), "platform": platform })
}

/// An index of those.
pub fn index(manifests: &[Value]) -> Vec<u8> {
    let kind = "application/vnd.oci.image.index.v1+json";
    json!({ "schemaVersion": 2, "mediaType": kind, "manifests": manifests }).to_string().into_bytes()
}

/// `oci://SERVER/shop/webREST`.
pub fn oci(server: &Server, rest: &str) -> String {
    format!("oci://{}/shop/web{rest}", server.address())
}

/// Writes a manifest whose one artifact, `web.tar`, has these URLs.
pub fn write_manifest(folder: &Path, urls: &[String]) {
    let artifact = json!({ "name": "web.tar", "kind": "image", "platform": "linux/amd64", "urls": urls });
    let manifest = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "artifacts": [artifact] });
    fs::write(folder.join("manifest.json"), manifest.to_string()).expect("written");
}

/// The one artifact in `folder/manifest.json`.
pub fn artifact(folder: &Path) -> Value {
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).expect("read")).expect("JSON");
    manifest["artifacts"][0].clone()
}

/// The members of a tar archive by name.
pub fn members(archive: &[u8]) -> HashMap<String, Vec<u8>> {
    let mut members = HashMap::new();
    for entry in tar::Archive::new(archive).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).expect("read");
        members.insert(path, bytes);
    }
    members
}

/// `pack` with no logins but those that the test puts into `folder`.
pub fn pack_without_logins(folder: &Path, words: &[&str]) -> Command {
    let mut command = pack(folder);
    command.args(words).env("HOME", folder).env("DOCKER_CONFIG", folder.join("docker"));
    for name in ["REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "NETRC"] {
        command.env_remove(name);
    }
    command
}
