//! What can be chosen at an installation.

use serde::Deserialize;
use serde_json::Value;

use crate::language::tr;

/// A choice, and what it is where nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptionSpec {
    /// What may be chosen.
    #[serde(rename = "type")]
    pub kind: OptionType,
    /// What it is where nothing was chosen.
    pub default: Value,
    /// What it does, in a few words.
    #[serde(default)]
    pub about: String,
    /// For a choice: the words to choose from.
    #[serde(default)]
    pub values: Vec<String>,
    /// For a number: the least.
    #[serde(default)]
    pub min: Option<u64>,
    /// For a number: the most.
    #[serde(default)]
    pub max: Option<u64>,
    /// The switch with which it counts.
    #[serde(default)]
    pub when: Option<String>,
}

/// What may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OptionType {
    /// `true` or `false`.
    Switch,
    /// A TCP port of the host.
    Port,
    /// A whole number.
    Number,
    /// One of some words.
    Choice,
    /// One line of text.
    Text,
}

/// A value as somebody types it.
pub fn typed_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl OptionSpec {
    /// The value that is meant by a text that somebody typed.
    ///
    /// # Errors
    /// It is none of those allowed: what is.
    pub fn typed(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            OptionType::Switch => match text {
                "true" | "yes" | "on" => Some(Value::Bool(true)),
                "false" | "no" | "off" => Some(Value::Bool(false)),
                _ => None,
            },
            OptionType::Port | OptionType::Number => text.parse::<u64>().ok().map(Value::from),
            OptionType::Choice | OptionType::Text => Some(Value::String(text.to_owned())),
        };
        let value = value.ok_or_else(|| self.allowed())?;
        self.check(&value)?;
        Ok(value)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// It is none of those allowed: what is.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match (self.kind, value) {
            (OptionType::Switch, Value::Bool(_)) => true,
            (OptionType::Port, Value::Number(number)) => {
                number.as_u64().is_some_and(|port| (1..=65_535).contains(&port))
            }
            (OptionType::Number, Value::Number(number)) => {
                let within =
                    |number: u64| self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max);
                number.as_u64().is_some_and(within)
            }
            (OptionType::Choice, Value::String(text)) => self.values.contains(text),
            (OptionType::Text, Value::String(text)) => !text.chars().any(char::is_control) && text.len() <= 1_024,
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.allowed()) }
    }

    fn allowed(&self) -> String {
        match self.kind {
            OptionType::Switch => tr!("true or false"),
            OptionType::Port => tr!("a port from 1 to 65535"),
            OptionType::Number => match (self.min, self.max) {
                (Some(min), Some(max)) => tr!("a number from {min} to {max}", min, max),
                (Some(min), None) => tr!("a number from {min} up", min),
                (None, Some(max)) => tr!("a number up to {max}", max),
                (None, None) => tr!("a whole number"),
            },
            OptionType::Choice => tr!("one of {}", self.values.join(", ")),
            OptionType::Text => tr!("one line of text of up to 1,024 bytes"),
        }
    }
}
