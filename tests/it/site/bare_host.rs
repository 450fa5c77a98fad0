//! A product on a host without Docker, which it brings; and on one whose Docker stands still. The hosts are namespaces, the
//! carried engine and systemd stand-ins: `ci/test-site bare` has real ones, `ci/drill` a real machine.

use std::fs;
use std::process::Output;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::images::{docker_archive, gzip, image, layer};
use crate::support::{File, PACK_SITE, expect, file, interruptible, json_of_output, manifest, shell, skip, texts, top};

const PRODUCT: &str = "schemaVersion: 1
title: Probe
stack: stack.yaml
installDir: /usr/local/probe-of-the-tests
needs: { cores: 1, memory: MEMORY, disk: 1MiB, kernel: \"3.10\", docker: \"18.06\" }
engines: ENGINES
gate: { steady: 1, timeout: 10 }
";
const STACK: &str = "version: \"3.4\"\nservices:\n  web:\n    image: probe/web:1\n    ports: [\"80:80\"]\n";

/// A dockerd that says its version, and leaves a trace of having been started.
const DOCKERD: &str = "#!/bin/sh\necho started >>/run/dockerd\necho Docker version 24.0.9, build fake\n";
/// A command docker, of an engine that answers when systemd has started it.
const DOCKER: &str = r#"#!/bin/sh
[ "$1" != --version ] || { echo Docker version 24.0.9, build fake; exit; }
# From 19.03 on `info` succeeds without an engine.
[ -e /run/started ] || { [ "$1" = info ] && echo '{"Swarm":{"LocalNodeState":""},"ServerErrors":["Cannot connect"]}'; exit; }
case $1 in
    version) echo 24.0.9 ;;
    info) echo '{"ServerVersion":"24.0.9","Driver":"overlay2","Swarm":{"LocalNodeState":"inactive"}}' ;;
    *) exit 1 ;;
esac
"#;
/// A systemctl that notes what it is asked for, and who has started Docker.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >>/run/systemctl
case $1 in
    is-active) [ -e /run/started ] && echo active || { echo "${STATE:-inactive}"; exit 3; } ;;
    cat) [ -e /etc/systemd/system/docker.service ] ;;
    start) touch /run/started ;;
esac
"#;

/// A product that carries an engine, as a bundle `x.run`, as a small one beside its files in `small/`, and in the folder
/// `probe-portable`.
struct Carried {
    place: tempfile::TempDir,
}

/// How the product differs from the usual one.
struct Product {
    engines: &'static str,
    memory: &'static str,
    dockerd: &'static str,
}

const USUAL: Product =
    Product { engines: "[{ artifact: engine.tgz, unit: docker.service }]", memory: "16MiB", dockerd: DOCKERD };

impl Product {
    fn carried(&self) -> Carried {
        let place = tempfile::tempdir().expect("a temporary folder");
        let programs = place.path().join("engine/docker");
        let large = "c".repeat(400_000);
        fs::create_dir_all(&programs).expect("a folder");
        for (name, text) in
            [("dockerd", self.dockerd), ("docker", DOCKER), ("containerd", large.as_str()), ("runc", "r")]
        {
            fs::write(programs.join(name), text).expect("written");
        }
        shell(place.path(), "chmod 755 engine/docker/*; tar -C engine -czf engine.tgz docker");
        let product = PRODUCT.replace("ENGINES", self.engines).replace("MEMORY", self.memory);
        let web = gzip(&docker_archive(&[image("probe/web:1", vec![layer(1, 50_000)])]), 6);
        let files: [File; 5] = [
            file("product.yaml", "product", product),
            file("stack.yaml", "stack", STACK),
            file("docker.service", "unit", "[Unit]\nDescription=the product's own\n"),
            file("engine.tgz", "engine", fs::read(place.path().join("engine.tgz")).expect("read")),
            file("web.tar.gz", "image", web),
        ];
        let source = place.path().join("source");
        fs::create_dir(&source).expect("a folder");
        for file in &files {
            fs::write(source.join(file.name), &file.content).expect("written");
        }
        let text = serde_json::to_string_pretty(&manifest("1.0.0", &files)).expect("JSON");
        fs::write(source.join("manifest.json"), text).expect("written");
        expect(0, place.path(), &["download", "--dir", "probe-portable", "source/manifest.json"]);
        expect(0, place.path(), &["bundle", "--compression", "fast", "-o", "x.run", "probe-portable"]);
        fs::create_dir(place.path().join("small")).expect("a folder");
        expect(0, place.path(), &["bundle", "--detached", "-o", "small/x.run", "probe-portable"]);
        shell(place.path(), "cp probe-portable/web.tar.gz probe-portable/engine.tgz small/");
        Carried { place }
    }
}

