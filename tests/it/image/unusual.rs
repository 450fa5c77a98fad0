//! Archives as tools write them: taken where an engine takes them, or named as what they are. Nothing is called damaged
//! that is only unknown.

use std::fs;

use crate::support::facts::Facts;
use crate::support::images::{Layers, Member, docker_archive, gzip, image, image_for, layer, oci, tar};
use pack::digest::Digest;
use pack::error::{Class, Error, Result};
use pack::image::{Analysis, AnalysisOptions, analyse};
use pack::image_ref::ImageRef;
use pack::platform::Platform;
use pack::progress::Silent;
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn analysed_for(platform: Option<Platform>, bytes: &[u8]) -> Result<Analysis> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("odd.tar");
    fs::write(&path, bytes).expect("written");
    analyse(&path, "odd.tar", true, &AnalysisOptions { platform, ..AnalysisOptions::default() }, &Silent)
}

fn analysed(bytes: &[u8]) -> Result<Analysis> {
    analysed_for(Some(Platform::AMD64), bytes)
}

/// It is refused for what it is: `word` is in the reason, and nobody is accused.
fn assert_named(case: &str, bytes: &[u8], word: &str) -> Error {
    let error = analysed(bytes).expect_err(case);
    let reason = error.fact_named("reason").unwrap_or_else(|| panic!("{case}: {error}"));
    assert!(reason.contains(word), "{case}: {error}");
    assert!(!error.to_string().contains("damaged"), "{case}: {error}");
    assert_eq!(error.class(), Class::Failed, "{case}: {error}");
    error
}

/// What pzstd puts first: a skippable frame with the size of what follows.
fn pzstd(bytes: &[u8]) -> Vec<u8> {
    let packed = zstd::bulk::compress(bytes, 3).expect("memory");
    [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0], &(packed.len() as u32).to_le_bytes()[..], &packed].concat()
}

/// A zstd frame with the window that `zstd --long=31` asks for.
fn long_window(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("memory");
    encoder.include_contentsize(false).expect("a setting");
    std::io::Write::write_all(&mut encoder, bytes).expect("memory");
    let mut packed = encoder.finish().expect("memory");
    assert_eq!(packed[4] & 0xe0, 0, "a frame with a window");
    packed[5] = 21 << 3;
    packed
}

/// An image layout.
#[derive(Default)]
struct Layout {
    blobs: Vec<(String, Vec<u8>)>,
    manifests: Vec<Value>,
}

impl Layout {
    fn blob(&mut self, kind: &str, bytes: &[u8]) -> Value {
        let path = format!("blobs/sha256/{}", Digest::of(bytes).hex());
        if !self.blobs.iter().any(|(known, _)| *known == path) {
            self.blobs.push((path, bytes.to_vec()));
        }
        json!({ "mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len() })
    }

    /// Lists a manifest of this config and layers; what an index says of it beside that is `more`.
    fn list(&mut self, config: (&str, &[u8]), layers: &[(&str, &[u8])], more: Value) {
        let layers: Vec<Value> = layers.iter().map(|(kind, bytes)| self.blob(kind, bytes)).collect();
        let manifest = json!({ "schemaVersion": 2, "config": self.blob(config.0, config.1), "layers": layers });
        let mut described = self.blob(MANIFEST, manifest.to_string().as_bytes());
        for (key, value) in more.as_object().into_iter().flatten() {
            described[key] = value.clone();
        }
        self.manifests.push(described);
    }

    fn archive(mut self) -> Vec<u8> {
        let index = json!({ "schemaVersion": 2, "manifests": self.manifests }).to_string().into_bytes();
        self.blobs.push(("index.json".to_owned(), index));
        tar(&self.blobs.iter().map(|(path, bytes)| (path.as_str(), Member::File(bytes))).collect::<Vec<_>>())
    }
}

fn named(tag: &str) -> Value {
    json!({ "annotations": { "org.opencontainers.image.ref.name": tag } })
}

#[test]
fn pzstd_is_zstd() {
    let made = image("probe/one:1", vec![layer(1, 50_000)]);
    let analysis = analysed(&pzstd(&docker_archive(std::slice::from_ref(&made)))).expect("an archive under pzstd");
    assert_eq!(analysis.images[0].id, made.id());
    let mut layout = Layout::default();
    layout.list((CONFIG, &made.config), &[(LAYER, &pzstd(&made.layers[0]))], named("probe/one:1"));
    let analysis = analysed(&layout.archive()).expect("a layer under pzstd");
    assert_eq!(analysis.images[0].layers[0].diff_id, Digest::of(&made.layers[0]));
}

#[test]
fn a_line_feed_in_a_pax_value_is_no_damage() {
    let made = image("probe/one:1", vec![layer(1, 50_000)]);
    let plain = docker_archive(std::slice::from_ref(&made));
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("SCHILY.xattr.user.note", &b"a\nb"[..])]).expect("memory");
    let mut archive = builder.get_ref().clone();
    archive.extend(&plain);
    assert_eq!(analysed(&archive).expect("read").images[0].id, made.id());
}

