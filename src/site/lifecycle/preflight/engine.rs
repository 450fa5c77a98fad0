//! The container engine: that it is Docker, of this host, new enough, and what it may trip over.

use std::fmt::Display;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::host::is_at_least;
use super::{Finding, Level};
use crate::error::Error;
use crate::language::tr;
use crate::path::shell_word;
use crate::product::Product;
use crate::site::lifecycle::docker::order;
use crate::site::lifecycle::instance::Instance;

/// The code of the finding that there is no engine.
pub(in crate::site::lifecycle) const MISSING: &str = "docker-missing";
/// The code of the finding that it does not answer.
pub(in crate::site::lifecycle) const SILENT: &str = "docker-silent";

/// What the engine says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    server_version: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    driver_status: Option<Vec<Vec<String>>>,
    #[serde(default)]
    operating_system: String,
    #[serde(default)]
    security_options: Option<Vec<String>>,
    #[serde(default)]
    docker_root_dir: String,
    #[serde(default)]
    swarm: SwarmInfo,
}

/// What the command says where no engine answers it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unanswered {
    server_errors: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SwarmInfo {
    local_node_state: String,
    control_available: bool,
}

impl Info {
    /// What is found where the engine has SELinux keep containers from files of the host.
    fn labels(&self, dir: &Path) -> Option<Finding> {
        let is_on = self.security_options.iter().flatten().any(|option| option.contains("selinux"));
        let what =
            tr!("this Docker labels containers for SELinux: they may read nothing of {} as it is", dir.display());
        let dir = shell_word(dir);
        let remedy = tr!("mkdir -p {dir}; chcon -R -t container_file_t {dir} (CentOS 7: svirt_sandbox_file_t)", dir);
        is_on.then(|| Finding::new(Level::Warning, "docker-selinux", what, remedy))
    }
}

/// How the commands are led back to this host.
fn to_this_host() -> String {
    tr!("unset DOCKER_HOST DOCKER_CONTEXT; docker context use default; then the same command again")
}

/// Checks that the commands lead to this host's engine: that of another one would be changed instead.
///
/// # Errors
/// They lead elsewhere.
pub fn expect_own_engine() -> Result<(), Error> {
    let led = elsewhere().map(|place| {
        Error::failed(tr!("Docker's commands lead to another host"))
            .fact("host", place)
            .hint(tr!("nothing was changed; {}", to_this_host()))
    });
    led.map_or(Ok(()), Err)
}

/// Whether it answers.
pub(super) fn look(findings: &mut Vec<Finding>, instance: &Instance) -> bool {
    if let Some(place) = elsewhere() {
        let what =
            tr!("Docker's commands lead to {place}; the product is installed with the Docker of this host", place);
        findings.push(Finding::new(Level::Error, "docker-elsewhere", what, to_this_host()));
        return false;
    }
    let info = match info() {
        Ok(info) => info,
        Err(finding) => {
            if finding.code == MISSING
                && let Err(why) = super::choose(instance)
            {
                let what = tr!("no carried Docker is for this host ({why})", why);
                let remedy = tr!("install Docker with this system's packages, start it, then the same command again");
                findings.push(Finding::new(Level::Error, "engine", what, remedy));
            }
            findings.push(finding);
            return false;
        }
    };
    look_at(&info, instance.product(), findings);
    findings.extend(info.labels(instance.install_dir()));
    true
}

