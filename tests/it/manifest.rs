//! Bad manifests: each is refused with the line that is wrong.

use crate::support::facts::Facts;
use pack::manifest::{Limits, Manifest, ProductName};
use pack::platform::Platform;
use serde_json::{Value, json};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn good() -> Value {
    json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0", "run": "run.sh", "artifacts": [
        { "name": "run.sh", "kind": "script", "urls": ["run.sh"], "size": 0, "digest": DIGEST },
        { "name": "data", "kind": "file", "urls": ["https://example.com/data"], "size": 0, "digest": DIGEST },
    ] })
}

fn refused(text: impl Into<String>) -> (String, String) {
    let error = Manifest::parse(text.into(), "test.json").expect_err("refused");
    assert_eq!(error.fact_named("manifest"), Some("test.json"));
    assert!(error.hint_text().is_some());
    let reason = error.fact_named("reason").unwrap_or(error.title()).to_owned();
    (error.fact_named("line").unwrap_or_default().to_owned(), reason)
}

/// The reason for which the good manifest with `change` in it is refused.
fn reason(change: impl FnOnce(&mut Value)) -> String {
    let mut manifest = good();
    change(&mut manifest);
    refused(serde_json::to_string_pretty(&manifest).expect("JSON")).1
}

#[test]
fn the_good_one_is_taken() {
    let manifest = Manifest::parse(good().to_string(), "test.json").expect("valid");
    assert_eq!(manifest.select(Platform::AMD64).expect("pinned").len(), 2);
}

#[test]
fn the_repositorys_own_is_taken_and_its_pins_are_true() {
    let manifest = Manifest::parse(include_str!("../../manifest.json").into(), "manifest.json").expect("valid");
    let own: Vec<_> = manifest.artifacts().iter().filter(|a| !a.urls[0].contains("://")).collect();
    assert_eq!(own.len(), 13);
    for artifact in own {
        let content = pack::manifest::builtin::file(&artifact.urls[0])
            .unwrap_or_else(|| panic!("{} is not built in", artifact.urls[0]));
        let pin = artifact.pin.expect("pinned");
        assert_eq!(
            (pin.size, pin.digest),
            (Some(content.len() as u64), pack::digest::Digest::of(content)),
            "{}",
            artifact.id.name
        );
    }
    let unpinned = manifest.select(Platform::AMD64).expect_err("the images and the newer engine are unpinned");
    assert_eq!(
        unpinned.fact_named("unpinned"),
        Some("docker-24.0.9.tgz, mysql.tar.gz, redis.tar.gz, eclipse-mosquitto.tar.gz, dataflux-func.tar.gz")
    );
    assert!(unpinned.hint_text().is_some_and(|hint| hint.contains("pack lock")));
}

#[test]
fn an_error_names_the_line() {
    let text = serde_json::to_string_pretty(&good()).expect("JSON");
    let line = |needle: &str, text: &str| text.lines().position(|line| line.contains(needle)).expect("there") + 1;
    for (from, to, needle) in [
        ("\"kind\": \"file\"", "\"kind\": \"movie\"", "movie"),
        ("\"name\": \"data\"", "\"name\": \"../evil\"", "../evil"),
        ("\"run\": \"run.sh\"", "\"run\": \"nobody\"", "nobody"),
        ("\"version\": \"1.0.0\"", "\"version\": \"one\"", "\"one\""),
        ("sha256:e3b0", "sha256:e3b1", "\"size\": 0"),
    ] {
        let bad = text.replacen(from, to, 1);
        assert_ne!(bad, text, "{from}");
        assert_eq!(refused(bad.clone()).0, line(needle, &bad).to_string(), "{to}");
    }
}

