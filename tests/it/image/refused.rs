//! Archives that cannot be taken, each told with its artifact and member; and files that cannot be taken apart,
//! which are kept as they are.

use std::collections::HashMap;
use std::fs;

use crate::support::facts::Facts;
use crate::support::images::{Layers, Member, docker_archive, docker_legacy, gzip, image, layer, oci, tar, zstd};
use crate::support::{expect, file, noise, portable, skip, tree};
use pack::digest::Digest;
use pack::error::{Error, Result};
use pack::image::{Analysis, AnalysisOptions, Representation, analyse};
use pack::platform::Platform;
use pack::progress::Silent;
use serde_json::{Value, json};

fn analysed(bytes: &[u8], options: &AnalysisOptions) -> Result<Analysis> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bad.tar");
    fs::write(&path, bytes).expect("written");
    analyse(&path, "bad.tar", true, options, &Silent)
}

fn options() -> AnalysisOptions {
    AnalysisOptions { platform: Some(Platform::AMD64), ..AnalysisOptions::default() }
}

/// The error names the artifact and the member, and says what to do.
fn assert_names(error: &Error, member: &str) {
    assert_eq!(error.fact_named("artifact"), Some("bad.tar"), "{error}");
    assert_eq!(error.fact_named("member"), Some(member), "{error}");
    assert!(error.hint_text().is_some(), "{error}");
}

#[test]
fn unsafe_names_and_links_name_the_member() {
    for (bytes, member) in [
        (tar(&[("../evil", Member::File(b""))]), "../evil"),
        (tar(&[("/etc/evil", Member::File(b""))]), "/etc/evil"),
        (tar(&[("a/b", Member::Symlink("../../etc/passwd"))]), "a/b"),
        (tar(&[("a", Member::Symlink("/etc/passwd"))]), "a"),
        (tar(&[("a", Member::Hardlink("/etc/passwd"))]), "a"),
        (tar(&[("a", Member::File(b"1")), ("a", Member::File(b"2"))]), "a"),
    ] {
        assert_names(&analysed(&bytes, &options()).expect_err(member), member);
    }
}

#[test]
fn an_archive_cut_short_or_without_end_names_the_member() {
    let content = noise(1, 400_000);
    let plain = tar(&[("first", Member::File(&content)), ("second", Member::File(&content))]);
    for cut in [300_000, 600_000] {
        let member = if cut < 400_000 { "first" } else { "second" };
        assert_names(&analysed(&plain[..cut], &options()).expect_err("cut"), member);
        assert_names(&analysed(&gzip(&plain, 6)[..cut], &options()).expect_err("cut"), member);
        let zstd = zstd(&plain[..800_000]);
        assert!(analysed(&zstd[..zstd.len() - 9], &options()).expect_err("cut").fact_named("member").is_some());
    }
    let mut options = options();
    options.limits.content_bytes = 500_000;
    assert_names(&analysed(&gzip(&plain, 6), &options).expect_err("a bomb"), "second");
}

#[test]
fn a_tag_given_twice_or_no_tag_at_all_names_the_list() {
    let same = [image("probe/same:1", vec![layer(1, 100)]), image("probe/same:1", vec![layer(2, 100)])];
    assert_names(&analysed(&docker_archive(&same), &options()).expect_err("two images"), "manifest.json");
    let odd = docker_archive(&[image("no name", vec![layer(1, 100)])]);
    assert_names(&analysed(&odd, &options()).expect_err("no name"), "manifest.json");
    let none = tar(&[("manifest.json", Member::File(b"[]"))]);
    assert_names(&analysed(&none, &options()).expect_err("no image"), "manifest.json");
}

#[test]
fn an_index_of_other_platforms_names_them_and_itself() {
    let blob = |value: &Value| {
        let bytes = value.to_string().into_bytes();
        (format!("blobs/sha256/{}", Digest::of(&bytes).hex()), bytes)
    };
    let descriptor = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len() });
    let of = |architecture: &str| {
        let mut one = descriptor("application/vnd.oci.image.manifest.v1+json", b"not here");
        one["platform"] = json!({ "os": "linux", "architecture": architecture });
        one
    };
    let (path, list) = blob(&json!({ "schemaVersion": 2, "manifests": [of("arm64"), of("riscv64")] }));
    let top = json!({ "manifests": [descriptor("application/vnd.oci.image.index.v1+json", &list)] }).to_string();
    let bytes = tar(&[("index.json", Member::File(top.as_bytes())), (&path, Member::File(&list))]);
    let error = analysed(&bytes, &options()).expect_err("not for us");
    assert_names(&error, &path);
    assert_eq!(error.fact_named("expected"), Some("linux/amd64"));
    assert_eq!(error.fact_named("actual"), Some("linux/arm64, linux/riscv64"));
}

