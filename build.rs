//! Compiles the catalogues of Chinese texts in: `translations/*.po` become one text, where each translation ends in it, and by
//! which key it is found.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

#[path = "src/language/key.rs"]
mod key;

fn main() {
    println!("cargo:rerun-if-changed=src/language/key.rs");
    let catalogues = ["translations/zh_CN.po", "translations/help.zh_CN.po"].map(|path| {
        println!("cargo:rerun-if-changed={path}");
        polib::po_file::parse(Path::new(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
    });
    let mut table = BTreeMap::new();
    for message in catalogues.iter().flat_map(|catalogue| catalogue.messages()) {
        if !message.is_translated() || message.is_fuzzy() {
            continue;
        }
        // Chinese has one form for every number.
        let translation = match message.msgstr_plural() {
            Ok(forms) => forms.first().expect("a plural has a form").as_str(),
            Err(_) => message.msgstr().expect("what is no plural is a singular"),
        };
        let other = table.insert(key::key(message.msgid()), (message.msgid(), translation));
        assert!(other.is_none(), "twice, or two texts with one key: {:?} and {other:?}", message.msgid());
    }
    let keys: Vec<u32> = table.keys().copied().collect();
    let translations: Vec<&str> = table.values().map(|(_, translation)| *translation).collect();
    let ends: Vec<u32> = translations
        .iter()
        .scan(0, |end, text| {
            *end += u32::try_from(text.len()).expect("a short text");
            Some(*end)
        })
        .collect();
    let text = translations.concat();
    let out = Path::new(&env::var_os("OUT_DIR").expect("cargo names it")).join("zh_CN.rs");
    fs::write(out, format!("Catalogue {{ keys: &{keys:?}, ends: &{ends:?}, text: {text:?} }}")).expect("written");
}
