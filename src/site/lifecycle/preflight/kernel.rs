//! What the kernel brings for a container engine: built in, loaded, or there to be loaded. Nothing is loaded.

use std::fs;
use std::path::Path;

use super::{Finding, Level};
use crate::language::tr;
use crate::stack::ByIpvs;

/// Looks at the system whose files lie below `root`.
pub(super) fn look(root: &Path, findings: &mut Vec<Finding>) {
    let extra = |module: &str| tr!("modprobe {module}; install the kernel's extra modules", module);
    let mut lacks = |module: &str, code, what: String| {
        if !has(root, module) {
            findings.push(Finding::new(Level::Warning, code, what, extra(module)));
        }
    };
    lacks("overlay", "overlay", tr!("the kernel has no overlayfs, on which Docker keeps images without copying them"));
    lacks("vxlan", "vxlan", tr!("the kernel has no vxlan, by which the services of a stack reach each other"));
    lacks(
        "br_netfilter",
        "br-netfilter",
        tr!("the kernel has no br_netfilter, by which the ports of a stack lead to its containers"),
    );
}

/// Looks for IPVS, of which the stack makes this use. Without it everything starts, and nothing answers.
pub(super) fn look_at_ipvs(root: &Path, used: Option<ByIpvs>) -> Option<Finding> {
    let used = used.filter(|_| !has(root, "ip_vs"))?;
    let (what, instead) = match used {
        ByIpvs::Port(service) => (
            tr!("the kernel has no ip_vs (IPVS): the port that '{service}' publishes would not answer", service),
            tr!("modprobe ip_vs; install the kernel's extra modules; or publish the port with 'mode: host'"),
        ),
        ByIpvs::Address(service) => (
            tr!("the kernel has no ip_vs (IPVS): other services would not reach '{service}'", service),
            tr!("modprobe ip_vs; install the kernel's extra modules; or give it 'endpoint_mode: dnsrr'"),
        ),
    };
    Some(Finding::new(Level::Warning, "ipvs", what, instead))
}

/// Whether the kernel has a module. One of which nothing can be known, as in a container without the kernel's files, counts.
fn has(root: &Path, module: &str) -> bool {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let is_file_system = |line: &str| line.split_whitespace().next_back() == Some(module);
    if root.join("sys/module").join(module).exists()
        || read("proc/filesystems").lines().any(is_file_system)
        || module == "ip_vs" && root.join("proc/net/ip_vs").exists()
        || module == "br_netfilter" && root.join("proc/sys/net/bridge").exists()
    {
        return true;
    }
    let modules = format!("lib/modules/{}", read("proc/sys/kernel/osrelease").trim());
    let lists = ["modules.dep", "modules.builtin"].map(|list| read(&format!("{modules}/{list}")));
    // A line begins with the module's file: kernel/fs/overlayfs/overlay.ko.xz: ...
    let name = |line: &str| {
        let file = line.split(':').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        file.split('.').next().unwrap_or_default().replace('-', "_")
    };
    lists[0].is_empty() || lists.iter().flat_map(|list| list.lines()).any(|line| name(line) == module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        let release = ("proc/sys/kernel/osrelease", "5.10.0\n");
        for (path, text) in files.iter().chain([&release]) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("written");
        }
        root
    }

    fn lacking(files: &[(&str, &str)]) -> Vec<&'static str> {
        let mut findings = Vec::new();
        look(root(files).path(), &mut findings);
        findings.iter().map(|finding| finding.code).collect()
    }

    const OTHERS: (&str, &str) = ("lib/modules/5.10.0/modules.dep", "kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko\n");

    #[test]
    fn what_the_kernel_lacks_is_told() {
        assert_eq!(lacking(&[OTHERS]), ["overlay", "vxlan", "br-netfilter"]);
        // The files of another kernel say nothing of this one.
        assert_eq!(lacking(&[("lib/modules/6.1.0/modules.dep", OTHERS.1)]), [""; 0]);
    }

    #[test]
    fn ipvs_is_looked_for_where_the_stack_makes_use_of_it() {
        let found = |files: &[(&str, &str)], used| look_at_ipvs(root(files).path(), used).map(|finding| finding.what);
        let used = || Some(ByIpvs::Port("web".to_owned()));
        let told = found(&[OTHERS], used()).expect("it is told");
        assert!(told.contains("the port that 'web' publishes"), "{told}");
        let told = found(&[OTHERS], Some(ByIpvs::Address("db".to_owned()))).expect("it is told");
        assert!(told.contains("would not reach 'db'"), "{told}");
        assert_eq!(found(&[OTHERS], None), None);
        assert_eq!(found(&[], used()), None, "of such a kernel nothing is known");
        assert_eq!(found(&[OTHERS, ("proc/net/ip_vs", "")], used()), None);
        let builtin = ("lib/modules/5.10.0/modules.builtin", "kernel/net/netfilter/ipvs/ip_vs.ko\n");
        assert_eq!(found(&[OTHERS, builtin], used()), None);
    }

    #[test]
    fn loaded_built_in_or_there_to_be_loaded_is_enough() {
        let dep = "kernel/fs/overlayfs/overlay.ko.xz:\nkernel/drivers/net/vxlan/vxlan.ko: kernel/net/udp.ko\n\
                   kernel/net/bridge/br-netfilter.ko:\n";
        assert!(lacking(&[("lib/modules/5.10.0/modules.dep", dep)]).is_empty());
        let builtin = ("lib/modules/5.10.0/modules.builtin", "kernel/drivers/net/vxlan/vxlan.ko\n");
        assert_eq!(lacking(&[OTHERS, builtin]), ["overlay", "br-netfilter"]);
        assert_eq!(lacking(&[OTHERS, ("sys/module/vxlan/refcnt", "1")]), ["overlay", "br-netfilter"]);
        let there = [("proc/filesystems", "nodev\toverlay\n\text4\n"), ("proc/sys/net/bridge/x", "1")];
        assert_eq!(lacking(&[OTHERS, there[0], there[1]]), ["vxlan"]);
    }
}
