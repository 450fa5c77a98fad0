//! A product in the plain folder that a download made, with `pack-site` beside its files; and as a detached bundle.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::sync::OnceLock;

use crate::support::fault::{Reply, serve_files};
use crate::support::images::{docker_archive, gzip, image, layer};
use crate::support::{File, expect, file, interruptible, json_of_output, manifest, shell, skip, texts};
use pack::digest::Digest;

const PRODUCT: &str = "schemaVersion: 1
title: Probe
stack: stack.yaml
installDir: /usr/local/probe-of-the-tests
needs: { cores: 1, memory: 16MiB, disk: 1MiB, kernel: \"3.10\", docker: \"18.06\" }
gate: { steady: 1, timeout: 10 }
";
const STACK: &str = "version: \"3.4\"\nservices:\n  web:\n    image: probe/web:1\n";

fn files() -> Vec<File> {
    vec![
        file("product.yaml", "product", PRODUCT),
        file("stack.yaml", "stack", STACK),
        file("web.tar.gz", "image", gzip(&docker_archive(&[image("probe/web:1", vec![layer(1, 50_000)])]), 6)),
    ]
}

/// `probe-portable` below `folder`, fetched from a server; signed, with `release.pub` and `other.pub` beside it.
struct Fetched {
    folder: tempfile::TempDir,
    product: PathBuf,
    base: String,
}

fn fetched(files: &[File]) -> Fetched {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = serde_json::to_string_pretty(&manifest("1.0.0", files)).expect("JSON");
    for name in ["release", "other"] {
        expect(0, folder.path(), &["keygen", "--no-password", name]);
    }
    fs::write(folder.path().join("manifest.json"), &text).expect("written");
    expect(0, folder.path(), &["sign", "--key", "release.key", "manifest.json"]);
    let signature = fs::read(folder.path().join("manifest.json.minisig")).expect("read");
    fs::remove_file(folder.path().join("manifest.json")).expect("removed");
    let mut served: Vec<File> = files.iter().map(|it| file(it.name, it.kind, it.content.clone())).collect();
    served.push(file("manifest.json.minisig", "file", signature));
    let server = serve_files(&served, Some(text), Reply::file);
    let words =
        ["download", "--pubkey", "release.pub", "--dir", "probe-portable", server.url("manifest.json").as_str()]
            .map(str::to_owned);
    expect(0, folder.path(), &words.iter().map(String::as_str).collect::<Vec<_>>());
    let product = folder.path().join("probe-portable");
    Fetched { product, base: server.url("").to_string(), folder }
}

impl Fetched {
    /// Runs what lies in the folder, on a host without Docker.
    fn run(&self, program: &str, words: &[&str]) -> Output {
        let mut command = interruptible(program);
        command.args(words).current_dir(&self.product).env_remove("PACK_PUBKEY").env_remove("DOCKER_HOST");
        command.env("PATH", self.path_without_docker()).output().expect("it runs")
    }

    /// The system's programs, but Docker's.
    fn path_without_docker(&self) -> PathBuf {
        let bin = self.folder.path().join("programs");
        if !bin.exists() {
            fs::create_dir(&bin).expect("a folder");
            let line = "for dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do for it in $dir/*; do \
                        case ${it##*/} in docker* | '*') ;; *) ln -s $it programs/ 2>/dev/null || :;; esac; done; done";
            shell(self.folder.path(), line);
        }
        bin
    }
}

/// Whether a plan says so; where an engine runs on this machine, it is one whose command is not to be found.
fn has_no_docker(plan: &serde_json::Value) -> bool {
    let findings = plan["findings"].as_array().expect("a list");
    findings.iter().any(|finding| finding["code"] == "docker-missing" || finding["code"] == "docker-hidden")
}

#[test]
fn a_folder_of_a_product_has_pack_site_beside_its_files_listed_and_verified() {
    let fetched = fetched(&files());
    let program = fetched.product.join("pack-site");
    assert_eq!(fs::metadata(&program).expect("there").permissions().mode() & 0o777, 0o755);
    shell(&fetched.product, "sha256sum -c pack-site.sha256");
    let verify = |code: i32| expect(code, fetched.folder.path(), &["verify", "probe-portable", "--json"]).0;
    let state = |out: &str| {
        let rows = json_of_output(out)["artifacts"].clone();
        let row = rows.as_array().expect("a list").iter().find(|row| row["name"] == "pack-site").cloned();
        row.map(|row| row["state"].as_str().expect("a word").to_owned())
    };
    assert_eq!(state(&verify(0)).as_deref(), Some("ok"));
    let right = fs::read(&program).expect("read");
    let mut wrong = right.clone();
    wrong[right.len() / 2] ^= 1;
    fs::write(&program, &wrong).expect("written");
    assert_eq!(state(&verify(3)).as_deref(), Some("mismatch"));
    fs::remove_file(&program).expect("removed");
    assert_eq!(state(&verify(3)).as_deref(), Some("missing"));
    fs::write(&program, &right).expect("written");
    fs::rename(fetched.product.join("pack-site.sha256"), fetched.folder.path().join("sum")).expect("moved");
    assert_eq!(state(&verify(3)).as_deref(), Some("unexpected"));
    // Another download puts it right.
    fs::write(&program, &wrong).expect("written");
    let own = fetched.product.join("manifest.json");
    expect(0, fetched.folder.path(), &["download", "--dir", "probe-portable", own.to_str().expect("text")]);
    assert_eq!(state(&verify(0)).as_deref(), Some("ok"));
    assert_eq!(fs::metadata(&program).expect("there").permissions().mode() & 0o777, 0o755);
}

#[test]
fn a_folder_without_a_product_has_none() {
    let fetched = fetched(&files()[2..]);
    assert!(!fetched.product.join("pack-site").exists() && !fetched.product.join("pack-site.sha256").exists());
    expect(0, fetched.folder.path(), &["verify", "probe-portable"]);
}

#[test]
fn what_lies_in_a_folder_is_looked_at_as_a_bundle_is() {
    let fetched = fetched(&files());
    for (key, signature) in [(None, "notChecked"), (Some("../release.pub"), "verified")] {
        let mut words = vec!["--json", "site", "preflight", "."];
        words.extend(key.into_iter().flat_map(|key| ["--pubkey", key]));
        let (out, err) = texts(&fetched.run("./pack-site", &words));
        let plan = json_of_output(&out);
        assert_eq!((&plan["to"], &plan["signature"]), (&"1.0.0".into(), &signature.into()), "{out}{err}");
        assert_eq!(plan["images"][0], "probe/web:1", "{out}");
        assert!(has_no_docker(&plan), "{out}");
    }
    let output = fetched.run("./pack-site", &["site", "preflight", ".", "--pubkey", "../other.pub"]);
    assert_eq!(output.status.code(), Some(3), "{:?}", texts(&output));
}

#[test]
fn what_is_missing_or_stale_in_a_folder_is_named_with_its_url_before_anything_else() {
    let fetched = fetched(&files());
    let place = fetched.product.join("web.tar.gz");
    let right = fs::read(&place).expect("read");
    let digest = Digest::of(&right).to_string();
    let mut other = right.clone();
    other[100] ^= 1;
    for (code, found, put) in
        [(1, "missing", None), (3, "found sha256:", Some(&other[..])), (3, "found 7 bytes", Some(&right[..7]))]
    {
        fs::remove_file(&place).expect("removed");
        if let Some(bytes) = put {
            fs::write(&place, bytes).expect("written");
        }
        let output = fetched.run("./pack-site", &["site", "preflight", "."]);
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(code), ""), "{found}: {err}");
        for part in ["web.tar.gz: ", found, &digest, &format!("{}web.tar.gz", fetched.base), "pack download --dir"] {
            assert!(err.contains(part), "{part} in {err}");
        }
        fs::write(&place, &right).expect("written");
    }
    // Small files are no less pinned.
    fs::write(fetched.product.join("stack.yaml"), STACK.replace("web:1", "web:2")).expect("written");
    assert_eq!(fetched.run("./pack-site", &["site", "preflight", "."]).status.code(), Some(3));
}