#[test]
fn no_error_about_a_url_tells_its_secrets() {
    for (bad, told) in [
        (json!(["a", "ftp://ada:secret@host.example/x?secret"]), "URL 2 (ftp://host.example/…) has the scheme 'ftp'"),
        (json!(["https://ada:secret@[host/x?secret"]), "URL 1 cannot be read"),
        (json!(["https://ada:secret@host.example:99999/x"]), "URL 1 cannot be read"),
        (json!(["https://ada:secret@host.example/a b?secret"]), "URL 1 (https://host.example/…) has a blank"),
        (json!([format!("https://ada:secret@h/{}", "x".repeat(9_000))]), "URL 1 (https://h/…) has 9021"),
        (json!(["ada:secret@host.example/x"]), "URL 1 is neither http nor https nor file, nor a path"),
        (json!("https://ada:secret@host.example/x"), "urls is not a list of texts"),
        (json!([["https://ada:secret@host.example/x"]]), "urls is not a list of texts"),
    ] {
        let why = reason(|m| m["artifacts"][1]["urls"] = bad.clone());
        assert!(why.contains(told) && !why.contains("secret") && !why.contains("ada"), "{why}");
    }
}

#[test]
fn a_text_cut_anywhere_is_refused() {
    let text = good().to_string();
    for end in 0..text.len() {
        refused(&text[..end]);
    }
}

#[test]
fn keys_and_versions_it_does_not_know_are_refused() {
    assert!(reason(|m| m["colour"] = "red".into()).contains("unknown field `colour`"));
    assert!(reason(|m| m["artifacts"][0]["sha256"] = "x".into()).contains("unknown field `sha256`"));
    let later = reason(|m| {
        m["schemaVersion"] = 2.into();
        m["colour"] = "red".into();
    });
    assert!(later.contains("schemaVersion is 2"), "{later}");
    assert!(
        refused(good().to_string().replacen("\"name\":\"probe\"", "\"name\":\"probe\",\"name\":\"probe\"", 1))
            .1
            .contains("duplicate")
    );
}

#[test]
fn names_that_could_do_harm_are_refused() {
    for name in ["../evil", "/etc/passwd", "a\\b", "a\u{7}b", "a/../../b", "", ".", "a//b", "a\u{202e}b"] {
        let why = reason(|m| m["artifacts"][1]["name"] = name.into());
        assert!(why.contains("not safe"), "{name:?}: {why}");
    }
    let own = ["manifest.json", "manifest.json.minisig", ".pack", ".pack/lock", "MANIFEST.json", "oci/index.json"];
    let half_written = [".manifest.json.partial", ".Manifest.json.minisig.partial"];
    for name in own.into_iter().chain(half_written) {
        let why = reason(|m| m["artifacts"][1]["name"] = name.into());
        assert!(why.contains("folder's own"), "{name:?}: {why}");
    }
    for name in [".pack-extract-a1B2c3D4e5F6.partial", ".Pack-Extract-x.Partial"] {
        let why = reason(|m| m["artifacts"][1]["name"] = name.into());
        assert!(why.contains("folder's own"), "{name:?}: {why}");
    }
    let mut near = good();
    near["artifacts"][1]["name"] = ".pack-backup".into();
    Manifest::parse(near.to_string(), "test.json").expect("nobody else's name");
    assert!(reason(|m| m["name"] = "../probe".into()).contains("a product's name"));
}

#[test]
fn two_artifacts_never_claim_one_place() {
    assert!(reason(|m| m["artifacts"][1]["name"] = "run.sh".into()).contains("twice"));
    assert!(reason(|m| m["artifacts"][1]["name"] = "RUN.sh".into()).contains("case"));
    assert!(reason(|m| m["artifacts"][1]["name"] = "run.sh/inside".into()).contains("is a file"));
    let mut both = good();
    both["artifacts"][1]["name"] = "engine.tgz".into();
    both["artifacts"][1]["platform"] = "linux/amd64".into();
    let mut other = both["artifacts"][1].clone();
    other["platform"] = "linux/arm64".into();
    both["artifacts"].as_array_mut().expect("a list").push(other);
    let manifest = Manifest::parse(both.to_string(), "test.json").expect("one name for two platforms");
    assert_eq!(manifest.select(Platform::ARM64).expect("pinned").len(), 2);
    // An artifact of every platform has that name on each: whichever of the two is listed first.
    for (first, second) in [(0, 1), (1, 0)] {
        let mut one_for_all = good();
        one_for_all["artifacts"] = json!([one_for_all["artifacts"][0], both["artifacts"][1], both["artifacts"][1]]);
        one_for_all["artifacts"][1 + first].as_object_mut().expect("an object").remove("platform");
        assert_eq!(one_for_all["artifacts"][1 + second]["platform"], "linux/amd64");
        assert!(refused(one_for_all.to_string()).1.contains("twice"));
    }
}