/// Whether this run's environment says where the commands lead.
pub(in crate::site::lifecycle) fn is_led() -> bool {
    ["DOCKER_HOST", "DOCKER_CONTEXT"].iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Whether a Docker listens on this host, be its command to be found or not.
pub(in crate::site::lifecycle) fn listens() -> bool {
    let nobody = |cause: &io::Error| matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    let sockets = ["/var/run/docker.sock", "/run/docker.sock"];
    sockets.iter().any(|socket| UnixStream::connect(socket).map_or_else(|cause| !nobody(&cause), |_| true))
}

/// Where the commands lead, if not to an engine of this host.
fn elsewhere() -> Option<String> {
    let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let host = host.or_else(|| {
        let told = Command::new("docker")
            .args(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        // Docker before 19.03 has no contexts.
        told.ok()
            .filter(|told| told.status.success())
            .map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned())
    });
    host.filter(|host| !host.is_empty() && !host.starts_with("unix://"))
}

fn info() -> Result<Info, Finding> {
    let error = |code, what: &str, remedy: &str| Finding::new(Level::Error, code, what, remedy);
    let version = Command::new("docker").arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    match version {
        Err(_) if listens() => {
            return Err(error(
                "docker-hidden",
                &tr!("a Docker is here, but its command docker is not to be found"),
                &tr!("PATH=$PATH:/that/place before the same command"),
            ));
        }
        Err(_) => {
            return Err(error(
                MISSING,
                &tr!("there is no Docker on this host"),
                &if is_led() {
                    to_this_host()
                } else {
                    tr!("install Docker with this system's packages, start it, then the same command again")
                },
            ));
        }
        Ok(told) if String::from_utf8_lossy(&told.stdout).to_lowercase().contains("podman") => {
            return Err(error(
                "docker-podman",
                &tr!("the command docker is podman here, which has no swarm"),
                &tr!("remove podman-docker, and install Docker"),
            ));
        }
        Ok(_) => {}
    }
    let told = order(&["info", "--format", "{{json .}}"]);
    info_in(&told.map_err(|cause| silent(&cause))?)
}

/// The finding that it does not answer.
fn silent(cause: &dyn Display) -> Finding {
    let what = tr!("Docker is installed but does not answer: {cause}", cause);
    Finding::new(Level::Error, SILENT, what, "systemctl status docker; systemctl start docker")
}

fn info_in(told: &str) -> Result<Info, Finding> {
    // From 19.03 on the command tells what it knows itself, and succeeds.
    let errors = serde_json::from_str(told).map_or(Vec::new(), |Unanswered { server_errors }| server_errors);
    if !errors.is_empty() {
        return Err(silent(&errors.join("; ")));
    }
    serde_json::from_str(told).map_err(|cause| {
        let what = tr!("what Docker says of itself is not understood: {cause}", cause);
        Finding::new(Level::Error, "docker-unknown", what, "docker version")
    })
}

fn look_at(info: &Info, product: &Product, findings: &mut Vec<Finding>) {
    let mut add = |level, code, what: String, remedy: &str| findings.push(Finding::new(level, code, what, remedy));
    if !is_at_least(&info.server_version, &product.needs.docker) {
        let what = tr!("Docker {} is too old, {} is needed", info.server_version, product.needs.docker);
        add(Level::Error, "docker-version", what, &tr!("update it with this system's packages"));
    }
    if info.operating_system.contains("Docker Desktop") {
        add(
            Level::Error,
            "docker-desktop",
            tr!("this is Docker Desktop, whose containers run in a machine of its own"),
            &tr!("install Docker Engine with this system's packages"),
        );
    }
    let options = info.security_options.iter().flatten();
    if options.clone().any(|option| option.contains("rootless")) {
        add(
            Level::Error,
            "docker-rootless",
            tr!("this Docker runs without root rights: it cannot publish a stack's ports"),
            &tr!("install Docker for root, and unset DOCKER_HOST"),
        );
    }
    if info.docker_root_dir.starts_with("/var/snap/") {
        add(
            Level::Error,
            "docker-snap",
            tr!("this Docker is a snap, which sees only a part of this host's folders"),
            &tr!("snap remove docker; install Docker with this system's packages"),
        );
    }
    let status = |key: &str| {
        let pairs = info.driver_status.iter().flatten();
        pairs
            .filter_map(|pair| Some((pair.first()?, pair.get(1)?)))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    };
    if info.driver == "vfs" {
        add(
            Level::Warning,
            "docker-vfs",
            tr!("Docker stores each layer as a whole copy (vfs)"),
            &tr!("a kernel with overlayfs, and a file system that Docker's overlay2 takes"),
        );
    }
    if status("Supports d_type") == Some("false") {
        add(
            Level::Error,
            "d-type",
            tr!("Docker's disk is XFS without d_type: removed files come back in containers"),
            &tr!("a disk made with: mkfs.xfs -n ftype=1"),
        );
    }
    match (info.swarm.local_node_state.as_str(), info.swarm.control_available) {
        ("inactive", _) | ("active", true) | ("", _) => {}
        ("active", false) => add(
            Level::Error,
            "swarm-worker",
            tr!("this host is a worker of a swarm; a stack is deployed on a manager"),
            &tr!("run this on a manager, or type on one: docker node promote HOST"),
        ),
        ("locked", _) => add(Level::Error, "swarm-locked", tr!("this host's swarm is locked"), "docker swarm unlock"),
        (other, _) => add(
            Level::Error,
            "swarm-state",
            tr!("this host's swarm is in the state '{other}'", other),
            &tr!("docker info; docker swarm leave --force gives it up"),
        ),
    }
    if let Some((unit, limit)) = open_files() {
        let remedy = "for unit in containerd docker; do mkdir -p /etc/systemd/system/$unit.service.d; printf '[Service]\\nLimitNOFILE=1048576\\n' >/etc/systemd/system/$unit.service.d/files.conf; done; systemctl daemon-reload; systemctl try-restart containerd docker";
        add(
            Level::Warning,
            "nofile",
            tr!(
                "{unit}.service has LimitNOFILE={limit}: some databases then take gigabytes of memory, and minutes to start",
                unit,
                limit
            ),
            remedy,
        );
    }
}

/// The unit that gives containers their limit of open files, and that limit, where it is none.
fn open_files() -> Option<(&'static str, String)> {
    let asked = |unit: &'static str| {
        let told = Command::new("systemctl")
            .args(["show", "-p", "LimitNOFILE", "-p", "ActiveState", &format!("{unit}.service")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        let limit = text.lines().find_map(|line| line.strip_prefix("LimitNOFILE="))?.to_owned();
        let is_unlimited = limit == "infinity" || limit.parse::<u64>().is_ok_and(|limit| limit >= 10_000_000);
        (is_unlimited && text.contains("ActiveState=active")).then_some((unit, limit))
    };
    ["containerd", "docker"].into_iter().find_map(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> Vec<&'static str> {
        let product = "schemaVersion: 1\ntitle: x\nstack: s\ninstallDir: /srv/x\n";
        let product = Product::parse(product, "test").expect("valid");
        let mut findings = Vec::new();
        look_at(&serde_json::from_str(json).expect("an answer"), &product, &mut findings);
        let of_info = |finding: &&Finding| finding.code != "nofile";
        findings.iter().filter(of_info).map(|finding| finding.code).collect()
    }

    #[test]
    fn an_engine_that_labels_containers_is_told_with_the_folder_to_label() {
        let info = |options: &str| -> Info {
            serde_json::from_str(&format!(r#"{{"ServerVersion":"24","SecurityOptions":{options}}}"#))
                .expect("an answer")
        };
        let found = info(r#"["name=seccomp,profile=default","name=selinux"]"#).labels(Path::new("/srv/a b"));
        assert!(found.is_some_and(|found| found.remedy.contains("chcon -R -t container_file_t '/srv/a b'")));
        assert_eq!(info(r#"["name=seccomp,profile=default"]"#).labels(Path::new("/srv/x")), None);
        assert_eq!(info("null").labels(Path::new("/srv/x")), None);
    }

    #[test]
    fn an_engine_that_does_not_answer_is_no_answer_that_is_not_understood() {
        let found = |json: &str| info_in(json).map_or_else(|finding| finding.code, |_| "it answers");
        assert_eq!(found(r#"{"ID":"","Swarm":{"LocalNodeState":""},"ServerErrors":["Cannot connect"]}"#), SILENT);
        assert_eq!(found(r#"{"ServerVersion":"24","ServerErrors":null}"#), "it answers");
        assert_eq!(found(r#"{"ServerVersion":"24"}"#), "it answers");
        assert_eq!(found("{}"), "docker-unknown");
    }

    #[test]
    fn an_engine_that_cannot_serve_is_told() {
        let good = r#"{"ServerVersion":"20.10.24+dfsg1","Driver":"overlay2","DriverStatus":[["Supports d_type","true"]],"Swarm":{"LocalNodeState":"inactive"}}"#;
        assert!(found(good).is_empty());
        for (from, to, code) in [
            ("20.10.24+dfsg1", "17.12.1-ce", "docker-version"),
            ("\"true\"", "\"false\"", "d-type"),
            ("inactive", "locked", "swarm-locked"),
            ("inactive", "active", "swarm-worker"),
            ("overlay2", "vfs", "docker-vfs"),
            ("\"Swarm\"", "\"SecurityOptions\":[\"name=rootless\"],\"Swarm\"", "docker-rootless"),
            ("\"Swarm\"", "\"DockerRootDir\":\"/var/snap/docker/x\",\"Swarm\"", "docker-snap"),
            ("\"Swarm\"", "\"OperatingSystem\":\"Docker Desktop\",\"Swarm\"", "docker-desktop"),
        ] {
            assert_eq!(found(&good.replace(from, to)), [code], "{to}");
        }
    }
}
