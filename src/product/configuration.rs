//! The product's own configuration file: flat YAML, of which `pack` knows some keys.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::option::{OptionSpec, OptionType};
use crate::language::tr;
use crate::path::RelPath;

/// A configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigurationSpec {
    /// Where it lies below the install dir.
    pub file: RelPath,
    /// What is known of its keys.
    #[serde(default)]
    pub keys: BTreeMap<String, KeySpec>,
}

/// What is known of a key: what it may be, or that it is made at random.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySpec {
    /// 192 random bits, made once; never shown.
    #[serde(default)]
    pub random: bool,
    /// What may be chosen; see [`OptionSpec`] for this and the following keys.
    #[serde(rename = "type")]
    kind: Option<OptionType>,
    #[serde(default)]
    default: Value,
    #[serde(default)]
    about: String,
    #[serde(default)]
    values: Vec<String>,
    min: Option<u64>,
    max: Option<u64>,
    /// The switch with which it is written at the first installation.
    pub when: Option<String>,
}

impl KeySpec {
    /// What may be chosen; nothing for a random one.
    pub fn option(&self) -> Option<OptionSpec> {
        let KeySpec { default, about, values, min, max, when, .. } = self.clone();
        self.kind.filter(|_| !self.random).map(|kind| OptionSpec { kind, default, about, values, min, max, when })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match (self.random, self.option()) {
            (true, _) if self.kind.is_some() => Err(tr!("is random, and has a type")),
            (true, _) => Ok(()),
            // Without a default it is known, and the product's own holds until somebody sets it.
            (false, Some(option)) if option.default.is_null() => Ok(()),
            (false, Some(option)) => {
                option.check(&option.default).map_err(|allowed| tr!("has a default that is not {allowed}", allowed))
            }
            (false, None) => Err(tr!("has no type, and is not random")),
        }
    }
}

impl ConfigurationSpec {
    /// What the file has after the first installation: each known key with a value that the options ask for, `None` where a
    /// random one is to be made.
    pub fn first(&self, options: &BTreeMap<String, Value>) -> Vec<(String, Option<Value>)> {
        let wanted = self.keys.iter().filter(|(_, key)| super::is_on(key.when.as_deref(), options));
        let valued = wanted.map(|(name, key)| (name.clone(), key.option().map(|option| option.default)));
        valued.filter(|(_, value)| value.as_ref().is_none_or(|value| !value.is_null())).collect()
    }

    /// Whether a value of the key is not for everybody's eyes.
    pub fn is_secret(&self, name: &str) -> bool {
        let words = ["PASSWORD", "SECRET", "TOKEN"];
        let named = words.iter().any(|word| name.to_uppercase().ends_with(word));
        named || self.keys.get(name).is_some_and(|key| key.random)
    }
}
