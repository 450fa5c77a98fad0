//! The host: its processors, memory, disks, kernel and ports.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Finding, Level};
use crate::in_order::InOrder;
use crate::language::tr;
use crate::path::shell_word;
use crate::platform::Platform;
use crate::product::Bytes;
use crate::room;
use crate::site::lifecycle::instance::Instance;

/// The ports by which nodes of a swarm talk to each other.
const SWARM: [u16; 2] = [2377, 7946];

/// 2026-11-01. No product that this program installs is older.
const WRITTEN: Timestamp = Timestamp::constant(1_793_491_200, 0);

pub(super) fn look(instance: &Instance, findings: &mut Vec<Finding>) {
    let needs = instance.product().needs.with(&instance.deployed().options);
    let mut error = |code, what: String, remedy: String| findings.push(Finding::new(Level::Error, code, what, remedy));
    if !rustix::process::geteuid().is_root() {
        error("root", tr!("this run has no root rights"), tr!("the same command with sudo"));
    }
    if Platform::host().is_none() {
        error("platform", tr!("this host's architecture is neither amd64 nor arm64"), tr!("use another host"));
    }
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    if (cores as u64) < u64::from(needs.cores) {
        error("cores", tr!("{cores} processors, {} are needed", needs.cores, cores), tr!("a larger host"));
    }
    // A host "with 4 GB" reports up to a tenth less.
    if let Some(memory) = memory()
        && memory < needs.memory.0 / 10 * 9
    {
        error("memory", tr!("{} of memory, {} are needed", room::shown(memory), needs.memory), tr!("a larger host"));
    }
    if let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease")
        && !is_at_least(kernel.trim(), &needs.kernel)
    {
        let remedy = tr!("a system with Linux {} or newer", needs.kernel);
        error("kernel", tr!("Linux {} is too old, {} is needed", kernel.trim(), needs.kernel), remedy);
    }
    let existing = existing(instance.install_dir());
    if let Some(free) = room::free_for_root(&existing)
        && free < needs.disk.0
    {
        let what = tr!("{} free at {}, {} are needed for data", room::shown(free), existing.display(), needs.disk);
        error("disk", what, tr!("make room there: df -h {}; or --install-dir on a larger disk", shell_word(&existing)));
    }
    let found = rustix::fs::statvfs(&existing);
    let smaller = found
        .as_ref()
        .ok()
        .and_then(|found| smaller_disk(found.f_blocks.saturating_mul(found.f_frsize), needs.disk_size, &existing));
    if let Ok(found) = found
        && found.f_files > 0
        && found.f_favail < 10_000
    {
        let what = tr!("{} inodes are free at {}", found.f_favail, existing.display());
        error("inodes", what, tr!("remove small files there: df -i {}", shell_word(&existing)));
    }
    // Docker takes the kernel's word that AppArmor is on, and then starts no container without the parser.
    let module = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
    if module.is_ok_and(|enabled| enabled.trim() == "Y") && !is_command("apparmor_parser") {
        let what =
            tr!("AppArmor is on in this kernel, but apparmor_parser is missing: Docker could start no container");
        let remedy = tr!("install the system's package apparmor; or boot with apparmor=0");
        findings.push(Finding::new(Level::Error, "apparmor", what, remedy));
    }
    look_at_logrotate(instance, findings);
    findings.extend(smaller);
    findings.extend(clock_before(Timestamp::now()));
    if fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|mode| mode.trim() == "1") {
        let dir = instance.install_dir().display();
        let remedy = tr!(
            "if containers may not read {dir}: chcon -R -t container_file_t {dir} (CentOS 7: svirt_sandbox_file_t)",
            dir
        );
        findings.push(Finding::new(Level::Note, "selinux", tr!("SELinux is enforcing"), remedy));
    }
}

/// A clock that is years behind, as of a host whose battery is empty. A swarm's certificates are good for three months: those
/// made now would have expired on the day on which somebody corrects the clock, and no task would start any more.
fn clock_before(now: Timestamp) -> Option<Finding> {
    let remedy = tr!("set it: date -u -s 'YYYY-MM-DD HH:MM' && hwclock -w");
    let what = || {
        tr!(
            "this host's clock says {}: certificates that the engine makes now would have expired once it is right",
            now.strftime("%F")
        )
    };
    (now < WRITTEN).then(|| Finding::new(Level::Error, "clock", what(), remedy))
}

/// A disk that is sold as one of so many GB has less in GiB, and a tenth less for files.
fn smaller_disk(size: u64, wanted: Bytes, path: &Path) -> Option<Finding> {
    let what = || tr!("the disk of {} has {}, the product is made for {}", path.display(), room::shown(size), wanted);
    let remedy =
        || tr!("it runs; watch how the data grows: df -h {}; or --install-dir on a larger disk", shell_word(path));
    (size < wanted.0 / 10 * 8).then(|| Finding::new(Level::Warning, "disk-size", what(), remedy()))
}

