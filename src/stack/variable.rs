//! `${NAME}` and `${NAME:-default}` in the texts of a stack file.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::language::tr;

/// What stands in a text for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variable<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// What counts where it has no value.
    pub(super) default: Option<&'a str>,
}

/// A piece of a text.
pub(super) enum Piece<'a> {
    Plain(&'a str),
    /// `$$`
    Dollar,
    Variable(Variable<'a>),
}

/// Takes a text apart. A default has no variable in it.
///
/// # Errors
/// A `$` in it is none of those that are known.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        pieces.push(Piece::Plain(&rest[..at]));
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            pieces.push(Piece::Dollar);
            rest = after;
            continue;
        }
        let inner = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let found = inner.map(|(inner, after)| (Variable::of(inner), after));
        let (variable, after) = found
            .filter(|(variable, _)| !variable.default.is_some_and(|default| default.contains('$')))
            .ok_or_else(|| tr!("a '$' that is not '$$' or '${{NAME}}': {text}", text))?;
        pieces.push(Piece::Variable(variable));
        rest = after;
    }
    pieces.push(Piece::Plain(rest));
    Ok(pieces)
}

impl<'a> Variable<'a> {
    /// What stands between the braces.
    pub(super) fn of(inner: &'a str) -> Self {
        match inner.split_once(":-") {
            Some((name, default)) => Variable { name, default: Some(default) },
            None => Variable { name: inner, default: None },
        }
    }
}

/// The text with the default of each variable; `None` where one has none, or a `$` is left.
pub fn with_defaults(text: &str) -> Option<String> {
    let pieces = pieces(text).ok()?;
    let text = pieces.into_iter().map(|piece| match piece {
        Piece::Plain(text) => Some(text),
        Piece::Dollar => None,
        Piece::Variable(variable) => variable.default,
    });
    text.collect()
}

/// The variables in all texts of a stack file but the names of its images, by name, with the first default that is there. What
/// is no variable that is known is left to [`super::Rendering::render`].
pub fn variables(document: &Value) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    collect(document, &mut found);
    let services = document.get("services").and_then(Value::as_object);
    for image in services.into_iter().flatten().filter_map(|(_, service)| service.get("image")?.as_str()) {
        for piece in pieces(image).unwrap_or_default() {
            if let Piece::Variable(variable) = piece {
                found.remove(variable.name);
            }
        }
    }
    found
}

fn collect(value: &Value, found: &mut BTreeMap<String, Option<String>>) {
    match value {
        Value::String(text) => {
            for piece in pieces(text).unwrap_or_default() {
                if let Piece::Variable(Variable { name, default }) = piece {
                    let known = found.entry(name.to_owned()).or_default();
                    if known.is_none() {
                        *known = default.map(str::to_owned);
                    }
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => map.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_default_stands_for_its_variable() {
        let whole = |text| with_defaults(text);
        assert_eq!(whole("redis:${TAG:-6.2}-${OS:-alpine}").as_deref(), Some("redis:6.2-alpine"));
        assert_eq!(whole("redis:6").as_deref(), Some("redis:6"));
        assert_eq!(whole("x${A:-}").as_deref(), Some("x"));
        for bad in ["${TAG}", "$TAG", "a$$b", "${A:-${B:-c}}", "${A", "${A:?no}"] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_variables_are_those_outside_of_images() {
        let document = json!({
            "services": { "a": { "image": "x:${TAG:-1}", "environment": { "T": "${TAG:-1}", "L": "${LEVEL}" } } },
            "x-more": ["${LEVEL:-info}", "$$NONE", "$none"],
        });
        assert_eq!(variables(&document), BTreeMap::from([("LEVEL".to_owned(), Some("info".to_owned()))]));
    }
}
