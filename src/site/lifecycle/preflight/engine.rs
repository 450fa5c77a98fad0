//! The container engine: that it is Docker, of this host, new enough, and what it may trip over.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::host::is_at_least;
use super::{Finding, Level};
use crate::product::Product;
use crate::site::lifecycle::docker::order;

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

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SwarmInfo {
    local_node_state: String,
    control_available: bool,
}

/// Whether it answers.
pub(super) fn look(findings: &mut Vec<Finding>, product: &Product) -> bool {
    if let Some(place) = elsewhere() {
        let what = format!("Docker's commands lead to {place}; the product is installed with the Docker of this host");
        let remedy = "unset DOCKER_HOST DOCKER_CONTEXT; docker context use default; then the same command again";
        findings.push(Finding::new(Level::Error, "docker-elsewhere", what, remedy));
        return false;
    }
    let info = match info() {
        Ok(info) => info,
        Err(finding) => {
            findings.push(finding);
            return false;
        }
    };
    look_at(&info, product, findings);
    true
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
    let socket = Path::new("/var/run/docker.sock");
    match version {
        Err(_) if std::fs::metadata(socket).is_ok_and(|found| found.file_type().is_socket()) => {
            return Err(error(
                "docker-hidden",
                "a Docker is here, but its command docker is not to be found",
                "PATH=$PATH:/that/place before the same command",
            ));
        }
        Err(_) => {
            return Err(error(
                "docker-missing",
                "there is no Docker on this host",
                "install Docker with this system's packages, start it, then the same command again",
            ));
        }
        Ok(told) if String::from_utf8_lossy(&told.stdout).to_lowercase().contains("podman") => {
            return Err(error(
                "docker-podman",
                "the command docker is podman here, which has no swarm",
                "remove podman-docker, and install Docker",
            ));
        }
        Ok(_) => {}
    }
    let told = order(&["info", "--format", "{{json .}}"]);
    let told = told.map_err(|cause| {
        error(
            "docker-silent",
            &format!("Docker is installed but does not answer: {cause}"),
            "systemctl status docker; systemctl start docker",
        )
    })?;
    serde_json::from_str(&told).map_err(|cause| {
        error("docker-unknown", &format!("what Docker says of itself is not understood: {cause}"), "docker version")
    })
}

fn look_at(info: &Info, product: &Product, findings: &mut Vec<Finding>) {
    let mut add = |level, code, what: String, remedy: &str| findings.push(Finding::new(level, code, what, remedy));
    if !is_at_least(&info.server_version, &product.needs.docker) {
        let what = format!("Docker {} is too old, {} is needed", info.server_version, product.needs.docker);
        add(Level::Error, "docker-version", what, "update it with this system's packages");
    }
    if info.operating_system.contains("Docker Desktop") {
        add(
            Level::Error,
            "docker-desktop",
            "this is Docker Desktop, whose containers run in a machine of its own".to_owned(),
            "install Docker Engine with this system's packages",
        );
    }
    let options = info.security_options.iter().flatten();
    if options.clone().any(|option| option.contains("rootless")) {
        add(
            Level::Error,
            "docker-rootless",
            "this Docker runs without root rights: it cannot publish a stack's ports".to_owned(),
            "install Docker for root, and unset DOCKER_HOST",
        );
    }
    if info.docker_root_dir.starts_with("/var/snap/") {
        add(
            Level::Error,
            "docker-snap",
            "this Docker is a snap, which sees only a part of this host's folders".to_owned(),
            "snap remove docker; install Docker with this system's packages",
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
            "Docker stores each layer as a whole copy (vfs)".to_owned(),
            "a kernel with overlayfs, and a file system that Docker's overlay2 takes",
        );
    }
    if status("Supports d_type") == Some("false") {
        add(
            Level::Error,
            "d-type",
            "Docker's disk is XFS without d_type: removed files come back in containers".to_owned(),
            "a disk made with: mkfs.xfs -n ftype=1",
        );
    }
    match (info.swarm.local_node_state.as_str(), info.swarm.control_available) {
        ("inactive", _) | ("active", true) | ("", _) => {}
        ("active", false) => add(
            Level::Error,
            "swarm-worker",
            "this host is a worker of a swarm; a stack is deployed on a manager".to_owned(),
            "run this on a manager, or type on one: docker node promote HOST",
        ),
        ("locked", _) => {
            add(Level::Error, "swarm-locked", "this host's swarm is locked".to_owned(), "docker swarm unlock")
        }
        (other, _) => add(
            Level::Error,
            "swarm-state",
            format!("this host's swarm is in the state '{other}'"),
            "docker info; docker swarm leave --force gives it up",
        ),
    }
    if !Path::new("/sys/module/vxlan").exists() && !can_load("vxlan") {
        add(
            Level::Warning,
            "vxlan",
            "the kernel has no vxlan, by which the services of a stack reach each other".to_owned(),
            "modprobe vxlan; install the kernel's extra modules",
        );
    }
    if let Some(limit) = open_files() {
        let remedy = "mkdir -p /etc/systemd/system/docker.service.d; printf '[Service]\\nLimitNOFILE=1048576\\n' >/etc/systemd/system/docker.service.d/files.conf; systemctl daemon-reload; systemctl restart docker";
        add(
            Level::Warning,
            "nofile",
            format!(
                "docker.service has LimitNOFILE={limit}: some databases then take gigabytes of memory, and minutes to start"
            ),
            remedy,
        );
    }
}

/// Whether the kernel has a module, built in or to be loaded. Nothing is loaded.
fn can_load(module: &str) -> bool {
    let found = Command::new("modprobe")
        .args(["--dry-run", "--quiet", module])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.map_or(true, |status| status.success())
}

/// The limit of open files that Docker's unit gives containers, where it is none.
fn open_files() -> Option<String> {
    let told = Command::new("systemctl")
        .args(["show", "-p", "LimitNOFILE", "docker.service"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&told.stdout).trim().strip_prefix("LimitNOFILE=")?.to_owned();
    let is_unlimited = text == "infinity" || text.parse::<u64>().is_ok_and(|limit| limit > 10_000_000);
    is_unlimited.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str) -> Vec<&'static str> {
        let product = "schemaVersion: 1\ntitle: x\nstack: s\ninstallDir: /srv/x\n";
        let product = Product::parse(product, "test").expect("valid");
        let mut findings = Vec::new();
        look_at(&serde_json::from_str(json).expect("an answer"), &product, &mut findings);
        let of_info = |finding: &&Finding| !matches!(finding.code, "nofile" | "vxlan");
        findings.iter().filter(of_info).map(|finding| finding.code).collect()
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
