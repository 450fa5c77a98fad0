//! Bundles with a rightly signed manifest in which one derived thing was changed, and every digest that follows from it
//! put right: none of them is taken for what was signed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::support::craft::{bundle_of_folder, with_index_text, with_stream};
use crate::support::facts::Facts;
use crate::support::images::{Layers, docker_legacy, gzip, image, layer, oci};
use crate::support::{file, noise, write_product};
use pack::bundle::{Bundle, BundleAccess, Carried, CarriedArtifact, Contents, FileContent, Scope, verify};
use pack::digest::Descriptor;
use pack::error::{Class, Error, Result};
use pack::image::AnalysisOptions;
use pack::progress::Silent;
use pack::signature::{PublicKey, SecretKey, generate};
use serde_json::{Value, json};

pub(super) const ENGINE: &str = "engine.tgz";

/// A signed product of every form of artifact, its bundle, and the key.
pub(super) struct Product {
    _root: tempfile::TempDir,
    folder: PathBuf,
    /// The key as it is typed.
    pub(super) public: String,
    key: PublicKey,
    secret: SecretKey,
    pub(super) bundle: Vec<u8>,
}

impl Product {
    /// The signature of `content`.
    pub(super) fn sign(&self, content: &[u8]) -> String {
        self.secret.sign(content, "probe").expect("signed")
    }
}

pub(super) static PRODUCT: LazyLock<Product> = LazyLock::new(|| {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folder = root.path().join("probe");
    fs::create_dir(&folder).expect("a folder");
    let images = [image("a:1", vec![layer(1, 40_000), layer(2, 2_000)]), image("b:1", vec![layer(1, 40_000)])];
    write_product(
        &folder,
        "1.0.0",
        &[
            file("run.sh", "script", "exit\n"),
            file("conf/empty", "file", ""),
            file(&"l".repeat(200).leak()[..], "file", "behind a long name"),
            file("one.tar.gz", "image", gzip(&docker_legacy(&images[..1]), 6)),
            file("two.tar", "image", oci(&images[1..], Layers::Gzip, true)),
            file("both.tar.zst", "image", zstd::bulk::compress(&docker_legacy(&images), 3).expect("memory")),
            file(ENGINE, "engine", gzip(&noise(3, 3_000), 9)),
        ],
    );
    let (public, secret) = generate(None).expect("keys");
    let key_file = root.path().join("release.key");
    fs::write(&key_file, secret).expect("written");
    let secret = SecretKey::read(&key_file, || unreachable!("it has no password")).expect("a key");
    let text = fs::read(folder.join("manifest.json")).expect("read");
    fs::write(folder.join("manifest.json.minisig"), secret.sign(&text, "probe").expect("signed")).expect("written");
    let public = public.lines().nth(1).expect("a key").to_owned();
    let key = PublicKey::parse(&public).expect("a key");
    let bundle = packed(&folder, |_| ());
    Product { _root: root, folder, public, key, secret, bundle }
});

/// The bundle of what `change` makes of the folder's contents.
fn packed(folder: &Path, change: impl FnOnce(&mut Contents)) -> Vec<u8> {
    bundle_of_folder(folder, &AnalysisOptions::default(), change)
}

/// What `pack verify --pubkey` does with a bundle of these bytes, as far as `scope` goes.
fn judged(bytes: &[u8], scope: Scope<'_>) -> Result<()> {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("x.run");
    fs::write(&path, bytes).expect("written");
    let bundle = Bundle::open(&path)?;
    if !verify(&bundle, &Silent)?.is_empty() {
        return Err(Error::integrity("the bundle is damaged"));
    }
    BundleAccess::proved(&bundle, &PRODUCT.key, scope, &Silent).map(drop)
}

#[track_caller]
fn refused(what: &str, bytes: &[u8]) {
    let error = judged(bytes, Scope::Everything).expect_err(what);
    assert_eq!(error.class(), Class::Integrity, "{what}: {error}");
}

pub(super) fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    with_index_text(&PRODUCT.bundle, |json| {
        let mut index = serde_json::from_slice(json).expect("JSON");
        change(&mut index);
        index.to_string().into_bytes()
    })
}

