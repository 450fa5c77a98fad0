//! A server of a product's files.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Reply, Request, Server, serve};
use crate::support::File;

/// A server that has `files`, and `manifest` under `manifest.json` where there is one; `reply` sends what was asked for.
pub fn serve_files(
    files: &[File],
    manifest: Option<String>,
    reply: impl Fn(&Request, &[u8]) -> Reply + Send + 'static,
) -> Server {
    let mut served: BTreeMap<String, Vec<u8>> =
        files.iter().map(|file| (file.name.to_owned(), file.content.clone())).collect();
    served.extend(manifest.map(|manifest| ("manifest.json".to_owned(), manifest.into_bytes())));
    serve(move |request: &Request| match served.get(request.path.trim_start_matches('/')) {
        Some(content) => reply(request, content),
        None => Reply::new(404, "not here"),
    })
}

/// A reply for [`serve_files`] that is slow enough for a kill to find who asked at work.
pub fn dripping(request: &Request, content: &[u8]) -> Reply {
    Reply::file(request, content).drip(128 << 10, Duration::from_millis(2))
}
