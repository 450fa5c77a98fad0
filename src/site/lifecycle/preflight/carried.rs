//! Which of the carried Docker Engines is for a host that has none.

use std::fs;
use std::path::Path;

use super::host::is_at_least;
use crate::language::tr;
use crate::manifest::{Kind, Manifest};
use crate::path::RelPath;
use crate::platform::Platform;
use crate::product::{CgroupVersion, EngineSpec, Product};

/// The first engine whose needs the system with its files below `root` meets: of those in the product's list, in its order; of a
/// product without a list, of those that the manifest carries for `platform`. `None` where none is carried.
///
/// # Errors
/// Engines are carried, and none is for this host: what each lacks, for people.
pub(super) fn choose<'a>(
    product: &'a Product,
    manifest: &'a Manifest,
    platform: Platform,
    root: &Path,
) -> Result<Option<&'a RelPath>, String> {
    let artifacts = manifest.artifacts().iter();
    let carried = artifacts.filter(|artifact| artifact.kind == Kind::Engine && artifact.id.is_for(platform));
    let mut carried = carried.map(|artifact| &artifact.id.name);
    if product.engines.is_empty() {
        return Ok(carried.next());
    }
    let carried: Vec<&RelPath> = carried.collect();
    // An engine may be carried for one platform only.
    let listed = product.engines.iter().filter(|engine| carried.contains(&&engine.artifact));
    let mut lacks = Vec::new();
    for engine in listed {
        match unmet(engine, root) {
            None => return Ok(Some(&engine.artifact)),
            Some(need) => lacks.push(format!("{}: {need}", engine.artifact)),
        }
    }
    if lacks.is_empty() { Ok(None) } else { Err(lacks.join("; ")) }
}

/// What an engine needs and the system does not have.
fn unmet(engine: &EngineSpec, root: &Path) -> Option<String> {
    if let Some(cgroup) = engine.cgroup
        && let Some(found) = cgroup_of(root)
        && cgroup != found
    {
        return Some(tr!("it needs cgroup {}, this system has {}", cgroup, found));
    }
    let least = engine.kernel.as_ref()?;
    let kernel = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).ok()?;
    let kernel = kernel.trim();
    (!is_at_least(kernel, least)).then(|| tr!("it needs Linux {} or newer, this is {}", least, kernel))
}

/// Whether the system below `root` knows the second version of the kernel's control groups only.
pub(in crate::site::lifecycle) fn has_only_cgroup_v2(root: &Path) -> bool {
    cgroup_of(root) == Some(CgroupVersion::V2)
}

/// The version of the control groups that containers get: the file is there only in version 2's own tree (cgroups(7)).
fn cgroup_of(root: &Path) -> Option<CgroupVersion> {
    let groups = root.join("sys/fs/cgroup");
    let is_unified = groups.join("cgroup.controllers").exists();
    groups.exists().then_some(if is_unified { CgroupVersion::V2 } else { CgroupVersion::V1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINES: &str = "engines:\n- { artifact: old.tgz, cgroup: v1 }\n- { artifact: new.tgz, kernel: \"4.18\" }\n";

    fn product(engines: &str) -> Product {
        let text = format!("schemaVersion: 1\ntitle: x\nstack: s\ninstallDir: /srv/x\n{engines}");
        Product::parse(&text, "test").expect("valid")
    }

    fn manifest(engines: &[(&str, &str)]) -> Manifest {
        let one = |(name, platform): &(&str, &str)| {
            format!(r#"{{"name":"{name}","kind":"engine","platform":"{platform}","urls":["{name}"]}}"#)
        };
        let mut artifacts = vec![r#"{"name":"s","kind":"stack","urls":["s"]}"#.to_owned()];
        artifacts.extend(engines.iter().map(one));
        let artifacts = artifacts.join(",");
        let text = format!(r#"{{"schemaVersion":1,"name":"x","version":"1.0.0","artifacts":[{artifacts}]}}"#);
        Manifest::parse(text, "test").expect("valid")
    }

    fn host(kernel: &str, groups: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("written");
        };
        write("proc/sys/kernel/osrelease", kernel);
        if let Some(groups) = groups {
            write(&format!("sys/fs/cgroup/{groups}"), "");
        }
        root
    }

    const V1: Option<&str> = Some("memory/tasks");
    const V2: Option<&str> = Some("cgroup.controllers");

    fn chosen(engines: &str, carried: &[(&str, &str)], host: &tempfile::TempDir) -> Result<Option<String>, String> {
        let (product, manifest) = (product(engines), manifest(carried));
        let amd64: Platform = "linux/amd64".parse().expect("a platform");
        let chosen = choose(&product, &manifest, amd64, host.path())?;
        Ok(chosen.map(ToString::to_string))
    }

    #[test]
    fn the_first_whose_needs_the_host_meets_is_taken() {
        let carried = [("old.tgz", "linux/amd64"), ("new.tgz", "linux/amd64")];
        let some = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(chosen(ENGINES, &carried, &host("3.10.0-1160.el7.x86_64\n", V1)), some("old.tgz"));
        assert_eq!(chosen(ENGINES, &carried, &host("6.1.0-18-amd64\n", V2)), some("new.tgz"));
        // Nothing is known of its control groups: nothing is held against it.
        assert_eq!(chosen(ENGINES, &carried, &host("6.1.0\n", None)), some("old.tgz"));
        let why = chosen(ENGINES, &carried, &host("4.17.9\n", V2)).expect_err("none is for it");
        assert!(why.starts_with("old.tgz: it needs cgroup v1, this system has v2; new.tgz: "), "{why}");
        assert!(why.contains("it needs Linux 4.18 or newer, this is 4.17.9"), "{why}");
    }

    #[test]
    fn only_what_is_carried_for_the_platform_counts() {
        let host = host("6.1.0\n", V2);
        let arm = [("old.tgz", "linux/amd64"), ("new.tgz", "linux/arm64")];
        assert!(chosen(ENGINES, &arm, &host).is_err_and(|why| !why.contains("new.tgz")));
        assert_eq!(chosen(ENGINES, &[], &host), Ok(None));
        assert_eq!(chosen("", &[], &host), Ok(None));
        assert_eq!(
            chosen("", &[("new.tgz", "linux/arm64"), ("old.tgz", "linux/amd64")], &host),
            Ok(Some("old.tgz".to_owned()))
        );
    }
}
