//! What is in the way of a Docker that is brought to a host.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::super::preflight::{Finding, Level, has_only_cgroup_v2, is_at_least, is_command};
use super::carried_docker::{CarriedDocker, unit_below};
use crate::digest::PIECE;
use crate::language::tr;

/// The first Docker that knows the second version of the kernel's control groups.
const KNOWS_CGROUP_V2: &str = "20.10";

/// What the system below `root` lacks for any Docker.
pub(super) fn of_system(root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut error = |code, what, remedy| findings.push(Finding::new(Level::Error, code, what, remedy));
    if !root.join("run/systemd/system").is_dir() {
        error(
            "systemd",
            tr!("there is no Docker, and no systemd to run the carried one"),
            tr!("install and start Docker in this system's own way, then the same command again"),
        );
    }
    if !is_command("iptables") {
        error(
            "iptables",
            tr!("the command iptables is missing, Docker needs it"),
            tr!("install the system's package iptables"),
        );
    }
    findings
}

/// What the system below `root` has against this one; `least` is the oldest that the product takes.
pub(super) fn of_docker(root: &Path, docker: &CarriedDocker, unit: &[u8], least: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut error = |code, what, remedy| findings.push(Finding::new(Level::Error, code, what, remedy));
    let version = docker.version();
    if has_only_cgroup_v2(root) && !is_at_least(version, KNOWS_CGROUP_V2) {
        error(
            "docker-cgroup",
            tr!("this system has cgroup v2 only, which the carried Docker {} does not know", version),
            tr!("install the system's own Docker 20.10 or newer; or boot with systemd.unified_cgroup_hierarchy=0"),
        );
    }
    if !is_at_least(version, least) {
        error(
            "docker-version",
            tr!("the carried Docker {} is too old, {} is needed", version, least),
            tr!("install Docker with this system's packages, start it, then the same command again"),
        );
    }
    let elsewhere = tr!("is Docker in another place? then PATH=$PATH:/that/place before the same command");
    match docker.programs(root) {
        Ok(programs) => {
            let others = programs.iter().filter(|(program, target)| is_other(target, &|| fs::File::open(program)));
            for (_, target) in others {
                let what = tr!("{} is here already, without the command docker; it is not replaced", target.display());
                error("docker-part", what, elsewhere.clone());
            }
        }
        Err(cause) => error("engine", cause.to_string(), tr!("is it for this host?")),
    }
    let target = unit_below(root);
    if is_other(&target, &|| Ok(unit)) {
        let what = tr!("{} is here already, and not ours; it is not replaced", target.display());
        error("docker-unit", what, tr!("{elsewhere}; else move that file away", elsewhere));
    }
    findings
}

/// Whether something has the name `path` that is not a file with these bytes.
fn is_other<R: Read>(path: &Path, bytes: &dyn Fn() -> io::Result<R>) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else { return false };
    let same = || is_same(fs::File::open(path)?, bytes()?);
    !found.is_file() || !same().unwrap_or(false)
}

/// Whether two readers give the same bytes.
///
/// # Errors
/// One of them cannot be read.
fn is_same(one: impl Read, other: impl Read) -> io::Result<bool> {
    let (mut one, mut other) = (BufReader::with_capacity(PIECE, one), BufReader::with_capacity(PIECE, other));
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let both = left.len().min(right.len());
        if both == 0 || left[..both] != right[..both] {
            return Ok(left.is_empty() && right.is_empty());
        }
        one.consume(both);
        other.consume(both);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("written");
        }
        root
    }

    fn codes(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_host_without_systemd_is_told() {
        let is_told = |root: &Path| codes(&of_system(root)).contains(&"systemd");
        assert!(is_told(host(&[]).path()));
        assert!(!is_told(host(&[("run/systemd/system/x", "")]).path()));
    }

    #[test]
    fn nothing_that_is_there_is_replaced() {
        let docker = CarriedDocker::with(&[("docker", "a"), ("dockerd", "b")], "24.0.9");
        let found = |files: &[(&str, &str)]| {
            let root = host(files);
            let findings = of_docker(root.path(), &docker, b"ours", "18.06");
            (codes(&findings), findings.first().map(|found| format!("{} {}", found.what, found.remedy)))
        };
        // What a run that was broken off has left is ours.
        let ours = [("usr/bin/dockerd", "b"), ("etc/systemd/system/docker.service", "ours")];
        assert_eq!(found(&[]), (vec![], None));
        assert_eq!(found(&ours), (vec![], None));
        let (codes, told) = found(&[("usr/bin/dockerd", "other")]);
        assert_eq!(codes, ["docker-part"]);
        let told = told.expect("a finding");
        assert!(told.contains("usr/bin/dockerd is here already") && told.contains("it is not replaced"), "{told}");
        assert!(told.contains("PATH=$PATH"), "{told}");
        for longer in ["bb", ""] {
            assert_eq!(found(&[("usr/bin/dockerd", longer)]).0, ["docker-part"]);
        }
        let (codes, told) = found(&[ours[0], ("etc/systemd/system/docker.service", "theirs")]);
        assert_eq!(codes, ["docker-unit"]);
        assert!(told.expect("a finding").contains("else move that file away"));
        // A link to such a file is no such file: the engine would be put in its place.
        let root = host(&[("usr/bin/other", "b")]);
        symlink("other", root.path().join("usr/bin/dockerd")).expect("linked");
        assert_eq!(of_docker(root.path(), &docker, b"ours", "18.06").len(), 1);
    }

    #[test]
    fn a_docker_that_knows_no_cgroup_v2_or_is_too_old_is_not_for_the_host() {
        let v2 = host(&[("sys/fs/cgroup/cgroup.controllers", "")]);
        let found = |root: &Path, version: &str| {
            codes(&of_docker(root, &CarriedDocker::with(&[("docker", "")], version), b"", "18.06"))
        };
        assert_eq!(found(v2.path(), "18.06.3-ce"), ["docker-cgroup"]);
        assert_eq!(found(v2.path(), "20.10.0"), [""; 0]);
        assert_eq!(found(host(&[("sys/fs/cgroup/memory/tasks", "")]).path(), "18.06.3-ce"), [""; 0]);
        assert_eq!(found(host(&[]).path(), "17.12.1-ce"), ["docker-version"]);
    }
}