fn look_at_logrotate(instance: &Instance, findings: &mut Vec<Finding>) {
    if !instance.product().logs.is_empty() && !is_command("logrotate") {
        let what = tr!("logrotate is not on this host: the product's log files grow without end");
        findings.push(Finding::new(Level::Warning, "logrotate", what, tr!("install the system's package logrotate")));
    }
}

/// Whether a program of that name is to be found.
pub(in crate::site::lifecycle) fn is_command(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&folders).chain(usual).any(|folder| folder.join(name).is_file())
}

/// Data of services that would not run any more, while the product would be sent to no other.
pub(super) fn look_at_left_behind(instance: &Instance, findings: &mut Vec<Finding>) {
    for service in instance.left_out().iter().filter(|service| instance.has_data_of(service)) {
        let spec = &instance.product().services[service];
        if instance.is_elsewhere(service) {
            continue;
        }
        let (switch, key) = (spec.when.as_deref().unwrap_or(service), spec.address.as_deref().unwrap_or("its address"));
        let folder = spec.folder.as_ref().map(|folder| folder.below(instance.install_dir()));
        let what = tr!(
            "without '{switch}' the data of '{service}' in {} would be left behind",
            folder.unwrap_or_default().display(),
            switch,
            service
        );
        let remedy =
            tr!("keep it: --set {switch}=true; or where another host has the data, that in {key}", switch, key);
        findings.push(Finding::new(Level::Error, "left-behind", what, remedy));
    }
}

/// `own`: ports that the running stack has.
pub(super) fn look_at_ports(instance: &Instance, own: &BTreeSet<u16>, findings: &mut Vec<Finding>) {
    let taken = listening();
    let ports = instance.ports();
    for (option, port) in &ports {
        if let Some((other, _)) = ports.iter().find(|(other, of)| other > &option && of == &port) {
            let what = tr!("port {port} is wanted twice, by '{option}' and by '{other}'", port, option, other);
            findings.push(Finding::new(Level::Error, "port", what, tr!("another one: --set {option}=PORT", option)));
        }
    }
    for (option, port) in ports {
        if SWARM.contains(&port) {
            let remedy = tr!("another one: --set {option}=PORT", option);
            findings.push(Finding::new(Level::Error, "port", tr!("port {port} is the swarm's own", port), remedy));
        } else if taken.contains(&port) && !own.contains(&port) {
            let remedy =
                tr!("see who has it: ss -ltnp 'sport = :{port}'; or another one: --set {option}=PORT", port, option);
            findings.push(Finding::new(Level::Error, "port", tr!("port {port} is taken", port), remedy));
        }
    }
}

/// The TCP ports on which somebody on this host listens (proc(5): the state 0A).
pub(in crate::site::lifecycle) fn listening() -> BTreeSet<u16> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let ports = tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, _, state) = (words.next()?, words.next()?, words.next()?);
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        (state == "0A").then_some(port)
    });
    ports.in_order()
}

/// The host's memory in bytes.
fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// Whether a version such as `5.10.0-28-amd64` is `least` (`MAJOR.MINOR`) or newer.
pub(in crate::site::lifecycle) fn is_at_least(version: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let plain = text.split(['-', '+', '~', ' ']).next().unwrap_or_default();
        plain.split('.').map_while(|part| part.parse().ok()).take(3).collect()
    };
    numbers(version) >= numbers(least)
}

/// `path`, or the closest folder above it that is there.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, least) in [
            ("5.10.0-28-amd64", "3.10"),
            ("3.10.0-1160.el7.x86_64", "3.10"),
            ("20.10.24+dfsg1", "18.06"),
            ("24", "18.06"),
        ] {
            assert!(is_at_least(version, least), "{version} {least}");
        }
        for (version, least) in [("3.9.11", "3.10"), ("18.05.0-ce", "18.06"), ("", "3.10")] {
            assert!(!is_at_least(version, least), "{version} {least}");
        }
    }

    #[test]
    fn a_disk_smaller_than_the_product_is_made_for_is_told() {
        let found = |size| smaller_disk(size, Bytes(20 << 30), Path::new("/srv/a b"));
        // 20 GB, a tenth of which is the file system's own.
        assert_eq!(found(18_000_000_000), None);
        let small = found(16_000_000_000).expect("a finding");
        assert!(small.level == Level::Warning && small.what.contains("20 GiB"), "{small:?}");
        assert!(small.remedy.contains("df -h '/srv/a b'"), "{small:?}");
        assert_eq!(smaller_disk(1, Bytes(0), Path::new("/")), None);
    }

    #[test]
    fn a_clock_that_stands_in_the_past_is_told() {
        assert_eq!(WRITTEN.to_string(), "2026-11-01T00:00:00Z");
        assert_eq!(clock_before(WRITTEN), None);
        let found = clock_before(Timestamp::UNIX_EPOCH).expect("a finding");
        assert!(found.level == Level::Error && found.what.contains("1970-01-01"), "{found:?}");
    }
}
