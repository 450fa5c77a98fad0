//! Every text of the translated rooms has its Chinese in `translations/zh_CN.po`, with the same placeholders, and nothing
//! else is in there.

use std::collections::{BTreeMap, BTreeSet};

use super::files::files_below;
use crate::support::top;
use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};

/// Where every text is in a `tr!`: rooms and files.
const TRANSLATED: [&str; 23] = [
    "src/bundle/beside.rs",
    "src/bundle/volumes.rs",
    "src/cli/launch.rs",
    "src/cli/site",
    "src/cli/trust.rs",
    "src/cli/volumes.rs",
    "src/error.rs",
    "src/product",
    "src/release/wrong.rs",
    "src/room.rs",
    "src/signature",
    "src/site",
    "src/stack",
    "src/task/locate.rs",
    "src/task/run_on_site.rs",
    "src/task/signed.rs",
    "src/task/site",
    "src/task/trust.rs",
    "src/task/trusted_manifest.rs",
    "src/task/upgrade.rs",
    "src/task/verify",
    "src/task/whole_bundle.rs",
    "src/yaml",
];
/// Calls that show their first argument to people.
const SHOWN: [&str; 8] = ["failed", "usage", "integrity", "hint", "hint_where_none", "note", "text", "bail"];
/// Calls whose first argument is looked up where it is shown.
const LOOKED_UP: [&str; 4] = ["fact", "doing", "io", "translated"];

#[test]
fn every_text_has_its_translation_and_no_other_is_there() {
    let mut texts = Texts::default();
    for (path, text) in files_below("src", &["rs"]) {
        texts.take(&path, &text);
    }
    let catalogue = catalogue();
    let missing: Vec<_> = texts.all.keys().filter(|text| !catalogue.contains_key(*text)).collect();
    let left_over: Vec<_> = catalogue.keys().filter(|text| !texts.all.contains_key(*text)).collect();
    assert!(missing.is_empty(), "translations/zh_CN.po lacks {}:\n{}", missing.len(), as_po(&missing));
    assert!(left_over.is_empty(), "no source has: {left_over:#?}");
    assert!(texts.bare.is_empty(), "in no tr!: {:#?}", texts.bare);
    assert_eq!(texts.library, ["src/language.rs"], "the library's own tr! knows no catalogue: crate::language::tr");
    let other: Vec<_> = catalogue
        .iter()
        .filter(|(text, translation)| {
            // Chinese has no plural: its one form follows the many.
            let wanted = texts.all[*text].as_deref().unwrap_or(text);
            placeholders(wanted) != placeholders(translation)
        })
        .collect();
    assert!(other.is_empty(), "other placeholders: {other:#?}");
}