#[test]
fn the_true_one_is_proved() {
    judged(&PRODUCT.bundle, Scope::Everything).expect("proved");
    judged(&with_stream(&PRODUCT.bundle, |_| ()), Scope::Everything).expect("frames may be cut elsewhere");
}

#[test]
fn an_artifact_that_was_not_proved_is_not_given_out() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("x.run");
    fs::write(&path, &PRODUCT.bundle).expect("written");
    let bundle = Bundle::open(&path).expect("opened");
    let is_wanted = |artifact: &CarriedArtifact| artifact.name.as_str() == "run.sh";
    let scope = Scope::Artifacts(&is_wanted);
    let access = BundleAccess::proved(&bundle, &PRODUCT.key, scope, &Silent).expect("proved");
    for artifact in &bundle.index().artifacts {
        let given_out = access.check_covers(artifact);
        assert_eq!(given_out.is_ok(), is_wanted(artifact), "{}", artifact.name);
    }
}

/// Every place in a document, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{number}"), found);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                places(item, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
    found.push(at.to_owned());
}

/// What a value could be instead.
fn others(value: &Value, key: &str) -> Vec<Value> {
    match value {
        Value::Number(number) => {
            let number = number.as_u64().expect("positive");
            vec![json!(number + 1), json!(number.saturating_sub(1)), json!(0), json!(0o777)]
        }
        Value::String(text) if text.starts_with("sha256:") => {
            let last = if text.ends_with('0') { "1" } else { "0" };
            vec![json!(format!("{}{last}", &text[..text.len() - 1])), json!(Descriptor::of(b"x").digest)]
        }
        Value::String(text) if key == "kind" => ["file", "unit", "script", "image", "engine"]
            .iter()
            .filter(|kind| **kind != text.as_str())
            .map(|kind| json!(kind))
            .collect(),
        Value::String(_) if key == "platform" => vec![json!("linux/arm64"), json!("")],
        Value::String(_) if key == "form" => vec![json!("file"), json!("exported"), json!("rebuilt")],
        Value::String(text) => vec![json!(format!("{text}x")), json!("b:1"), json!("run.sh")],
        Value::Array(items) => {
            let mut all = vec![json!([])];
            if let Some(first) = items.first() {
                all.push(items.iter().chain([first]).cloned().collect());
                all.push(items.iter().rev().cloned().collect());
                all.push(items[1..].to_vec().into());
            }
            all
        }
        _ => vec![json!(null)],
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the figure for docs/security.md, with --nocapture")]
fn every_changed_field_of_the_index_is_refused() {
    let index: Value = {
        let mut index = Value::Null;
        with_index_text(&PRODUCT.bundle, |json| {
            index = serde_json::from_slice(json).expect("JSON");
            json.to_vec()
        });
        index
    };
    let mut found = Vec::new();
    places(&index, "", &mut found);
    // Not used for anything but to be shown, and said to be so in docs/security.md.
    let is_free = |place: &str| place == "/packedBy" || place.ends_with("/kept");
    let mut tried = 0;
    for place in found.iter().filter(|place| !place.is_empty() && !is_free(place)) {
        let (parent, key) = place.rsplit_once('/').expect("below the root");
        let value = index.pointer(place).expect("there");
        for other in others(value, key) {
            if other == *value || (place.starts_with("/requires/") && other.is_string()) {
                continue;
            }
            refused(
                &format!("{place} = {other}"),
                &changed(|index| *index.pointer_mut(place).expect("there") = other.clone()),
            );
            tried += 1;
        }
        let without = changed(|index| {
            if let Some(Value::Object(fields)) = index.pointer_mut(parent) {
                fields.remove(key);
            }
        });
        if index.pointer(parent).is_some_and(Value::is_object) {
            refused(&format!("without {place}"), &without);
            tried += 1;
        }
    }
    println!("{tried} changes of the index, 0 believed");
    assert!(tried > 500, "only {tried} changes were tried");
}

#[test]
fn exchanged_images_are_refused_also_by_what_only_loads() {
    let only = |name: &'static str| move |artifact: &CarriedArtifact| artifact.name.as_str() == name;
    let exchange = |index: &mut Value| {
        let images = index["images"].as_array_mut().expect("a list");
        let tags = (images[0]["tags"].clone(), images[1]["tags"].clone());
        (images[1]["tags"], images[0]["tags"]) = tags;
    };
    let none = |index: &mut Value| {
        for artifact in index["artifacts"].as_array_mut().expect("a list") {
            artifact.as_object_mut().expect("an object").remove("images");
            artifact.as_object_mut().expect("an object").remove("tags");
        }
        index["images"] = json!([]);
    };
    for (what, bytes) in [("tags exchanged", changed(exchange)), ("no images", changed(none))] {
        refused(what, &bytes);
        for name in ["one.tar.gz", "two.tar", "both.tar.zst"] {
            let error = judged(&bytes, Scope::Artifacts(&only(name))).expect_err(what);
            assert_eq!(error.class(), Class::Integrity, "{what}, {name}: {error}");
        }
        judged(&bytes, Scope::Artifacts(&only("run.sh"))).expect("what does not use images is not affected");
    }
}

/// Every digest is right for what is there but that which the manifest pins.
#[test]
fn another_content_is_refused_by_the_proof_of_that_artifact_alone() {
    let only = |name: &'static str| move |artifact: &CarriedArtifact| artifact.name.as_str() == name;
    let text = b"exit\n";
    let bytes = with_stream(&PRODUCT.bundle, |stream| {
        let at = stream.windows(text.len()).position(|window| window == text).expect("the script");
        stream[at] = b'E';
    });
    let error = judged(&bytes, Scope::Artifacts(&only("run.sh"))).expect_err("another content");
    assert_eq!(error.class(), Class::Integrity, "{error}");
    judged(&bytes, Scope::Artifacts(&only("one.tar.gz"))).expect("another artifact is what it was");
    refused("another content", &bytes);
    // No artifact is made of this file: only the comparison of the whole stream finds it.
    let layout = with_stream(&PRODUCT.bundle, |stream| {
        let key = b"imageLayoutVersion";
        let at = stream.windows(key.len()).position(|window| window == key).expect("the layout");
        stream[at] = b'x';
    });
    refused("another layout", &layout);
}

/// A recipe of one gzip file: content that is told, and the original file as it is.
fn recipe(original: &[u8], content: &[u8], blob: Option<Descriptor>) -> Vec<u8> {
    let number = |mut value: u64| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let run = |bytes: &[u8]| [number(bytes.len() as u64), bytes.to_vec()].concat();
    let whole = Descriptor::of(original);
    let mut made = [&b"pack recipe 1\n"[..], &number(whole.size), whole.digest.as_bytes(), &[1, 2]].concat();
    made.push(1 + u8::from(blob.is_some()));
    if let Some(blob) = blob {
        made.extend([&[1][..], blob.digest.as_bytes(), &number(blob.size)].concat());
    }
    // The gzip header, the DEFLATE blocks as they are, for a content of 3,000 bytes, and the trailer.
    let blocks = &original[10..original.len() - 8];
    let (text, bits) = (number(3_000), number(blocks.len() as u64 * 8));
    made.extend([&[0][..], &run(content), &[3, 0], &run(&original[..10])].concat());
    made.extend([&[1][..], &text, &[0], &bits, &run(blocks)].concat());
    made.extend([&[0][..], &run(&original[original.len() - 8..])].concat());
    made
}

/// A bundle whose engine comes back as it was, while its recipe says that something else is in it.
pub(super) fn with_forged_recipe(with_blob: bool) -> Vec<u8> {
    let original = fs::read(PRODUCT.folder.join(ENGINE)).expect("read");
    packed(&PRODUCT.folder, |contents| {
        let engine = contents.artifacts.iter_mut().find(|artifact| artifact.name.as_str() == ENGINE).expect("there");
        let Carried::Rebuilt { blobs } = &mut engine.carried else { panic!("{:?}", engine.carried) };
        let blob = Descriptor { digest: blobs[0], size: 3_000 };
        if !with_blob {
            blobs.clear();
        }
        let path = format!(".pack/rebuild/{}.recipe", engine.digest.hex());
        let own = format!(".pack/rebuild/{}", blob.digest.hex());
        contents.files.retain(|file| with_blob || file.path.as_str() != own);
        let file = contents.files.iter_mut().find(|file| file.path.as_str() == path).expect("a recipe");
        let content = if with_blob { b"evil".to_vec() } else { noise(4, 3_000) };
        let bytes = recipe(&original, &content, with_blob.then_some(blob));
        file.descriptor = Descriptor::of(&bytes);
        file.content = FileContent::Bytes(bytes);
    })
}

#[test]
fn a_recipe_with_another_content_is_refused_also_by_what_only_reads_it() {
    for with_blob in [false, true] {
        let bytes = with_forged_recipe(with_blob);
        refused("another content", &bytes);
        let scope = |artifact: &CarriedArtifact| artifact.name.as_str() == ENGINE;
        let error = judged(&bytes, Scope::Artifacts(&scope)).expect_err("refused");
        // Content of another length is refused when the recipe is read, other content only when it is compared.
        let reason = if with_blob { "not what its records use" } else { "decompressed content" };
        assert!(error.fact_named("reason").is_some_and(|why| why.contains(reason)), "{error}");
    }
}

/// The header that the stream has for this path, with `change` made to it and a right checksum.
fn with_header(path: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    with_stream(&PRODUCT.bundle, |stream| {
        let at = (0..stream.len())
            .step_by(512)
            .find(|&at| stream[at..].starts_with(path.as_bytes()) && stream[at + path.len()] == 0)
            .expect("a header");
        let header = &mut stream[at..at + 512];
        change(header);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    })
}

#[test]
fn a_stream_that_stock_tools_read_otherwise_is_refused() {
    refused("another name", &with_header("run.sh", |header| header[..6].copy_from_slice(b"evil.s")));
    refused("another mode", &with_header("run.sh", |header| header[100..107].copy_from_slice(b"0004755")));
    refused("another owner", &with_header("run.sh", |header| header[108..115].copy_from_slice(b"0001750")));
    refused("a link", &with_header("run.sh", |header| header[156] = b'2'));
    refused("another date", &with_header("run.sh", |header| header[140] ^= 1));
    refused("another size", &with_header("conf/empty", |header| header[134] = b'1'));
    let end = 1_024;
    refused(
        "a member more",
        &with_stream(&PRODUCT.bundle, |stream| {
            let header = stream[..512].to_vec();
            let at = stream.len() - end;
            stream.splice(at..at, header);
        }),
    );
    refused("bytes after the end", &with_stream(&PRODUCT.bundle, |stream| stream.extend([0; 512])));
    refused("no end", &with_stream(&PRODUCT.bundle, |stream| stream.truncate(stream.len() - end)));
    refused("half an end", &with_stream(&PRODUCT.bundle, |stream| stream.truncate(stream.len() - 512)));
    let text = fs::read(PRODUCT.folder.join("manifest.json")).expect("read");
    refused("padding", &with_stream(&PRODUCT.bundle, |stream| stream[512 + text.len()] = b'x'));
}

#[test]
fn a_file_that_nothing_asks_for_is_refused() {
    let with = |path: &str| {
        packed(&PRODUCT.folder, |contents| {
            let bytes = b"evil".to_vec();
            contents.files.push(pack::bundle::PayloadFile {
                path: path.parse().expect("a safe name"),
                mode: 0o644,
                descriptor: Descriptor::of(&bytes),
                content: FileContent::Bytes(bytes),
            });
        })
    };
    for path in ["evil", "oci/evil", ".pack/rebuild/evil", "conf/other"] {
        refused(path, &with(path));
    }
}

#[test]
fn a_layout_that_other_tools_read_otherwise_is_refused() {
    for name in ["oci/index.json", "oci/manifest.json", "oci/oci-layout"] {
        let bytes = packed(&PRODUCT.folder, |contents| {
            let file = contents.files.iter_mut().find(|file| file.path.as_str() == name).expect("there");
            let FileContent::Bytes(bytes) = &mut file.content else { panic!("not in memory") };
            *bytes = String::from_utf8_lossy(bytes).replace("a:1", "c:1").replace("1.0.0", "1.0.1").into_bytes();
            file.descriptor = Descriptor::of(bytes);
        });
        refused(name, &bytes);
    }
}