#[test]
fn a_detached_product_takes_its_images_from_where_it_lies() {
    let fetched = fetched(&files());
    let site = fetched.folder.path().join("site");
    fs::create_dir(&site).expect("a folder");
    expect(0, fetched.folder.path(), &["bundle", "--detached", "-o", "site/run-portable.sh"]);
    let run = |words: &[&str]| {
        let mut command = interruptible("/bin/bash");
        command.arg("run-portable.sh").args(words).current_dir(&site).env("PATH", fetched.path_without_docker());
        command.env_remove("DOCKER_HOST").output().expect("bash runs")
    };
    let output = run(&["preflight"]);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("web.tar.gz: missing") && err.contains(&format!("{}web.tar.gz", fetched.base)), "{err}");
    fs::write(site.join("web.tar.gz"), "a page that says 404").expect("written");
    assert_eq!(run(&["preflight"]).status.code(), Some(3));
    fs::copy(fetched.product.join("web.tar.gz"), site.join("web.tar.gz")).expect("copied");
    let (out, err) = texts(&run(&["preflight", "--json"]));
    let plan = json_of_output(&out);
    assert_eq!(plan["to"], "1.0.0", "{out}{err}");
    assert!(has_no_docker(&plan), "{out}");
}

#[test]
fn an_engine_may_be_missing_but_may_not_be_another_one() {
    let mut files = files();
    files.push(file("engine.tgz", "engine", gzip(b"an engine", 6)));
    let fetched = fetched(&files);
    let site = fetched.folder.path().join("site");
    fs::create_dir(&site).expect("a folder");
    expect(0, fetched.folder.path(), &["bundle", "--detached", "-o", "site/x.run"]);
    fs::copy(fetched.product.join("web.tar.gz"), site.join("web.tar.gz")).expect("copied");
    for (source, engine) in [(".", fetched.product.join("engine.tgz")), ("../site/x.run", site.join("engine.tgz"))] {
        for words in [
            &["--json", "site", "preflight", source][..],
            &["--json", "site", "preflight", source, "--pubkey", "../release.pub"],
        ] {
            let _ = fs::remove_file(&engine);
            let (out, err) = texts(&fetched.run("./pack-site", words));
            let plan = json_of_output(&out);
            assert_eq!(plan["to"], "1.0.0", "{out}{err}");
            assert!(has_no_docker(&plan), "{out}");
            fs::write(&engine, gzip(b"another", 6)).expect("written");
            let output = fetched.run("./pack-site", words);
            assert_eq!(output.status.code(), Some(3), "{:?}", texts(&output));
            assert!(texts(&output).1.contains("engine.tgz: "), "{:?}", texts(&output));
        }
    }
    // Who asks whether all of it is there is told that it is not.
    fs::remove_file(site.join("engine.tgz")).expect("removed");
    assert!(expect(1, &site, &["verify", "x.run"]).0.contains("engine.tgz"));
}

