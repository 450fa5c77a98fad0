//! The addresses that containers take for their own: what the host reaches under these, they do not.

use std::fmt;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use super::{Finding, Level};
use crate::language::tr;

/// From these the engine gives each network of a swarm a piece, in their order, unless it is told otherwise.
const USUAL: &str = "10.0.0.0/16";
/// What is proposed instead: the first of which the host reaches nothing.
const OTHERS: [&str; 4] = ["10.200.0.0/16", "172.30.0.0/16", "192.168.240.0/20", "198.18.0.0/16"];

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: u32,
    mask: u32,
}

impl Network {
    /// That of `ADDRESS/BITS`.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits) = (address.parse::<Ipv4Addr>().ok()?, bits.parse::<u32>().ok()?);
        let mask = if bits == 0 { 0 } else { u32::MAX.checked_shl(32_u32.checked_sub(bits)?)? };
        Some(Network { address: u32::from(address) & mask, mask })
    }

    fn overlaps(self, other: Self) -> bool {
        let mask = self.mask & other.mask;
        self.address & mask == other.address & mask
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.address), self.mask.count_ones())
    }
}

/// Compares what the system with its files below `root` has routes to with what a swarm that is made takes: `pool`, or the
/// engine's own choice.
pub(super) fn look(root: &Path, pool: Option<&str>) -> Option<Finding> {
    let routes = routes(&fs::read_to_string(root.join("proc/net/route")).unwrap_or_default());
    let taken = |pool: &str| {
        let pool = Network::parse(pool)?;
        routes.iter().find(|(_, network)| network.overlaps(pool))
    };
    let pool = pool.unwrap_or(USUAL);
    let (device, network) = taken(pool)?;
    let what = tr!(
        "networks of containers get their addresses from {pool}, and this host reaches {network} by {device}: containers do not reach what is there",
        pool,
        network,
        device
    );
    let remedy = match OTHERS.into_iter().find(|other| taken(other).is_none()) {
        Some(other) => tr!("the same command with --addr-pool {}", other),
        None => tr!("the same command with --addr-pool and addresses that nobody here has"),
    };
    Some(Finding::new(Level::Warning, "addresses", what, remedy))
}

/// The kernel's table (proc(5)) without the default route: a device and what is reached by it. Numbers stand there in the order
/// of the network's bytes, as this machine reads them.
fn routes(table: &str) -> Vec<(String, Network)> {
    let lines = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |place: usize| u32::from_str_radix(words.get(place)?, 16).ok().map(u32::from_be);
        let network = Network { address: number(1)?, mask: number(7)? };
        Some(((*words.first()?).to_owned(), network))
    });
    lines.filter(|(_, network)| network.mask != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system with routes to these networks.
    fn host(networks: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        let mut table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n".to_owned();
        for (number, network) in ["0.0.0.0/0"].iter().chain(networks).enumerate() {
            let Network { address, mask } = Network::parse(network).expect("a network");
            let (address, mask) = (address.to_be(), mask.to_be());
            table += &format!("eth{number}\t{address:08X}\t00000000\t0001\t0\t0\t0\t{mask:08X}\t0\t0\t0\n");
        }
        fs::create_dir_all(root.path().join("proc/net")).expect("a folder");
        fs::write(root.path().join("proc/net/route"), table).expect("written");
        root
    }

    fn remedy(networks: &[&str], pool: Option<&str>) -> Option<String> {
        look(host(networks).path(), pool).map(|finding| finding.remedy)
    }

    #[test]
    fn a_host_that_reaches_the_addresses_of_containers_is_told_with_others() {
        assert_eq!(remedy(&["192.168.1.0/24", "10.1.0.0/16", "172.17.0.0/16"], None), None);
        let found = look(host(&["192.168.1.0/24", "10.0.7.0/24"]).path(), None).expect("a finding");
        assert!(found.what.contains("this host reaches 10.0.7.0/24 by eth2"), "{}", found.what);
        assert!(found.remedy.ends_with("--addr-pool 10.200.0.0/16"), "{}", found.remedy);
        // All of 10.0.0.0/8 is the site's.
        assert!(remedy(&["10.0.0.0/8"], None).expect("a finding").ends_with("--addr-pool 172.30.0.0/16"));
        assert_eq!(remedy(&["10.0.7.0/24"], Some("10.200.0.0/16")), None);
        assert!(remedy(&["10.200.3.0/24"], Some("10.200.0.0/16")).is_some());
        let all = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"];
        assert!(remedy(&all, None).expect("a finding").contains("addresses that nobody here has"));
        // The engine says what is wrong with these.
        assert_eq!(remedy(&["10.0.7.0/24"], Some("nonsense")), None);
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        for text in ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.77/32"] {
            assert_eq!(Network::parse(text).expect("a network").to_string(), text);
        }
        assert_eq!(Network::parse("10.9.8.7/8").expect("a network").to_string(), "10.0.0.0/8");
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "x/8", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