#[test]
fn a_file_and_a_folder_of_one_name_are_found_in_any_order() {
    // In the order of their bytes, `a-b` comes between `a` and what lies in a folder `a`.
    for names in [["a", "a-b", "a/c"], ["a/c", "a-b", "a"], ["a-b", "a/c", "a"], ["a/c", "a", "a-b"]] {
        let why = reason(|m| {
            for name in names {
                let mut artifact = m["artifacts"][1].clone();
                artifact["name"] = name.into();
                m["artifacts"].as_array_mut().expect("a list").push(artifact);
            }
        });
        assert!(why.contains("'a' is a file, yet 'a/c'"), "{names:?}: {why}");
    }
}

#[test]
fn a_products_name_is_fit_for_a_file_name() {
    let taken = |name: &str| name.parse::<ProductName>().is_ok();
    for name in ["a", "0", "a.b_c-9", &"a".repeat(64)] {
        assert!(taken(name), "{name}");
    }
    for name in ["", ".a", "-a", "_a", "A", "a/b", "a b", "aB", "ä", "a\n", &"a".repeat(65)] {
        assert!(!taken(name), "{name:?}");
    }
}

#[test]
fn what_is_exactly_at_a_limit_is_taken() {
    let limits = Limits::DEFAULT;
    let taken = |change: &dyn Fn(&mut Value)| {
        let mut manifest = good();
        change(&mut manifest);
        Manifest::parse(manifest.to_string(), "test.json").is_ok()
    };
    let urls = |count: usize, size: usize| json!(vec!["u".repeat(size); count]);
    assert!(taken(&|m| m["artifacts"][1]["urls"] = urls(limits.urls, limits.url_bytes)));
    assert!(!taken(&|m| m["artifacts"][1]["urls"] = urls(limits.urls + 1, 1)));
    assert!(!taken(&|m| m["artifacts"][1]["urls"] = urls(1, limits.url_bytes + 1)));
    // Not of an empty file: its digest allows no other size.
    let sized = |size: u64| {
        move |m: &mut Value| {
            m["artifacts"][1]["digest"] = DIGEST.replace("e3b0", "e3b1").into();
            m["artifacts"][1]["size"] = size.into();
        }
    };
    assert!(taken(&sized(limits.artifact_bytes)) && !taken(&sized(limits.artifact_bytes + 1)));
    let many = |count: usize| {
        move |m: &mut Value| {
            let artifact = |number| json!({ "name": format!("data{number}"), "kind": "file", "urls": ["u"] });
            m["artifacts"] = (1..count).map(artifact).chain([good()["artifacts"][0].clone()]).collect();
        }
    };
    assert!(taken(&many(limits.artifacts)) && !taken(&many(limits.artifacts + 1)));
    let padded = |size: u64| good().to_string() + &" ".repeat(size as usize - good().to_string().len());
    let parsed = |size: u64| Manifest::parse(padded(size), "test.json").is_ok();
    assert!(parsed(limits.manifest_bytes) && !parsed(limits.manifest_bytes + 1));
}

#[test]
fn pins_are_whole_or_not_there() {
    for digest in [&DIGEST[..70], &DIGEST.to_uppercase(), &DIGEST.replace("sha256", "md5"), "", "abc"] {
        let why = reason(|m| m["artifacts"][1]["digest"] = digest.into());
        assert!(why.contains("is no digest"), "{digest}: {why}");
    }
    let why = reason(|m| {
        m["artifacts"][1].as_object_mut().expect("an object").remove("digest");
    });
    assert!(why.contains("without a digest"), "{why}");
    assert!(reason(|m| m["artifacts"][1]["size"] = (-1).into()).contains("invalid value"));
    assert!(reason(|m| m["artifacts"][1]["size"] = (1u64 << 50).into()).contains("over the limit"));
    let why = reason(|m| m["artifacts"][1]["digest"] = DIGEST.replace("e3b0", "e3b1").into());
    assert!(why.contains("0 bytes with the digest of something else"), "{why}");
}