#[test]
fn the_manuals_command_finds_pack_site_and_does_not_run_a_damaged_one() {
    let fetched = fetched(&files());
    let script = fs::read(crate::support::top().join("portable/run-portable.sh")).expect("read");
    fs::write(fetched.product.join("run-portable.sh"), script).expect("written");
    let (_, err) = texts(&fetched.run("/bin/bash", &["run-portable.sh", "receipt"]));
    assert!(err.contains("receipt"), "pack-site was asked: {err}");
    let mut program = fs::read(fetched.product.join("pack-site")).expect("read");
    program.truncate(1 << 20);
    fs::write(fetched.product.join("pack-site"), program).expect("written");
    let output = fetched.run("/bin/bash", &["run-portable.sh", "receipt"]);
    assert_eq!(output.status.code(), Some(3), "{:?}", texts(&output));
    assert!(texts(&output).1.contains("pack-site is damaged: nothing was done"), "{:?}", texts(&output));
}

/// Runs `script` as on a host of its own: what it writes into /etc, /var/lib and /usr/local is gone afterwards.
fn on_a_host(fetched: &Fetched, script: &str) -> Option<Output> {
    let own = "set -e; mount -t tmpfs tmpfs /mnt; for it in etc var/lib usr/local; do mkdir -p /mnt/$it/up /mnt/$it/work; \
               mount -t overlay -o lowerdir=/$it,upperdir=/mnt/$it/up,workdir=/mnt/$it/work overlay /$it; done";
    let line = format!("{own}; rm -rf /etc/pack /var/lib/pack /usr/local/lib/pack; set +e; PATH=$HOST_PATH; {script}");
    let mut command = interruptible("unshare");
    command.args(["--mount", "sh", "-c", &line]).current_dir(fetched.folder.path());
    command.env("HOST_PATH", fetched.path_without_docker()).env_remove("DOCKER_HOST").env_remove("PACK_PUBKEY");
    static CAN: OnceLock<bool> = OnceLock::new();
    let probe = || interruptible("unshare").args(["--mount", "sh", "-c", own]).status().is_ok_and(|it| it.success());
    if !CAN.get_or_init(probe) {
        skip("a host of its own needs root and overlayfs");
        return None;
    }
    Some(command.output().expect("unshare runs"))
}

/// As `script` shows it at a terminal, with this typed.
fn typed(line: &str, typed: &str) -> String {
    format!("printf '{typed}' | script -qec '{line}' /dev/null; echo \"ended with $?\"")
}