/// Gzip as no compressor writes it: whether a match is taken, and how much of it, is decided by chance.
fn unpredictable(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut last, mut count) = (vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], 0u64, 0u32);
    let mut put = |value: u64, bits: u32| {
        last |= value << count;
        count += bits;
        while count >= 8 {
            out.push(last as u8);
            last >>= 8;
            count -= 8;
        }
    };
    // Huffman codes come with their highest bit first.
    let code = |value: u64, bits: u32| (value.reverse_bits() >> (64 - bits), bits);
    put(0b011, 3);
    let (mut seen, mut at, mut word) = (HashMap::new(), 0, 1u64);
    while at < bytes.len() {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = bytes.get(at..at + 3);
        let from = key.and_then(|key| seen.insert(key, at)).filter(|from| at - from <= 32_768);
        match from {
            Some(from) if word >> 63 == 0 => {
                let longest = (at..bytes.len()).take(10).take_while(|&to| bytes[to] == bytes[to - at + from]).count();
                let length = 3 + (word >> 40) as usize % (longest - 2);
                let (value, bits) = code(length as u64 - 2, 7);
                put(value, bits);
                let distance = (at - from - 1) as u64;
                let extra = if distance < 4 { 0 } else { distance.ilog2() - 1 };
                let (value, bits) = code(u64::from(2 * extra) + (distance >> extra), 5);
                put(value, bits);
                put(distance & ((1 << extra) - 1), extra);
                at += length;
            }
            _ => {
                let byte = u64::from(bytes[at]);
                let (value, bits) = if byte < 144 { code(0x30 + byte, 8) } else { code(0x190 + byte - 144, 9) };
                put(value, bits);
                at += 1;
            }
        }
    }
    put(0, 7);
    put(0, 7);
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
    out
}

#[test]
fn what_cannot_be_predicted_is_kept_as_it_is_and_says_why() {
    let plain = docker_legacy(&[image("probe/one:1", vec![layer(1, 900_000)])]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = [file("one.tar.gz", "image", unpredictable(&plain)), file("two.tgz", "engine", unpredictable(&plain))];
    let product = portable(folder.path(), &files);
    let bundle = "probe-1.0.0-x86_64.run";
    expect(0, folder.path(), &["bundle"]);
    let (shown, _) = expect(0, folder.path(), &["inspect", "--json", bundle]);
    let document: Value = serde_json::from_str(&shown).expect("JSON");
    for artifact in document["index"]["artifacts"].as_array().expect("a list") {
        assert!(artifact["form"].is_null(), "{artifact}");
        assert!(artifact["kept"].as_str().is_some_and(|why| why.contains("predicted")), "{artifact}");
    }
    let (shown, _) = expect(0, folder.path(), &["inspect", bundle]);
    assert!(shown.contains("cannot be predicted"), "{shown}");
    expect(0, folder.path(), &["extract", bundle, "out"]);
    assert_eq!(tree(&folder.path().join("out")), tree(&product));
}

#[test]
fn a_recipe_that_no_reader_would_take_is_not_written() {
    let packed = gzip(&docker_legacy(&[image("probe/one:1", vec![layer(1, 900_000)])]), 6);
    let mut options = options();
    assert!(matches!(analysed(&packed, &options).expect("read").representation, Representation::Rebuilt(_)));
    options.limits.recipe_bytes = 1_000;
    let analysis = analysed(&packed, &options).expect("read");
    assert!(
        matches!(&analysis.representation, Representation::AsIs(why) if why.contains("the limit is 1000")),
        "{:?}",
        analysis.representation
    );
    assert!(analysis.blobs.is_empty());
}

/// A few hundred kilobytes must not ask for a million images: lists in one another are bounded in all.
#[test]
fn lists_in_one_another_do_not_multiply() {
    let descriptor = |path: &[u8]| json!({ "mediaType": "application/vnd.oci.image.index.v1+json", "digest": Digest::of(path), "size": path.len() });
    let mut inner = json!({ "schemaVersion": 2, "manifests": [] }).to_string().into_bytes();
    let mut blobs = Vec::new();
    for _ in 0..3 {
        let outer = json!({ "schemaVersion": 2, "manifests": vec![descriptor(&inner); 100] }).to_string().into_bytes();
        blobs.push((format!("blobs/sha256/{}", Digest::of(&inner).hex()), std::mem::replace(&mut inner, outer)));
    }
    blobs.push(("index.json".to_owned(), inner));
    let members: Vec<_> = blobs.iter().map(|(path, blob)| (path.as_str(), Member::File(blob))).collect();
    let error = analysed(&tar(&members), &options()).expect_err("a million");
    assert!(error.to_string().contains("too many images"), "{error}");
    assert!(error.fact_named("member").is_some(), "{error}");
}

#[test]
fn names_that_no_engine_takes_are_refused_and_one_name_is_one_however_it_is_spelled() {
    for name in ["Probe/One:1", "probe/one", "-probe:1", "probe/one@sha256:00"] {
        assert_names(
            &analysed(&docker_archive(&[image(name, vec![layer(1, 1_000)])]), &options()).expect_err(name),
            "manifest.json",
        );
    }
    let [a, b] = [layer(1, 1_000), layer(2, 1_000)];
    let spelled = [image("redis:5", vec![a.clone()]), image("docker.io/library/redis:5", vec![b])];
    let error = analysed(&docker_archive(&spelled), &options()).expect_err("two images");
    assert_names(&error, "manifest.json");
    assert_eq!(error.title(), "a tag names two images");
    // skopeo writes a tag alone where it was given no name.
    let analysis = analysed(&oci(&[image("latest", vec![a])], Layers::Plain, false), &options()).expect("read");
    assert!(analysis.images[0].tags.is_empty(), "{:?}", analysis.images[0].tags);
}

#[test]
fn an_xz_that_asks_for_much_memory_is_named_and_not_called_unreadable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("a"), tar(&[("a", Member::File(b"a"))])).expect("written");
    let made = std::process::Command::new("xz").arg("--lzma2=dict=256MiB").arg("a").current_dir(folder.path()).status();
    if !made.is_ok_and(|status| status.success()) {
        return skip("xz is not there");
    }
    let error = analysed(&fs::read(folder.path().join("a.xz")).expect("read"), &options()).expect_err("too much");
    assert_eq!(error.fact_named("artifact"), Some("bad.tar"), "{error}");
    assert!(!error.to_string().contains("ls -ld"), "{error}");
}
