//! The manifest that is built into this binary, and the product's own files that it names.

/// Where the built-in manifest's relative URLs resolve to. No other manifest may name this scheme.
pub const BASE: &str = "builtin:///manifest.json";

/// The text of the built-in manifest: the repository's `manifest.json`.
pub fn text() -> &'static str {
    include_str!("../../manifest.json")
}

/// A built-in file by its path below the repository, such as `portable/run-portable.sh`.
pub fn file(path: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, bytes)| *bytes)
}

/// Every built-in file.
static FILES: [(&str, &[u8]); 3] = [
    ("portable/docker.service", include_bytes!("../../portable/docker.service")),
    ("portable/docker-stack.example.yaml", include_bytes!("../../portable/docker-stack.example.yaml")),
    ("portable/run-portable.sh", include_bytes!("../../portable/run-portable.sh")),
];
