//! Holds modules that could be crates of their own to importing nothing from the rest.

use super::files::files_below;
use super::floors::Source;

/// Each such module, and the modules that it may import.
const SELF_CONTAINED: [(&str, &[&str]); 1] = [("image::deflate", &["error"])];

#[test]
fn self_contained_modules_import_nothing_from_the_rest() {
    for (module, allowed) in SELF_CONTAINED {
        let (mut parts, mut broken) = (0, Vec::new());
        for (path, text) in files_below("src", &["rs"]) {
            let source = Source::new(path, &text);
            parts += usize::from(is_within(&source.module, module));
            broken.extend(imports_from_the_rest(&source, module, allowed));
        }
        assert!(parts > 1, "{module} has {parts} files");
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}

#[test]
fn an_import_from_the_rest_is_found_and_no_other() {
    let imports = |path: &str, text: &str| {
        imports_from_the_rest(&Source::new(path.to_owned(), text), "image::deflate", &["error"])
    };
    for (path, text, found) in [
        ("src/image/deflate/a.rs", "use crate::digest::Digest;", "digest::Digest"),
        ("src/image/deflate/a.rs", "fn f() { super::super::limits::X }", "image::limits::X"),
        ("src/image/deflate/a.rs", "mod tests { use super::super::super::Blob; }", "image::Blob"),
        ("src/image/deflate.rs", "use super::{deflate::a, limits::Limits};", "image::limits::Limits"),
    ] {
        let broken = imports(path, text);
        assert!(broken.len() == 1 && broken[0].contains(found), "{text}: {broken:?}");
    }
    for (path, text) in [
        ("src/image/deflate.rs", "mod a; pub(crate) use a::A; use crate::error::Error; use std::io;"),
        ("src/image/deflate/a.rs", "use super::b::B; pub(super) use crate::image::deflate::b; pub(crate) fn f() {}"),
        ("src/image/gzip.rs", "use super::deflate::A; use crate::digest::Digest;"),
    ] {
        assert_eq!(imports(path, text), Vec::<String>::new(), "{text}");
    }
}

/// What a file of `module` imports from outside it, `allowed` left out.
fn imports_from_the_rest(source: &Source, module: &str, allowed: &[&str]) -> Vec<String> {
    let is_ours = |import: &[String]| {
        // `pub(crate)` names the crate itself, which imports nothing.
        import.is_empty() || is_within(import, module) || allowed.iter().any(|other| is_within(import, other))
    };
    let imports = source.imports.iter().filter(|import| is_within(&source.module, module) && !is_ours(import));
    imports.map(|import| format!("{} imports {}; {module} stands alone", source.path, import.join("::"))).collect()
}

/// Whether a module path is `module` or below it.
fn is_within(path: &[String], module: &str) -> bool {
    let mut path = path.iter();
    module.split("::").all(|part| path.next().is_some_and(|ours| ours == part))
}
