//! What a text is instead of a manifest, and a value instead of what a key asks for, where that can be recognised.

/// What `text` is instead of a JSON object, and what to do.
pub(super) fn instead_of_object(text: &str) -> Option<(String, &'static str)> {
    if text.starts_with('\u{feff}') {
        let hint = "save the file as UTF-8 without a byte order mark; if it is signed, sign it again";
        return Some(("it begins with a byte order mark (BOM), which JSON does not allow".to_owned(), hint));
    }
    let text = text.trim_start();
    let (reason, hint) = match text.chars().next() {
        Some('{') => return None,
        None => ("it is empty".to_owned(), "check that it was copied or published whole"),
        Some('<') => (
            "it is a web page or XML, not JSON".to_owned(),
            "check the URL in a browser: a login or an error page may be in the place of the manifest",
        ),
        Some('[') => (
            "it is a list, and a manifest is an object: it begins with {".to_owned(),
            "take the manifest out of the list, or check that this is the right file",
        ),
        Some(_) => (
            format!("it is text, and a manifest is JSON that begins with {{{}", beginning(text)),
            "it may be what a server says instead of the manifest: check the URL with 'curl', or the file with 'head'",
        ),
    };
    Some((reason, hint))
}

/// The first line of `text`, where it is a short sentence: one word may be a token, and a URL have a password.
fn beginning(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end();
    let is_sentence = line.len() <= 80 && line.contains(' ') && !line.contains("://");
    if is_sentence { format!("; this begins with: {line}") } else { String::new() }
}

/// What is a value of JSON, in words; `json` is its text. Only a number is quoted: a text may be a secret.
pub(super) fn kind_of(json: &str) -> String {
    match json.as_bytes().first() {
        Some(b'"') => "a text".to_owned(),
        Some(b'[') => "a list".to_owned(),
        Some(b'{') => "an object".to_owned(),
        Some(b'-' | b'0'..=b'9') => format!("the number {}", json.chars().take(40).collect::<String>()),
        _ => json.chars().take(5).collect(), // true, false or null
    }
}
