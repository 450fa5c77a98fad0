//! The reader's language: English as it stands in the sources, or Chinese from `translations/zh_CN.po`.
//!
//! A text that people read stands in a `tr!` where it arises; [`speak`], called once by a program, decides what becomes of
//! it. The catalogue is in gettext's PO format, and `build.rs` compiles it in. Documents for programs (`--json`) are English
//! always.

mod key;

use std::env;
use std::sync::atomic::{AtomicBool, Ordering};

use key::key;

/// A language that every text exists in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// As it stands in the sources.
    English,
    /// Simplified Chinese.
    Chinese,
}

/// The translations of a language.
struct Catalogue {
    /// The key of each English text, sorted.
    keys: &'static [u32],
    /// Where its translation ends in `text`: the next one begins there.
    ends: &'static [u32],
    /// All of them, one after the other.
    text: &'static str,
}

static CHINESE: Catalogue = include!(concat!(env!("OUT_DIR"), "/zh_CN.rs"));

impl Catalogue {
    fn find(&self, english: &str) -> Option<&'static str> {
        let place = self.keys.binary_search(&key(english)).ok()?;
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[begin as usize..self.ends[place] as usize])
    }
}

impl Language {
    /// The language of a locale's name, such as `zh_CN.UTF-8`, `zh` or `C`. What there is no catalogue for is English.
    pub fn of_locale(name: &str) -> Self {
        let language = name.split(['_', '-', '.', '@']).next().unwrap_or_default();
        if language.eq_ignore_ascii_case("zh") { Language::Chinese } else { Language::English }
    }

    /// The language that the environment asks for: the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is not empty (POSIX,
    /// Base Definitions, 8.2); before them `PACK_LANG`, by which a script hands on what its reader asked for.
    pub fn of_environment() -> Self {
        let named = ["PACK_LANG", "LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|name| {
            let value = env::var(name).ok()?;
            (!value.is_empty()).then_some(value)
        });
        named.map_or(Language::English, |name| Self::of_locale(&name))
    }

    /// As RFC 5646 writes it: `en` or `zh`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Chinese => "zh",
        }
    }
}

/// Whether this process speaks Chinese.
static IS_CHINESE: AtomicBool = AtomicBool::new(false);

/// Makes this process speak `language`, from now on.
pub fn speak(language: Language) {
    IS_CHINESE.store(language == Language::Chinese, Ordering::Relaxed);
}

/// The language that this process speaks.
pub fn spoken() -> Language {
    if IS_CHINESE.load(Ordering::Relaxed) { Language::Chinese } else { Language::English }
}

/// A text in the language that this process speaks: itself where the catalogue does not have it.
pub fn translated(text: &str) -> &str {
    match spoken() {
        Language::English => text,
        Language::Chinese => in_chinese(text).unwrap_or(text),
    }
}

/// The translation of a text, if the catalogue has one.
pub(crate) fn in_chinese(text: &str) -> Option<&'static str> {
    CHINESE.find(text)
}

/// A text that people read, in the language that this process speaks, as a `String`: `tr!("{} of {name}", count, name)`.
///
/// Like `tr::tr!`, which looks a translator up by the crate's name in a map under a lock, a kilobyte of code at each text; with
/// one catalogue there is nothing to look up.
macro_rules! tr {
    ($text:literal $(, $($argument:tt)+)?) => {
        ::tr::runtime_format!($crate::language::translated($text) $(, $($argument)+)?)
    };
}
pub(crate) use tr;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_language() {
        for name in ["zh", "zh_CN.UTF-8", "zh-Hans-CN", "ZH_TW.Big5", "zh.UTF-8@x"] {
            assert_eq!(Language::of_locale(name), Language::Chinese, "{name}");
        }
        for name in ["", "C", "POSIX", "en_US.UTF-8", "de", "zhuang", "C.UTF-8"] {
            assert_eq!(Language::of_locale(name), Language::English, "{name}");
        }
    }

    #[test]
    fn every_translation_is_found() {
        assert!(CHINESE.keys.is_sorted() && CHINESE.keys.len() == CHINESE.ends.len());
        let catalogues = ["zh_CN.po", "help.zh_CN.po"].map(|name| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("translations").join(name);
            polib::po_file::parse(&path).expect("a catalogue")
        });
        let mut found = 0;
        for message in catalogues.iter().flat_map(|catalogue| catalogue.messages()) {
            let plural = message.msgstr_plural().ok().and_then(|forms| forms.first().map(String::as_str));
            let translation = plural.or(message.msgstr().ok());
            assert_eq!(CHINESE.find(message.msgid()), translation);
            found += 1;
        }
        assert_eq!(found, CHINESE.keys.len());
        assert_eq!(CHINESE.find("a text that nobody says"), None);
    }
}