#[test]
fn a_bad_text_is_found() {
    let texts = |path: &str, text: &str| {
        let mut texts = Texts::default();
        texts.take(path, text);
        texts
    };
    let found = texts(
        "src/error.rs",
        r#"fn f() { tr!("a {} \
        b", x); tr!("one" | "{n} many" % n); e.fact("path", p); Error::failed("bare"); m.hint(format_args!("bare {x}")); }"#,
    );
    assert_eq!(found.all.keys().map(String::as_str).collect::<Vec<_>>(), ["a {} b", "one", "path"]);
    assert_eq!(found.all["one"].as_deref(), Some("{n} many"));
    assert_eq!(found.bare.len(), 2, "{:?}", found.bare);
    assert!(texts("src/digest.rs", r#"fn f() { Error::failed("not translated yet") }"#).bare.is_empty());
    assert_eq!(texts("src/a.rs", "use tr::tr; fn f(a: &str) { str::tr(a) }").library, ["src/a.rs"]);
    assert!(
        texts("src/a.rs", "use crate::language::tr; fn f(a: &str) { a.lines().map(str::trim) }").library.is_empty()
    );
    assert_eq!(placeholders("a {} {x} {}"), ["{x}", "{}", "{}"]);
}

/// What the sources say: each text, with its plural where it has one; and what is shown as it stands.
#[derive(Default)]
struct Texts {
    all: BTreeMap<String, Option<String>>,
    bare: Vec<String>,
    /// The files that name the library `tr`.
    library: Vec<String>,
}

impl Texts {
    fn take(&mut self, path: &str, text: &str) {
        let tokens: TokenStream = text.parse().unwrap_or_else(|why| panic!("{path} is no Rust: {why}"));
        self.scan(path, tokens);
    }

    fn scan(&mut self, path: &str, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (place, token) in tokens.iter().enumerate() {
            if let [TokenTree::Ident(name), TokenTree::Punct(one), TokenTree::Punct(two), ..] = &tokens[place..]
                && name == "tr"
                && (one.as_char(), two.as_char()) == (':', ':')
                && !self.library.iter().any(|known| known == path)
            {
                self.library.push(path.to_owned());
            }
            let TokenTree::Group(group) = token else { continue };
            let inside: Vec<TokenTree> = group.stream().into_iter().collect();
            match &tokens[..place] {
                [.., TokenTree::Ident(name), TokenTree::Punct(mark)] if name == "tr" && mark.as_char() == '!' => {
                    let one = literal(inside.first()).unwrap_or_else(|| panic!("{path}: tr! begins with a text"));
                    let is_plural = matches!(inside.get(1), Some(TokenTree::Punct(mark)) if mark.as_char() == '|');
                    self.all.insert(one, is_plural.then(|| literal(inside.get(2)).expect("the plural's text")));
                }
                [.., TokenTree::Ident(keyword), TokenTree::Ident(_)] if keyword == "fn" => {}
                [.., TokenTree::Ident(name)] if LOOKED_UP.iter().any(|call| name == call) => {
                    self.all.extend(literal(inside.first()).map(|text| (text, None)));
                }
                [.., TokenTree::Ident(name)]
                    if group.delimiter() == Delimiter::Parenthesis
                        && SHOWN.iter().any(|call| name == call)
                        && is_translated(path) =>
                {
                    let is_bare = match inside.first() {
                        Some(TokenTree::Literal(_)) => true,
                        Some(TokenTree::Ident(word)) => word == "format_args" || word == "format",
                        _ => false,
                    };
                    self.bare.extend(is_bare.then(|| format!("{path}: {name}{group}")));
                }
                _ => {}
            }
            // Tests show nothing to anybody.
            if !matches!(&tokens[..place], [.., TokenTree::Ident(keyword), TokenTree::Ident(name)] if keyword == "mod" && name == "tests")
            {
                self.scan(path, group.stream());
            }
        }
    }
}

fn is_translated(path: &str) -> bool {
    TRANSLATED.iter().any(|room| path.starts_with(room))
}

/// The content of a string literal.
fn literal(token: Option<&TokenTree>) -> Option<String> {
    let Some(TokenTree::Literal(literal)) = token else { return None };
    unescaped(literal)
}

fn unescaped(literal: &Literal) -> Option<String> {
    let source = literal.to_string();
    let mut rest = source.strip_prefix('"')?.strip_suffix('"')?.chars().peekable();
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some('\n')) => while rest.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', Some('n')) => {
                rest.next();
                text.push('\n');
            }
            ('\\', _) => text.extend(rest.next()),
            (c, _) => text.push(c),
        }
    }
    Some(text)
}

/// `{…}` in a text, sorted; `{{` and `}}` are none.
fn placeholders(text: &str) -> Vec<String> {
    let text = text.replace("{{", "").replace("}}", "");
    let mut found: Vec<String> = text
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| format!("{{{name}}}")))
        .collect();
    // `{0}` where another order is wanted is the first `{}`.
    let numbered: BTreeSet<&String> =
        found.iter().filter(|name| name[1..name.len() - 1].parse::<usize>().is_ok()).collect();
    if !numbered.is_empty() {
        let count = numbered.len();
        found.retain(|name| name[1..name.len() - 1].parse::<usize>().is_err());
        found.extend(std::iter::repeat_n("{}".to_owned(), count));
    }
    found.sort();
    found
}

/// English texts and their translations, as translators' tools read them.
fn catalogue() -> BTreeMap<String, String> {
    let catalogue = polib::po_file::parse(&top().join("translations/zh_CN.po")).expect("the catalogue is one");
    let rows = catalogue.messages().map(|message| {
        assert!(message.is_translated() && !message.is_fuzzy(), "not translated: {}", message.msgid());
        let translation = match message.msgstr_plural() {
            Ok(forms) => forms[0].clone(),
            Err(_) => message.msgstr().expect("a singular").to_owned(),
        };
        (message.msgid().to_owned(), translation)
    });
    rows.collect()
}

/// What is to be written into the catalogue.
fn as_po(texts: &[&String]) -> String {
    texts.iter().map(|text| format!("msgid {text:?}\nmsgstr \"\"\n\n")).collect()
}
