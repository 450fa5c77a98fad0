//! Images from registries: what `pack lock` resolves, what its archive is, and what it does where a registry fails.

mod access;
mod archive;
mod chain;
mod check;
mod cosign;
mod logins;
mod real;
mod resume;
mod soak;

use std::path::Path;

use crate::support::registry::pack_without_logins;
use crate::support::texts;

/// Runs `pack` without anybody's logins, expects this exit code, and gives all that it said.
fn said(code: i32, folder: &Path, words: &[&str]) -> String {
    let output = pack_without_logins(folder, words).output().expect("pack runs");
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "pack {words:?}\n{out}\n{err}");
    out + &err
}