#[test]
fn what_lies_beside_an_image_in_a_layout_is_passed_over() {
    let made = image("probe/one:1", vec![layer(1, 50_000)]);
    let signature = json!({ "architecture": "", "config": {}, "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"payload")] } });
    let add = |layout: &mut Layout| {
        let simple = ("application/vnd.dev.cosign.simplesigning.v1+json", &b"payload"[..]);
        layout.list((CONFIG, signature.to_string().as_bytes()), &[simple], named("sha256-00.sig"));
        let chart = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", &b"chart"[..]);
        layout.list(("application/vnd.cncf.helm.config.v1+json", b"{}"), &[chart], named("Not A Name"));
        let mut other = layout.blob("application/vnd.example.thing", b"thing");
        other["annotations"] = json!({ "org.opencontainers.image.ref.name": "x/y" });
        layout.manifests.push(other);
    };
    let mut layout = Layout::default();
    add(&mut layout);
    layout.list((CONFIG, &made.config), &[(LAYER, &made.layers[0])], named("probe/one:1"));
    let analysis = analysed(&layout.archive()).expect("read");
    assert_eq!(analysis.images.iter().map(|image| image.id).collect::<Vec<_>>(), [made.id()]);
    let mut layout = Layout::default();
    add(&mut layout);
    let error = assert_named("no image", &layout.archive(), "application/vnd.cncf.helm.config.v1+json");
    assert!(error.to_string().contains("simplesigning") && error.to_string().contains("example.thing"), "{error}");
}

#[test]
fn of_two_platforms_under_one_name_the_right_one_is_chosen() {
    let (amd, arm) =
        (image("probe/one:1", vec![layer(1, 50_000)]), image_for("arm64", "probe/one:1", vec![layer(2, 50_000)]));
    for says_platform in [true, false] {
        let mut layout = Layout::default();
        for (made, architecture) in [(&arm, "arm64"), (&amd, "amd64")] {
            let mut more = named("probe/one:1");
            if says_platform {
                more["platform"] = json!({ "os": "linux", "architecture": architecture });
            }
            layout.list((CONFIG, &made.config), &[(LAYER, &made.layers[0])], more);
        }
        let archive = layout.archive();
        for (platform, made) in [(Platform::AMD64, &amd), (Platform::ARM64, &arm)] {
            let analysis = analysed_for(Some(platform), &archive).expect("chosen");
            assert_eq!(analysis.images.iter().map(|image| image.id).collect::<Vec<_>>(), [made.id()], "{platform}");
        }
    }
    // Under another name it is not another form of the same image.
    let other = image_for("arm64", "probe/two:1", vec![layer(2, 50_000)]);
    let error = analysed(&oci(&[amd, other], Layers::Plain, false)).expect_err("for another platform");
    assert_eq!(error.fact_named("image"), Some("probe/two:1"), "{error}");
}

/// What `docker save` makes of an image of several platforms in an engine that keeps images in containerd: an index of all that
/// is there, and Docker's list of that for the engine's own host.
#[test]
fn platforms_that_dockers_list_leaves_out_are_taken_from_the_index_beside_it() {
    let (amd, arm) =
        (image("probe/one:1", vec![layer(1, 50_000)]), image_for("arm64", "probe/one:1", vec![layer(2, 50_000)]));
    let archive = |tag: &str, is_whole: bool| {
        let mut inner = Layout::default();
        for (made, architecture) in [(&amd, "amd64"), (&arm, "arm64")] {
            let more = json!({ "platform": { "os": "linux", "architecture": architecture } });
            inner.list((CONFIG, &made.config), &[(LAYER, &made.layers[0])], more);
        }
        let more = json!({ "platform": { "os": "unknown", "architecture": "unknown" },
            "annotations": { "vnd.docker.reference.type": "attestation-manifest" } });
        inner.list((CONFIG, b"{}"), &[("application/vnd.in-toto+json", b"{}")], more);
        let index = json!({ "schemaVersion": 2, "manifests": inner.manifests }).to_string().into_bytes();
        let mut layout = Layout { blobs: inner.blobs, ..Layout::default() };
        let mut described = layout.blob("application/vnd.oci.image.index.v1+json", &index);
        described["annotations"] = json!({ "io.containerd.image.name": format!("docker.io/{tag}") });
        layout.manifests.push(described);
        if !is_whole {
            layout.blobs.retain(|(_, bytes)| *bytes != arm.layers[0]);
        }
        let member = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
        let (config, layer) = (member(&amd.config), member(&amd.layers[0]));
        let list = json!([{ "Config": config, "RepoTags": ["probe/one:1"], "Layers": [layer] }]);
        layout.blobs.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
        layout.archive()
    };
    let both = archive("probe/one:1", true);
    for (platform, made) in [(Platform::AMD64, &amd), (Platform::ARM64, &arm)] {
        let analysis = analysed_for(Some(platform), &both).expect("chosen");
        assert_eq!(analysis.images.iter().map(|image| image.id).collect::<Vec<_>>(), [made.id()], "{platform}");
        assert_eq!(analysis.images[0].tags, [ImageRef::tagged("probe/one:1").expect("a name")]);
    }
    let all = analysed_for(None, &both).expect("as Docker lists it");
    assert_eq!(all.images.iter().map(|image| image.id).collect::<Vec<_>>(), [amd.id()]);
    // What is not wholly there, or has another name, is no other form of it.
    for other in [archive("probe/one:1", false), archive("probe/two:1", true)] {
        assert_eq!(analysed(&other).expect("that of Docker's list").images[0].id, amd.id());
        let error = analysed_for(Some(Platform::ARM64), &other).expect_err("for another platform");
        assert_eq!(error.title(), "an image is for another platform", "{error}");
        assert_eq!(error.fact_named("actual"), Some("linux/amd64"), "{error}");
    }
}

/// What `skopeo copy` and `docker save --platform` leave of an image of several platforms.
#[test]
fn only_what_is_wanted_must_be_in_the_archive() {
    let (amd, arm) =
        (image("probe/one:1", vec![layer(1, 50_000)]), image_for("arm64", "probe/one:1", vec![layer(2, 50_000)]));
    let more = |tag: &str, architecture: &str| {
        let mut more = named(tag);
        more["platform"] = json!({ "os": "linux", "architecture": architecture });
        more
    };
    let absent = |more: Value| {
        let mut absent = json!({ "mediaType": MANIFEST, "digest": Digest::of(b"absent"), "size": 6 });
        for (key, value) in more.as_object().into_iter().flatten() {
            absent[key] = value.clone();
        }
        absent
    };
    let with = |described: &[Value], list: bool| {
        let mut layout = Layout::default();
        layout.manifests.extend(described.iter().cloned());
        if list {
            layout.list((CONFIG, &amd.config), &[(LAYER, &amd.layers[0])], more("probe/one:1", "amd64"));
        }
        layout
    };
    for (case, described) in [
        ("linux/arm64", absent(more("probe/one:1", "arm64"))),
        ("probe/arm:1 (linux/arm64)", absent(more("probe/arm:1", "arm64"))),
        ("unknown/unknown", absent(json!({ "platform": { "os": "unknown", "architecture": "unknown" } }))),
        ("cncf.helm.config", absent(json!({ "artifactType": "application/vnd.cncf.helm.config.v1+json" }))),
    ] {
        let analysis = analysed(&with(std::slice::from_ref(&described), true).archive()).expect(case);
        assert_eq!(analysis.images.iter().map(|image| image.id).collect::<Vec<_>>(), [amd.id()], "{case}");
        let remark = analysis.remarks.join("\n");
        assert!(remark.contains(case) && remark.contains("is not in the archive"), "{case}: {remark}");
        let error = assert_named(case, &with(&[described], false).archive(), "which is absent");
        assert!(error.to_string().contains("lists no image"), "{error}");
    }
    // What may be an image for this platform is never passed over.
    for described in [absent(named("probe/two:1")), absent(more("probe/two:1", "amd64"))] {
        assert_named("wanted", &with(&[described], true).archive(), "names this file but does not have it");
    }
    let mut layout = with(&[], true);
    layout.list((CONFIG, &arm.config), &[(LAYER, &arm.layers[0])], more("probe/one:1", "arm64"));
    let is_of_arm = |bytes: &[u8]| bytes == arm.layers[0] || bytes == arm.config;
    layout.blobs.retain(|(_, bytes)| !is_of_arm(bytes));
    let archive = layout.archive();
    assert_eq!(analysed(&archive).expect("only a manifest of the other").images[0].id, amd.id());
    let error = analysed_for(Some(Platform::ARM64), &archive).expect_err("its layers are not there");
    assert!(error.to_string().contains("does not have it"), "{error}");
}

#[test]
fn null_is_an_empty_list() {
    let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": null } });
    let config = config.to_string().into_bytes();
    let path = format!("{}.json", Digest::of(&config).hex());
    for layers in [json!(null), json!([])] {
        let manifest =
            json!([{ "Config": path, "RepoTags": ["probe/empty:1"], "Layers": layers }]).to_string().into_bytes();
        let archive = tar(&[("manifest.json", Member::File(&manifest)), (&path, Member::File(&config))]);
        let analysis = analysed(&archive).expect("an image without layers");
        assert_eq!(analysis.images[0].tags, [ImageRef::tagged("probe/empty:1").expect("a name")]);
        assert!(analysis.images[0].layers.is_empty());
    }
}

#[test]
fn what_is_not_read_is_named_as_what_it_is() {
    let made = image("probe/one:1", vec![layer(1, 50_000)]);
    let plain = docker_archive(std::slice::from_ref(&made));
    let bzip2 = b"BZh91AY&SY\x00\x00\x00\x00\x00\x00\x00\x00".repeat(40);
    let lzma = [&[0x5d, 0, 0, 0x80, 0], &[0xff; 8][..], &[0; 600]].concat();
    for (case, bytes, word) in [
        ("bzip2", bzip2.clone(), "bzip2"),
        ("lzma", lzma.clone(), "lzma"),
        ("gzip twice", gzip(&gzip(&plain, 6), 6), "once more, with gzip"),
        ("xz in gzip", gzip(&[&[0xfd, b'7', b'z', b'X', b'Z', 0], &[1; 700][..]].concat(), 6), "once more, with xz"),
        ("bzip2 in gzip", gzip(&bzip2, 6), "bzip2"),
        ("zstd --long=31", long_window(&plain), "--long"),
        ("a web page", b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>".to_vec(), "web page"),
    ] {
        assert_named(case, &bytes, word);
    }
    for (case, bytes, word) in [
        ("bzip2", bzip2, "bzip2"),
        ("lzma", lzma, "lzma"),
        ("xz", [&[0xfd, b'7', b'z', b'X', b'Z', 0], &[1; 700][..]].concat(), "xz"),
        ("gzip twice", gzip(&gzip(&made.layers[0], 6), 6), "twice"),
        ("zstd --long=31", long_window(&made.layers[0]), "--long"),
    ] {
        let mut layout = Layout::default();
        layout.list((CONFIG, &made.config), &[(LAYER, &bytes)], named("probe/one:1"));
        let error = assert_named(&format!("a layer: {case}"), &layout.archive(), word);
        assert_eq!(error.fact_named("image"), Some("probe/one:1"), "{case}: {error}");
    }
}
