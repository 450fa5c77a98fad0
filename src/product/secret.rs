//! A secret: made at random, or a key of the configuration.

use serde::Deserialize;

/// What is kept in a file of its own, for containers to read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct SecretSpec {
    /// Its file is the install dir's `secrets/NAME`.
    pub name: String,
    /// The configuration's key whose value it is; without one it is made at random, once.
    pub key: Option<String>,
    /// Nothing depends on it: where it is missing a new one is made.
    pub replaceable: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Random(String),
    Described(Described),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    name: String,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    replaceable: bool,
}

impl From<Written> for SecretSpec {
    fn from(written: Written) -> Self {
        match written {
            Written::Random(name) => SecretSpec { name, key: None, replaceable: false },
            Written::Described(Described { name, key, replaceable }) => SecretSpec { name, key, replaceable },
        }
    }
}
