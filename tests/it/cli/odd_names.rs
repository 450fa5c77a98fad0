//! Paths that are not text: every command works with them, and prints what it can of them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::support::{pack, shell, small_product, texts};
use serde_json::Value;

#[test]
fn a_path_that_is_not_utf_8_never_panics() {
    let top = tempfile::tempdir().expect("a temporary folder");
    let odd = |name: &[u8]| PathBuf::from(OsStr::from_bytes(name));
    small_product(top.path());
    let folder = top.path().join(odd(b"pl\xffce"));
    fs::create_dir(&folder).expect("a folder with a name that is not text");
    fs::rename(top.path().join("probe-portable"), folder.join(odd(b"f\xff"))).expect("renamed");
    let (dir, bundle, key) = (odd(b"f\xff"), odd(b"b\xff.run"), odd(b"k\xff"));
    let manifest = dir.join("manifest.json");
    let [dir, bundle, key, manifest] = [&dir, &bundle, &key, &manifest].map(|path| path.as_os_str());
    let w = |word: &'static str| OsStr::new(word);
    let lines: Vec<(i32, Vec<&OsStr>)> = vec![
        (0, vec![w("keygen"), key, w("--no-password")]),
        (0, vec![w("lock"), manifest]),
        (0, vec![w("sign"), manifest, w("--key"), OsStr::from_bytes(b"k\xff.key")]),
        (0, vec![w("verify"), dir]),
        (0, vec![w("verify"), dir, w("--manifest"), manifest]),
        (0, vec![w("download"), manifest, w("--dir"), OsStr::from_bytes(b"d\xff")]),
        (0, vec![w("download"), manifest, w("--list")]),
        (0, vec![w("bundle"), dir, w("-o"), bundle]),
        (0, vec![w("bundle"), w("--manifest"), manifest, OsStr::from_bytes(b"e\xff"), w("-o"), bundle]),
        (0, vec![w("inspect"), bundle]),
        (0, vec![w("diff"), bundle, dir]),
        (0, vec![w("diff"), manifest, bundle]),
        (0, vec![w("verify"), bundle]),
        (0, vec![w("extract"), bundle, OsStr::from_bytes(b"o\xff")]),
        (0, vec![w("load"), bundle]),
        (0, vec![w("load"), dir]),
        (0, vec![w("cat"), bundle, w("noise")]),
        (1, vec![w("verify"), OsStr::from_bytes(b"nobody\xff")]),
        (1, vec![w("lock"), OsStr::from_bytes(b"nobody\xff")]),
        (2, vec![w("bundle"), dir, w("--pubkey"), OsStr::from_bytes(b"nobody\xff")]),
    ];
    for (code, words) in lines {
        for form in [None, Some("--json")] {
            if (form.is_some() && words[0] == "cat") || (form.is_some() && words[0] == "keygen") {
                continue;
            }
            let output = pack(&folder).args(&words).args(form).output().expect("runs");
            let (out, err) = texts(&output);
            assert_eq!(output.status.code(), Some(code), "{words:?} {form:?}\n{out}\n{err}");
            assert!(!err.contains("panicked"), "{err}");
            if form.is_some() && code != 2 {
                serde_json::from_str::<Value>(&out).unwrap_or_else(|why| panic!("{words:?}: {why}: {out}"));
            }
        }
    }
    // The checksum names the file as it is: the stock program finds it.
    shell(&folder, "sha256sum -c *.sha256");
}
