//! Real image archives, as Docker, containerd, podman and skopeo write them.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use pack::digest::Digest;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::noise;

/// An image to be archived.
#[derive(Clone)]
pub struct Made {
    pub tag: String,
    pub config: Vec<u8>,
    /// Each layer's tar archive.
    pub layers: Vec<Vec<u8>>,
}

impl Made {
    pub fn id(&self) -> Digest {
        Digest::of(&self.config)
    }
}

/// A layer of so many bytes of text and noise, in a file of a name made from `seed`.
pub fn layer(seed: u64, size: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(size);
    let mut word = seed;
    while content.len() < size {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if word >> 61 == 0 {
            content.extend(noise(word, 300));
        } else {
            let (a, b) = (word >> 33 & 0x3ff, word >> 50 & 0xff);
            content.extend(format!("/usr/lib/module-{a}/part-{b}.so.{a}\n").bytes());
        }
    }
    content.truncate(size);
    tar(&[(&format!("data/file-{seed}"), Member::File(&content))])
}

pub enum Member<'a> {
    File(&'a [u8]),
    Symlink(&'a str),
    Hardlink(&'a str),
}

pub fn tar(members: &[(&str, Member)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, member) in members {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        match member {
            Member::File(content) => {
                header.set_size(content.len() as u64);
                // The name goes in as it is: some tests need names no honest writer makes.
                header.as_gnu_mut().expect("GNU").name[..path.len()].copy_from_slice(path.as_bytes());
                header.set_cksum();
                builder.append(&header, *content).expect("memory");
            }
            Member::Symlink(target) | Member::Hardlink(target) => {
                let symbolic = matches!(member, Member::Symlink(_));
                header.set_entry_type(if symbolic { EntryType::Symlink } else { EntryType::Link });
                header.set_size(0);
                builder.append_link(&mut header, path, target).expect("memory");
            }
        }
    }
    builder.into_inner().expect("memory")
}

pub fn image(tag: &str, layers: Vec<Vec<u8>>) -> Made {
    image_for("amd64", tag, layers)
}

pub fn image_for(architecture: &str, tag: &str, layers: Vec<Vec<u8>>) -> Made {
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({
        "architecture": architecture, "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": { "Cmd": ["/bin/true"], "Labels": { "tag": tag } },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": layers.iter().map(|_| json!({ "created_by": "test" })).collect::<Vec<_>>(),
    });
    Made { tag: tag.to_owned(), config: config.to_string().into_bytes(), layers }
}

/// `docker save` up to 24: a folder a layer; a layer that several images have is a link in all but one.
pub fn docker_legacy(images: &[Made]) -> Vec<u8> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut links: Vec<(String, String)> = Vec::new();
    let mut seen: Vec<(Digest, String)> = Vec::new();
    let mut manifest = Vec::new();
    for image in images {
        let mut paths = Vec::new();
        for (depth, layer) in image.layers.iter().enumerate() {
            let folder = Digest::of(format!("{}{depth}", image.tag).as_bytes()).hex();
            let path = format!("{folder}/layer.tar");
            files.push((format!("{folder}/VERSION"), b"1.0".to_vec()));
            files.push((format!("{folder}/json"), json!({ "id": folder }).to_string().into_bytes()));
            match seen.iter().find(|(digest, _)| *digest == Digest::of(layer)) {
                Some((_, known)) => links.push((path.clone(), known.clone())),
                None => {
                    files.push((path.clone(), layer.clone()));
                    seen.push((Digest::of(layer), path.clone()));
                }
            }
            paths.push(path);
        }
        let config = format!("{}.json", image.id().hex());
        files.push((config.clone(), image.config.clone()));
        manifest.push(json!({ "Config": config, "RepoTags": [image.tag], "Layers": paths }));
    }
    files.push(("manifest.json".into(), Value::Array(manifest).to_string().into_bytes()));
    files.sort();
    let targets: Vec<String> = links.iter().map(|(_, target)| format!("../{target}")).collect();
    let mut members: Vec<(&str, Member)> =
        files.iter().map(|(path, content)| (path.as_str(), Member::File(content))).collect();
    for (number, (path, target)) in links.iter().enumerate() {
        // Docker writes symbolic links, other tools hard ones.
        let link = if number % 2 == 0 { Member::Symlink(&targets[number]) } else { Member::Hardlink(target.as_str()) };
        members.push((path, link));
    }
    tar(&members)
}

/// podman's and skopeo's `docker-archive`: flat, `DIFF_ID.tar`.
pub fn docker_archive(images: &[Made]) -> Vec<u8> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut manifest = Vec::new();
    for image in images {
        let name = |layer: &Vec<u8>| format!("{}.tar", Digest::of(layer).hex());
        files.extend(image.layers.iter().map(|layer| (name(layer), layer.clone())));
        let config = format!("{}.json", image.id().hex());
        files.push((config.clone(), image.config.clone()));
        let layers: Vec<String> = image.layers.iter().map(name).collect();
        manifest.push(json!({ "Config": config, "RepoTags": [image.tag], "Layers": layers }));
    }
    files.push(("manifest.json".into(), Value::Array(manifest).to_string().into_bytes()));
    files.sort();
    files.dedup();
    tar(&files.iter().map(|(path, content)| (path.as_str(), Member::File(content))).collect::<Vec<_>>())
}