#[test]
fn a_publishers_key_is_shown_and_asked_about_at_a_terminal() {
    let fetched = fetched(&files());
    expect(0, fetched.folder.path(), &["bundle", "--pubkey", "release.pub", "-o", "x.run"]);
    let public = fs::read_to_string(fetched.folder.path().join("release.pub")).expect("read");
    let key = public.lines().nth(1).expect("a key");
    let id = public.lines().next().expect("a line").rsplit(' ').next().expect("an ID");
    let signed = format!("signed by {id}");
    let answers = [
        ("what?\\nyes\\n", 1, signed.as_str()),
        ("n\\n", 3, "nothing was changed"),
        ("\\n", 1, "signed, NOT checked"),
        ("y\\n", 1, &signed),
    ];
    let install = "probe-portable/pack-site site install probe-portable";
    for (line, answers) in [("sh x.run", &answers[..]), (install, &answers[3..])] {
        for &(answer, code, said) in answers {
            let Some(output) = on_a_host(&fetched, &typed(line, answer)) else { return };
            let (out, err) = texts(&output);
            assert!(out.contains(key) && out.contains(id) && out.contains("publisher"), "{line}: {out}{err}");
            // Without Docker nothing more comes of it.
            assert!(out.contains(&format!("ended with {code}")) && out.contains(said), "{line} {answer}: {out}{err}");
        }
        // Nobody sits there, or a key was given: nobody is asked.
        for words in ["</dev/null 2>&1", "--pubkey release.pub 2>&1"] {
            let Some(output) = on_a_host(&fetched, &format!("{line} {words}")) else { return };
            assert!(!texts(&output).0.contains("Is it the publisher"), "{words}: {:?}", texts(&output));
        }
    }
    // A host that trusts a key for the product asks nobody either.
    let trusting =
        format!("mkdir -p /etc/pack/trusted; cp release.pub /etc/pack/trusted/probe.pub; {}", typed("sh x.run", "\\n"));
    let Some(output) = on_a_host(&fetched, &trusting) else { return };
    let (out, _) = texts(&output);
    assert!(!out.contains("Is it the publisher") && out.contains(&signed), "{out}");
    // One that came with a key which did not sign it.
    expect(0, fetched.folder.path(), &["bundle", "-o", "forged.run"]);
    let other = fs::read_to_string(fetched.folder.path().join("other.pub")).expect("read");
    crate::support::craft::with_index(&fetched.folder.path().join("forged.run"), |index| {
        index["publisher"] = other.lines().nth(1).expect("a key").into();
    });
    let Some(output) = on_a_host(&fetched, &typed("sh forged.run", "y\\n")) else { return };
    assert!(texts(&output).0.contains("ended with 3"), "{:?}", texts(&output));
}

#[test]
fn an_installed_pack_judges_and_one_that_is_gone_is_missed_aloud() {
    let fetched = fetched(&files());
    expect(0, fetched.folder.path(), &["bundle", "-o", "x.run"]);
    let installed = "mkdir -p /etc/pack /usr/local/lib/pack; echo '{}' >/etc/pack/probe.json";
    let judge =
        "printf '#!/bin/sh\\necho judged: \"$@\"\\n' >/usr/local/lib/pack/pack; chmod 755 /usr/local/lib/pack/pack";
    let run = |script: &str| on_a_host(&fetched, &format!("{script}; sh x.run preflight 2>&1")).map(|it| texts(&it).0);
    let Some(out) = run(&format!("{installed}; {judge}")) else { return };
    assert!(out.contains("this host's own pack judges the bundle") && out.contains("judged: site preflight"), "{out}");
    let gone = "is gone or not root's alone";
    let Some(out) = run(installed) else { return };
    assert!(out.contains(gone) && !out.contains("judged:"), "{out}");
    let Some(out) = run(&format!("{installed}; {judge}; chmod o+w /usr/local/lib/pack/pack")) else { return };
    assert!(out.contains(gone) && !out.contains("judged:"), "{out}");
    let Some(out) = run("true") else { return };
    assert!(!out.contains(gone), "nothing is installed here: {out}");
    // In the plain folder too.
    let script = crate::support::top().join("portable/run-portable.sh");
    fs::copy(script, fetched.product.join("run-portable.sh")).expect("copied");
    let state = installed.replace("probe.json", "dataflux-func.json");
    let folder = |script: &str| {
        on_a_host(&fetched, &format!("{script}; bash probe-portable/run-portable.sh status 2>&1"))
            .map(|it| texts(&it).0)
    };
    let Some(out) = folder(&format!("{state}; {judge}")) else { return };
    assert!(out.contains("judged: site status"), "{out}");
    let Some(out) = folder(&state) else { return };
    assert!(out.contains("is gone: the one in the folder judges"), "{out}");
}