#[test]
fn what_is_to_run_is_a_script_of_the_manifest() {
    assert!(reason(|m| m["run"] = "nobody".into()).contains("names no artifact"));
    assert!(reason(|m| m["run"] = "data".into()).contains("not 'script'"));
}

#[test]
fn urls_are_of_known_schemes() {
    for url in
        ["ftp://example.com/x", "builtin:///portable/run-portable.sh", "javascript:alert(1)", "https://", "a b", ""]
    {
        reason(|m| m["artifacts"][1]["urls"] = json!([url]));
    }
    assert!(reason(|m| m["artifacts"][1]["urls"] = json!([])).contains("1 to 32 URLs"));
}

#[test]
fn an_image_of_an_engine_is_one_and_has_its_file_for_itself() {
    let with = |urls: &[&str], kind: &str| {
        let (urls, kind) = (json!(urls), json!(kind));
        reason(move |m| (m["artifacts"][1]["urls"], m["artifacts"][1]["kind"]) = (urls, kind))
    };
    assert!(with(&["docker-daemon:web:1"], "file").contains("kind is 'image'"));
    assert!(with(&["docker-daemon:web:1", "docker-daemon:web:2"], "image").contains("one docker-daemon: URL"));
    assert!(
        with(&["docker-daemon:web:1", "oci://h.example/web:1"], "image").contains("from a registry or from an engine")
    );
    assert!(with(&["docker-daemon:web"], "image").contains("it has no tag"));
    let mut manifest = good();
    manifest["artifacts"][1]["kind"] = json!("image");
    manifest["artifacts"][1]["urls"] = json!(["https://h.example/web.tar", "docker-daemon:shop/web:${version}"]);
    manifest["artifacts"][1]["platform"] = json!("linux/amd64");
    let read = Manifest::parse(manifest.to_string(), "test.json").expect("valid");
    assert_eq!(
        read.artifacts()[1].engine_ref().map(|it| it.to_string()).as_deref(),
        Some("docker-daemon:shop/web:1.0.0")
    );
    let mut other = manifest["artifacts"][1].clone();
    other["platform"] = json!("linux/arm64");
    for urls in [json!(["docker-daemon:web:1"]), json!(["data"])] {
        other["urls"] = urls;
        let mut both = manifest.clone();
        both["artifacts"].as_array_mut().expect("a list").push(other.clone());
        assert!(refused(both.to_string()).1.contains("is given for two platforms"), "{both}");
    }
}

#[test]
fn huge_ones_are_refused_unread() {
    let huge = " ".repeat(Limits::DEFAULT.manifest_bytes as usize + 1);
    assert_eq!(refused(huge).1, "the manifest is too large");
    let many = json!({ "schemaVersion": 1, "name": "probe", "version": "1.0.0",
                       "artifacts": vec![0; Limits::DEFAULT.artifacts + 1] });
    assert!(refused(many.to_string()).1.contains("10000 artifacts"));
    let deep = format!("{{\"schemaVersion\": {}1{} }}", "[".repeat(100_000), "]".repeat(100_000));
    refused(deep);
}

#[test]
fn names_of_many_parts_take_little_memory_and_time() {
    let artifacts: Vec<String> = (0..3_000)
        .map(|number| format!(r#"{{"name":"{number}{}","kind":"file","urls":["a"]}}"#, "/a".repeat(500)))
        .collect();
    let text = format!(r#"{{"schemaVersion":1,"name":"x","version":"1.0.0","artifacts":[{}]}}"#, artifacts.join(","));
    let started = std::time::Instant::now();
    crate::support::bounded::within(512 << 20, || {
        assert_eq!(Manifest::parse(text, "test").expect("valid").artifacts().len(), 3_000);
    });
    assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
}
