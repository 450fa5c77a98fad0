//! What a scalar is: YAML 1.1's types (yaml.org/type), as far as Docker's tools know them.

use saphyr_parser::ScalarStyle;
use serde_json::{Number, Value};

/// The value of a scalar. What is in quotes or has a tag is text.
pub(super) fn resolve(text: &str, style: ScalarStyle, is_tagged: bool) -> Value {
    if style != ScalarStyle::Plain || is_tagged {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    let number = integer(text).or_else(|| float(text));
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn integer(text: &str) -> Option<Number> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, radix) = if let Some(rest) = digits.strip_prefix("0x") {
        (rest, 16)
    } else if let Some(rest) = digits.strip_prefix("0o") {
        (rest, 8)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (&digits[1..], 8)
    } else {
        (digits, 10)
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).ok()?;
    if is_negative { 0_i64.checked_sub_unsigned(number).map(Number::from) } else { Some(Number::from(number)) }
}

fn float(text: &str) -> Option<Number> {
    // Rust reads words such as 'inf' too.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let begins = text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !is_number || !begins || !text.contains(['.', 'e', 'E']) {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_are_what_docker_takes_them_for() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("on", json!(true)),
            ("No", json!(false)),
            ("y", json!("y")),
            ("0440", json!(288)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("0", json!(0)),
            ("09", json!("09")),
            ("1_0", json!("1_0")),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("1.2.3", json!("1.2.3")),
            ("22:22", json!("22:22")),
            ("18446744073709551616", json!("18446744073709551616")),
            ("-", json!("-")),
            ("inf", json!("inf")),
            ("é", json!("é")),
        ] {
            assert_eq!(resolve(text, ScalarStyle::Plain, false), value, "{text}");
        }
        assert_eq!(resolve("0440", ScalarStyle::SingleQuoted, false), json!("0440"));
        assert_eq!(resolve("1", ScalarStyle::Plain, true), json!("1"));
    }
}
