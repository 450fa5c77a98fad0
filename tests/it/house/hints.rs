//! A hint is typed as it stands: it has the real names in it, each as a word of a shell.

use super::files::files_below;

/// Words that stand for a name in a usage line, and for nothing in a hint.
const PLACEHOLDERS: [&str; 16] = [
    "NAME", "MANIFEST", "FILE", "DIR", "FOLDER", "BUNDLE", "HOST", "PATH", "IMAGE", "TAG", "COMMAND", "KEY", "VERSION",
    "ARCH", "PLATFORM", "SOURCE",
];

#[test]
fn every_hint_has_the_real_names() {
    let mut found = 0;
    let mut broken = Vec::new();
    for (path, text) in files_below("src", &["rs"]) {
        for hint in hints(&text) {
            found += 1;
            broken.extend(fault(hint).map(|fault| format!("{path}: {fault}: {hint}")));
        }
    }
    assert!(found > 100, "only {found} hints found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_bad_hint_is_found() {
    let bad = |text: &str| hints(text).iter().filter_map(|hint| fault(hint)).count();
    assert_eq!(bad(r#"error.hint("check it with: pack verify DIR")"#), 1);
    assert_eq!(bad(r#"error.hint(format_args!("sh FILE.run ({a})"))"#), 1);
    assert_eq!(bad(r#"error.hint_where_none(format_args!("pack verify x.run"))"#), 1);
    assert_eq!(bad(r#"error.hint(format_args!("pack verify {}", path.display()))"#), 1);
    assert_eq!(bad(r#"error.hint("pin it: pack lock --update")"#), 1);
    assert_eq!(bad(r#"error.hint("rm a && pack lock; then again")"#), 1);
    assert_eq!(bad(r#"error.hint(format_args!("pin it: pack lock --update {}", shell_word(path)))"#), 0);
    assert_eq!(bad(r#"error.hint(format_args!("pack verify {}", shell_word(path))).fact("DIR", path.display())"#), 0);
}

/// Whether a hint has a `pack lock` without a manifest: that of the folder one is in need not be the one.
fn locks_nothing(hint: &str) -> bool {
    let texts = hint.split('"').skip(1).step_by(2);
    texts.flat_map(|text| text.split("pack lock").skip(1)).any(|after| {
        let own = after.split(['\'', ';', '&']).next().unwrap_or_default();
        !own.split_whitespace().any(|word| !word.starts_with("--"))
    })
}

/// What stands between the brackets of each hint.
fn hints(text: &str) -> Vec<&str> {
    let starts = ["hint(", "hint_where_none("].into_iter().flat_map(|call| {
        text.match_indices(&format!(".{call}")).map(|(at, found)| at + found.len()).collect::<Vec<_>>()
    });
    starts.map(|start| &text[start..start + inside(&text[start..])]).collect()
}

/// The length of what comes before the bracket that closes.
fn inside(text: &str) -> usize {
    let (mut open, mut quoted, mut escaped) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => open += 1,
            ')' if !quoted => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at;
        }
    }
    text.len()
}

/// What is wrong with a hint, if anything.
fn fault(hint: &str) -> Option<String> {
    let texts = hint.split('"').skip(1).step_by(2);
    let mut words =
        texts.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '{' | '}')));
    let placeholder = words.find(|word| PLACEHOLDERS.contains(word));
    match placeholder {
        None if locks_nothing(hint) => Some("'pack lock' of which manifest?".to_owned()),
        Some(word) => Some(format!("{word} is no name")),
        None if hint.contains("x.run") => Some("x.run is no name".to_owned()),
        None if hint.contains(".display()") => Some("a path is not a word of a shell".to_owned()),
        None => None,
    }
}
