//! What DataFlux Func's scripts say has its Chinese in `portable/hooks/zh_CN.po`, with as many values; nothing else is there.

use std::collections::BTreeMap;

use super::files::files_below;
use crate::support::top;

/// What stands before a text: calls of `t`, which looks it up, and of `stop` and `misuse`, which do so too.
const CALLS: [&str; 5] = ["$(t ", "; t ", "{ t ", "stop ", "misuse "];

#[test]
fn every_text_of_a_hook_has_its_translation_and_no_other_is_there() {
    let scripts = files_below("portable", &["sh"]);
    let texts: BTreeMap<String, String> = scripts
        .iter()
        .flat_map(|(path, script)| said(script).into_iter().map(move |text| (text, path.clone())))
        .collect();
    assert!(texts.len() > 50, "{texts:#?}");
    let catalogue = polib::po_file::parse(&top().join("portable/hooks/zh_CN.po")).expect("the catalogue is one");
    let translations: BTreeMap<&str, &str> =
        catalogue.messages().map(|message| (message.msgid(), message.msgstr().expect("no plural"))).collect();
    let missing: Vec<_> = texts.iter().filter(|(text, _)| !translations.contains_key(text.as_str())).collect();
    let left_over: Vec<_> = translations.keys().filter(|text| !texts.contains_key(**text)).collect();
    let other: Vec<_> = translations.iter().filter(|(text, chinese)| values(text) != values(chinese)).collect();
    assert!(missing.is_empty(), "portable/hooks/zh_CN.po lacks: {missing:#?}");
    assert!(left_over.is_empty(), "no script says: {left_over:#?}");
    assert!(other.is_empty(), "other values: {other:#?}");
}

#[test]
fn a_text_is_found_wherever_it_is_said() {
    let script = "die \"$(t 'a %s' \"$x\")\" \"$(t \"b's\")\"\n    stop 'c' \"$y\"\n{ t 'd'; echo; }\nstart 'no text'\n$(t error)\n";
    assert_eq!(said(script), ["a %s", "b's", "error", "d", "c"]);
    assert_eq!(values("%s of %%s %s"), 2);
}

/// The texts of a script, by the calls.
fn said(script: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for call in CALLS {
        for (place, _) in script.match_indices(call) {
            let before = script[..place].chars().next_back();
            let rest = &script[place + call.len()..];
            let end = match rest.chars().next() {
                Some(quote @ ('\'' | '"')) => rest[1..].find(quote).map(|end| 1..end + 1),
                _ if call == "$(t " => rest.find(')').map(|end| 0..end),
                _ => None,
            };
            // `stop` is a word of its own, and `"$@"` is whatever it was called with.
            let is_call = !call.starts_with(char::is_alphabetic) || before.is_none_or(|before| before.is_whitespace());
            texts.extend(end.filter(|_| is_call).map(|end| rest[end].to_owned()).filter(|text| text != "$@"));
        }
    }
    texts
}

/// How many values `printf` puts into a text.
fn values(text: &str) -> usize {
    text.replace("%%", "").matches("%s").count()
}