/// A host of its own without Docker: what is written in it is gone afterwards.
const HOST: &str = "set -e; mount -t tmpfs tmpfs /mnt; for it in etc var/lib usr; do mkdir -p /mnt/$it/up /mnt/$it/work; \
                    mount -t overlay -o lowerdir=/$it,upperdir=/mnt/$it/up,workdir=/mnt/$it/work overlay /$it; done; \
                    mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system /mnt/tmp; export TMPDIR=/mnt/tmp; \
                    rm -rf /etc/pack /var/lib/pack /usr/local/lib/pack /etc/systemd/system/docker.service; \
                    for it in /usr/local/bin /usr/local/sbin /usr/bin /usr/sbin; do \
                    rm -f $it/docker* $it/containerd* $it/runc $it/iptables $it/systemctl; done; \
                    printf '#!/bin/sh\\n' >/usr/sbin/iptables; cp systemctl /usr/bin/systemctl; chmod 755 /usr/bin/systemctl /usr/sbin/iptables; set +e";

impl Carried {
    /// Runs a script on such a host, in the folder of the product; `site` in it is `pack-site site`, with every source `$1`.
    fn on_host(&self, script: &str) -> Option<Output> {
        static CAN: OnceLock<bool> = OnceLock::new();
        let host = |script: &str| {
            let mut command = interruptible("unshare");
            command.args([
                "--mount",
                "bash",
                "-c",
                &format!("{HOST}\nsite() {{ {PACK_SITE} site \"$@\"; }}\n{script}"),
            ]);
            command
                .current_dir(self.place.path())
                .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
            for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "PACK_PUBKEY", "TMPDIR"] {
                command.env_remove(name);
            }
            command
        };
        fs::write(self.place.path().join("systemctl"), SYSTEMCTL).expect("written");
        if !*CAN.get_or_init(|| host("true").status().is_ok_and(|it| it.success())) {
            skip("a host of its own needs root and overlayfs");
            return None;
        }
        Some(host(script).output().expect("unshare runs"))
    }

    /// What `script` prints, on such a host.
    fn said(&self, script: &str) -> Option<String> {
        let output = self.on_host(&format!("{{ {script}\n}} 2>&1"))?;
        Some(texts(&output).0)
    }

    /// The plan that a preflight of this source makes there, after `before`.
    fn plan(&self, source: &str, before: &str) -> Option<Value> {
        let output = self.on_host(&format!("{before}\nsite preflight {source} --json"))?;
        let (out, err) = texts(&output);
        let plan = json_of_output(&out);
        assert_eq!(output.status.code(), Some(if plan["ready"] == true { 0 } else { 1 }), "{out}{err}");
        Some(plan)
    }
}

/// What of a level was found, in words.
fn found(plan: &Value, level: &str) -> String {
    let findings = plan["findings"].as_array().expect("a list").iter().filter(|found| found["level"] == level);
    let lines: Vec<String> =
        findings.map(|found| format!("{}: {} -> {}", found["code"], found["what"], found["remedy"])).collect();
    lines.join("\n")
}

/// The lines of a shell that say what of an engine is on the host.
const THERE: &str = "ls -U /usr/bin/docker* /usr/bin/containerd* /usr/bin/runc /etc/systemd/system/docker.service 2>/dev/null | \
                     tr '\\n' ' ' | sed 's/^/there: /'; echo";