/// How the layers of an OCI-style archive are compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layers {
    Plain,
    Gzip,
    Zstd,
}

/// `blobs/sha256/…` with `index.json`, as an `oci-archive` has it; with Docker's `manifest.json` beside it
/// as `docker save` writes it from 25 on.
pub fn oci(images: &[Made], layers: Layers, with_docker_manifest: bool) -> Vec<u8> {
    let mut blobs: Vec<Vec<u8>> = Vec::new();
    let (mut index, mut docker) = (Vec::new(), Vec::new());
    let descriptor =
        |kind: &str, blob: &[u8]| json!({ "mediaType": kind, "digest": Digest::of(blob), "size": blob.len() });
    for image in images {
        let packed: Vec<Vec<u8>> = image
            .layers
            .iter()
            .map(|layer| match layers {
                Layers::Plain => layer.clone(),
                Layers::Gzip => gzip(layer, 6),
                Layers::Zstd => zstd(layer),
            })
            .collect();
        let kind = match layers {
            Layers::Plain => "application/vnd.oci.image.layer.v1.tar",
            Layers::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Layers::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        };
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &image.config),
            "layers": packed.iter().map(|layer| descriptor(kind, layer)).collect::<Vec<_>>(),
        })
        .to_string()
        .into_bytes();
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": image.tag });
        index.push(entry);
        let path = |blob: &[u8]| format!("blobs/sha256/{}", Digest::of(blob).hex());
        docker.push(json!({ "Config": path(&image.config), "RepoTags": [image.tag],
                            "Layers": packed.iter().map(|layer| path(layer)).collect::<Vec<_>>() }));
        blobs.extend(packed);
        blobs.extend([manifest, image.config.clone()]);
    }
    let mut files: Vec<(String, Vec<u8>)> =
        blobs.into_iter().map(|blob| (format!("blobs/sha256/{}", Digest::of(&blob).hex()), blob)).collect();
    files.push(("index.json".into(), json!({ "schemaVersion": 2, "manifests": index }).to_string().into_bytes()));
    files.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()));
    if with_docker_manifest {
        files.push(("manifest.json".into(), Value::Array(docker).to_string().into_bytes()));
    }
    files.sort();
    files.dedup();
    tar(&files.iter().map(|(path, content)| (path.as_str(), Member::File(content))).collect::<Vec<_>>())
}

/// A gzip file as zlib's kin write it.
pub fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A zstd frame.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).expect("memory")
}
