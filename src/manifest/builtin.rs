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

/// A file by its path, read where it lies in the repository.
macro_rules! built_in {
    ($($path:literal)*) => { &[$(($path, include_bytes!(concat!("../../", $path)))),*] };
}

/// Every built-in file: those that the manifest names by a relative URL.
static FILES: &[(&str, &[u8])] = built_in! {
    "portable/docker-stack.example.yaml"
    "portable/docker.service"
    "portable/hooks/database.sh"
    "portable/hooks/doctor.sh"
    "portable/hooks/external.sh"
    "portable/hooks/func.sh"
    "portable/hooks/health.sh"
    "portable/hooks/language.sh"
    "portable/hooks/original.sh"
    "portable/hooks/usage.zh_CN.txt"
    "portable/hooks/zh_CN.po"
    "portable/product.yaml"
    "portable/run-portable.sh"
};
