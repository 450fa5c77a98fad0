//! The program that a bundle carries: what is linked into it, and what it can be asked.

use std::fs;
use std::process::Command;

use crate::support::{PACK, PACK_SITE};

/// Crates of the network. The paths of their sources stand in every program that has code of theirs.
const OF_THE_NETWORK: [&str; 6] = ["reqwest-0", "tokio-1", "rustls-0", "aws-lc-", "hickory-", "hyper-1"];

#[test]
fn nothing_of_the_network_is_linked_into_the_runtime() {
    let linked = |program: &str| -> Vec<&str> {
        let bytes = fs::read(program).expect("readable");
        let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        OF_THE_NETWORK.into_iter().filter(|crate_name| has(crate_name)).collect()
    };
    assert_eq!(linked(PACK_SITE), [""; 0]);
    assert!(linked(PACK).len() >= 3, "the words to look for are outdated: {:?}", linked(PACK));
}

#[test]
fn the_runtime_has_the_commands_that_read_a_bundle_and_no_others() {
    let code = |verb: &str| Command::new(PACK_SITE).args([verb, "--help"]).output().expect("started").status.code();
    for verb in ["verify", "inspect", "extract", "cat", "load"] {
        assert_eq!(code(verb), Some(0), "{verb}");
    }
    for verb in ["init", "add", "download", "lock", "bundle", "keygen", "sign"] {
        assert_eq!(code(verb), Some(2), "{verb}");
    }
}
