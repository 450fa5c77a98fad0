//! `pack download` as a process, alone with an environment of its own.

use std::fs;
use std::process::{Command, Output};

use super::fault::product::Product;
use super::fault::{Reply, Server, serve};
use super::noise;

/// How many bytes the file of [`file_server`] has.
pub const SIZE: usize = 300_000;
/// What `me` with the password `s3cret` sends.
pub const USER: &str = "Basic bWU6czNjcmV0";

/// Serves one file under every name.
pub fn file_server() -> Server {
    serve(|request| Reply::file(request, &noise(1, SIZE)))
}

/// Runs `pack download` on a manifest of one artifact at `url`, with nothing in its environment but `variables`.
pub fn command(product: &Product, url: &str, variables: &[(&str, &str)]) -> Output {
    command_with(product, url, variables, &[])
}

/// As [`command`], with more options.
pub fn command_with(product: &Product, url: &str, variables: &[(&str, &str)], options: &[&str]) -> Output {
    let folder = product.scratch.path();
    let manifest = folder.join("manifest.json");
    fs::write(&manifest, product.text().replace("URL", url)).expect("written");
    let output = Command::new(super::PACK)
        .args(["download", "--no-cache", "--retries", "1", "--dir"])
        .arg(folder.join("folder"))
        .args(options)
        .arg(&manifest)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(variables.iter().copied())
        .output()
        .expect("pack runs");
    product.assert_nothing_wrong_has_a_name();
    output
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