#[test]
fn a_dry_run_says_which_docker_would_be_installed_and_changes_nothing() {
    let carried = USUAL.carried();
    for source in ["probe-portable", "x.run", "small/x.run"] {
        let Some(plan) = carried.plan(source, "") else { return };
        assert_eq!((&plan["ready"], &plan["engine"]), (&true.into(), &"engine.tgz".into()), "{plan:#}");
        let notes = found(&plan, "note");
        let told = "there is no Docker here: 24.0.9 would be installed from engine.tgz, with the unit docker.service";
        assert!(notes.contains("docker-missing") && notes.contains(told), "{notes}");
    }
    let script = format!("site install x.run --dry-run; echo ended with $?; {THERE}; ls -A /mnt/tmp; cat /run/started");
    let Some(said) = carried.said(&script) else { return };
    assert!(said.contains("24.0.9 would be installed") && said.contains("ended with 0"), "{said}");
    assert!(said.contains("cat: /run/started") && !said.contains("there: ") && !said.contains("pack-engine"), "{said}");
    // In the reader's language.
    let Some(said) = carried.said("site preflight x.run --lang zh") else { return };
    assert!(said.contains("本机没有 Docker：将安装 24.0.9（来自 engine.tgz）"), "{said}");
}

#[test]
fn the_carried_docker_is_installed_and_started_before_anything_else() {
    let own = USUAL.carried();
    let usual = Product { engines: "[{ artifact: engine.tgz }]", ..USUAL }.carried();
    let unit = fs::read_to_string(top().join("src/site/lifecycle/bare_host/docker.service")).expect("read");
    let after = format!(
        "echo; {THERE}; stat -c '%a %U %n' /usr/bin/dockerd /usr/bin/docker /etc/systemd/system/docker.service; \
                 cat /run/systemctl /etc/systemd/system/docker.service; ls -A /mnt/tmp"
    );
    for (carried, source, unit) in [
        (&own, "x.run", "Description=the product's own"),
        (&own, "small/x.run", "Description=the product's own"),
        (&own, "probe-portable", "Description=the product's own"),
        (&usual, "probe-portable", unit.as_str()),
    ] {
        let Some(said) = carried.said(&format!("site install {source}; {after}")) else { return };
        let there = "there: /usr/bin/docker /usr/bin/dockerd /usr/bin/containerd /usr/bin/runc /etc/systemd/system/docker.service";
        for part in [
            "installing Docker 24.0.9",
            there,
            "755 root /usr/bin/dockerd\n755 root /usr/bin/docker\n644 root /etc/systemd/system/docker.service",
            "daemon-reload\nenable docker\nstart docker\n",
            unit,
            // The plan of what comes then is made with that Docker, and shown once.
            "data      /usr/local/probe-of-the-tests",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert_eq!(said.matches("  data      ").count(), 1, "{said}");
        assert!(!said.contains("there is no Docker") && !said.contains("pack-engine"), "{said}");
    }
}

#[test]
fn a_product_that_the_new_docker_does_not_suit_says_that_docker_was_installed() {
    let old = DOCKER.replace("\"ServerVersion\":\"24.0.9\"", "\"ServerVersion\":\"17.12.0\"");
    let carried = USUAL.carried();
    fs::write(carried.place.path().join("engine/docker/docker"), old).expect("written");
    let again = "tar -C engine -czf source/engine.tgz docker";
    shell(carried.place.path(), again);
    let place = carried.place.path();
    expect(0, place, &["lock", "--update", "--no-cache", "source/manifest.json"]);
    expect(0, place, &["download", "--no-cache", "--dir", "other/probe-portable", "source/manifest.json"]);
    let Some(said) = carried.said("site install other/probe-portable; echo ended with $?") else { return };
    assert!(said.contains("Docker 17.12.0 is too old") && said.contains("ended with 1"), "{said}");
    assert!(said.contains("Docker runs now, and nothing else was changed"), "{said}");
}

#[test]
fn what_else_is_in_the_way_is_told_before_anything_is_unpacked_or_changed() {
    let carried = Product { memory: "900000GiB", ..USUAL }.carried();
    let script = format!("site install x.run; echo ended with $?; {THERE}; cat /run/dockerd /run/systemctl");
    let Some(said) = carried.said(&script) else { return };
    assert!(said.contains("of memory") && said.contains("ended with 1"), "{said}");
    assert!(said.contains("would be installed, from engine.tgz") && !said.contains("there: "), "{said}");
    // Nobody started it for its version, nor asked systemd for more than how it is.
    assert!(said.contains("cat: /run/dockerd") && !said.contains("start docker"), "{said}");
}

#[test]
fn a_host_that_no_docker_runs_on_is_told_what_it_lacks() {
    let carried = USUAL.carried();
    for (before, code, told) in [
        ("rm /usr/sbin/iptables", "iptables", "the command iptables is missing"),
        ("rm -r /run/systemd", "systemd", "no systemd to run the carried one"),
        ("echo other >/usr/bin/dockerd", "docker-part", "/usr/bin/dockerd is here already"),
        (
            "echo other >/etc/systemd/system/docker.service",
            "docker-unit",
            "docker.service is here already, and not ours",
        ),
        ("rm probe-portable/engine.tgz", "engine", "engine.tgz is not in"),
    ] {
        let before = before.replace("probe-portable", "copy");
        let script = format!("cp -r probe-portable /mnt/copy; cd /mnt; {before}");
        let Some(plan) = carried.plan("copy", &script) else { return };
        let errors = found(&plan, "error");
        assert_eq!(plan["ready"], false, "{before}: {plan:#}");
        assert!(errors.starts_with(&format!("\"{code}\": ")) && errors.contains(told), "{before}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{before}: {errors}");
    }
    let Some(plan) = carried.plan("/mnt/small/x.run", "cp -r small /mnt/; rm /mnt/small/engine.tgz") else { return };
    assert!(found(&plan, "error").contains("engine.tgz: missing"), "{plan:#}");
}

#[test]
fn an_engine_that_does_not_start_here_is_not_installed() {
    for (dockerd, why) in [
        ("#!/bin/sh\necho no libraries >&2\nexit 1\n", "no libraries"),
        ("#!/bin/sh\necho hello\n", "does not say its version"),
        ("\x7fELF of another world", ""),
    ] {
        let carried = Product { dockerd, ..USUAL }.carried();
        let script = format!("site install probe-portable; echo ended with $?; {THERE}; ls -A /mnt/tmp /var/tmp /root");
        let Some(said) = carried.said(&script) else { return };
        assert!(said.contains("does not start on this host") && said.contains(why), "{said}");
        assert!(said.contains("ended with 1") && said.contains("nothing was changed"), "{said}");
        assert!(!said.contains("there: ") && !said.contains("pack-engine"), "{said}");
    }
    // Docker before 20.10 knows nothing of the only kind of control groups that newer systems have.
    let dockerd = "#!/bin/sh\necho Docker version 18.06.3-ce, build d7080c1\n";
    let carried = Product { dockerd, ..USUAL }.carried();
    let unified = "mount -t tmpfs tmpfs /sys/fs/cgroup && touch /sys/fs/cgroup/cgroup.controllers";
    let Some(plan) = carried.plan("x.run", unified) else { return };
    assert!(
        found(&plan, "error").contains("cgroup v2 only, which the carried Docker 18.06.3-ce does not know"),
        "{plan:#}"
    );
    let Some(plan) = carried.plan("x.run", "mount -t tmpfs tmpfs /sys/fs/cgroup") else { return };
    assert_eq!(plan["ready"], true, "{plan:#}");
}

#[test]
fn a_place_from_which_nothing_runs_or_that_is_full_is_passed_over() {
    let carried = USUAL.carried();
    for options in ["noexec", "size=256k"] {
        let Some(plan) = carried.plan("x.run", &format!("mount -t tmpfs -o {options} tmpfs /mnt/tmp")) else { return };
        assert_eq!(plan["ready"], true, "{options}: {plan:#}");
    }
}

#[test]
fn a_docker_that_stands_still_is_started_and_not_replaced() {
    let carried = USUAL.carried();
    let here = "cp engine/docker/docker /usr/bin/docker; cp source/docker.service /etc/systemd/system/";
    let Some(plan) = carried.plan("x.run", here) else { return };
    assert_eq!((&plan["ready"], &plan["engine"]), (&true.into(), &Value::Null), "{plan:#}");
    assert!(found(&plan, "note").contains("Docker is here, stands still, and would be started"), "{plan:#}");
    let script = format!(
        "{here}; site install x.run --dry-run; cat /run/started; site install x.run; {THERE}; cat /run/systemctl /run/started"
    );
    let Some(said) = carried.said(&script) else { return };
    assert!(said.contains("cat: /run/started") && said.contains("starting Docker"), "{said}");
    assert!(said.contains("enable docker\nstart docker\n") && !said.contains("installing Docker"), "{said}");
    assert!(said.contains("there: /usr/bin/docker /etc/systemd/system/docker.service"), "{said}");
    // One that failed, or that nobody knows how to start, is for a person to look at.
    for before in [format!("{here}; export STATE=failed"), "cp engine/docker/docker /usr/bin/docker".to_owned()] {
        let script = format!("{before}; site install x.run; echo ended with $?; cat /run/started");
        let Some(said) = carried.said(&script) else { return };
        assert!(said.contains("Docker is installed but does not answer") && said.contains("ended with 1"), "{said}");
        assert!(said.contains("cat: /run/started"), "{said}");
    }
}

#[test]
fn where_the_commands_lead_elsewhere_or_a_docker_listens_nothing_is_brought() {
    let carried = USUAL.carried();
    let Some(plan) = carried.plan("x.run", "export DOCKER_HOST=unix:///run/user/1/docker.sock") else { return };
    let errors = found(&plan, "error");
    assert!(errors.contains("there is no Docker on this host") && errors.contains("unset DOCKER_HOST"), "{plan:#}");
    let Some(plan) = carried.plan("x.run", "export DOCKER_HOST=tcp://192.0.2.1:2375") else { return };
    assert!(found(&plan, "error").contains("lead to tcp://192.0.2.1:2375"), "{plan:#}");
    let socket = "import socket, time; it = socket.socket(socket.AF_UNIX); it.bind('/run/docker.sock'); it.listen()";
    let listens = format!(
        "python3 -c \"{socket}; time.sleep(600)\" & until [ -e /run/docker.sock ]; do sleep 0.05; done; trap 'kill %1' EXIT"
    );
    let Some(plan) = carried.plan("x.run", &listens) else { return };
    assert!(found(&plan, "error").contains("docker-hidden"), "{plan:#}");
    // One that is gone has left its socket: nobody listens there.
    let Some(plan) = carried.plan("x.run", &format!("python3 -c \"{socket}\"")) else { return };
    assert_eq!(plan["ready"], true, "{plan:#}");
}

#[test]
fn a_product_that_names_no_engine_says_that_there_is_no_docker() {
    let carried = Product { engines: "[{ artifact: engine.tgz, kernel: \"999.0\" }]", ..USUAL }.carried();
    let Some(plan) = carried.plan("x.run", "") else { return };
    let errors = found(&plan, "error");
    assert!(errors.contains("no carried Docker is for this host") && errors.contains("docker-missing"), "{errors}");
}

#[test]
fn a_kernel_without_ipvs_is_told_where_the_stack_publishes_a_port_through_it() {
    let carried = USUAL.carried();
    let kernel = "it=/lib/modules/$(uname -r); mkdir -p $it; echo 'kernel/fs/ext4/ext4.ko:' >$it/modules.dep";
    let Some(plan) = carried.plan("x.run", kernel) else { return };
    let warnings = found(&plan, "warning");
    let is_loaded = ["/sys/module/ip_vs", "/proc/net/ip_vs"].iter().any(|path| std::path::Path::new(path).exists());
    assert_eq!(warnings.contains("\"ipvs\": \"the kernel has no ip_vs"), !is_loaded, "{warnings}");
    // In host mode a port leads to its container without it.
    let over = "mkdir -p /usr/local/probe-of-the-tests; printf 'services: { web: { ports: [{ target: 80, published: 80, mode: host }] } }' \
                >/usr/local/probe-of-the-tests/docker-stack.override.yaml";
    let Some(plan) = carried.plan("x.run", &format!("{kernel}; {over}")) else { return };
    assert!(!found(&plan, "warning").contains("ipvs"), "{plan:#}");
}
