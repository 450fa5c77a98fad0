//! The next command to type, with the real names in it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::manifest::{FILE_NAME, Manifest};
use crate::release::Folder;

/// A path as a word of a shell command.
pub fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '=' | ':' | '@' | '%' | ',');
    if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('-') {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The command that fetches what a folder lacks, from where the folder came from.
pub fn download_again(folder: &Folder) -> String {
    let dir = word(folder.root());
    match folder.origin() {
        Some(url) => format!("pack download --dir {dir} {}", word(Path::new(&url))),
        None if folder.root().join(FILE_NAME).is_file() => {
            format!("pack download --dir {dir} {}", word(&folder.root().join(FILE_NAME)))
        }
        None => format!("pack download --dir {dir}"),
    }
}

/// The command that compares a bundle with the checksum made beside it.
pub fn compare_bundle(path: &Path) -> String {
    let name = path.file_name().map_or_else(|| path.to_owned(), Into::into);
    let mut sums = name.into_os_string();
    sums.push(".sha256");
    format!("copy it again from where it was made, and compare there and here: sha256sum -c {}", word(Path::new(&sums)))
}

/// The manifest of a folder that a download made.
///
/// # Errors
/// There is none, or a download did not get that far: the error says how to go on.
pub fn manifest_of(folder: &Folder) -> Result<Manifest> {
    if let Some(manifest) = folder.manifest()? {
        return Ok(manifest);
    }
    if folder.is_begun() {
        return Err(Error::failed("the download into this folder is not complete")
            .fact("path", folder.root().display())
            .fact("missing", FILE_NAME)
            .hint(format_args!("run it again, what is there is not fetched twice: {}", download_again(folder))));
    }
    folder.expect_manifest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_split_or_run_it() {
        for (path, shown) in [
            ("a/b-c.run", "a/b-c.run"),
            ("数据", "数据"),
            ("a b", "'a b'"),
            ("a'$(x)", r"'a'\''$(x)'"),
            ("-x", "'-x'"),
            ("", "''"),
        ] {
            assert_eq!(word(Path::new(path)), shown);
        }
    }
}
