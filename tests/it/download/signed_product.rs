//! A signed product, and a server that does everything right.

use std::fs;
use std::path::Path;

use crate::support::fault::{Reply, Request, Server, serve};
use crate::support::{expect, file, write_product};

/// A signed product of one file in `src`, its key in `release.pub`, and a server of it.
pub(super) fn published(folder: &Path, content: impl Into<Vec<u8>>) -> Server {
    expect(0, folder, &["keygen", "release", "--no-password"]);
    write_product(&folder.join("src"), "1.0.0", &[file("data", "file", content)]);
    expect(0, folder, &["sign", "src/manifest.json", "--key", "release.key"]);
    serve(honest(folder))
}

/// Sends what is in `src`.
pub(super) fn honest(folder: &Path) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let src = folder.join("src");
    move |request| {
        let name = request.path.split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
        fs::read(src.join(name)).map_or_else(|_| Reply::new(404, ""), |content| Reply::file(request, &content))
    }
}
