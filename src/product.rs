//! `product.yaml`: how a Docker stack lives on its host, as data. docs/product.md describes the format.

mod against;
mod check;
mod configuration;
mod option;
mod quantity;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::path::RelPath;
use crate::yaml;

pub use configuration::{ConfigurationSpec, KeySpec};
pub use option::{OptionSpec, OptionType, typed_text};
pub use quantity::Bytes;

/// The version of the format that this code reads.
pub const SCHEMA_VERSION: u64 = 1;

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Product {
    schema_version: u64,
    /// What people call it.
    pub title: String,
    /// The artifact that is its stack template.
    pub stack: RelPath,
    /// Where its data lies unless another place is chosen.
    pub install_dir: String,
    /// What its host must have.
    #[serde(default)]
    pub needs: Needs,
    /// What can be chosen, by name.
    #[serde(default)]
    pub options: BTreeMap<String, OptionSpec>,
    /// Of which services something is to be said, by name.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceSpec>,
    /// Folders below the install dir.
    #[serde(default)]
    pub folders: Vec<FolderSpec>,
    /// Its own configuration file, if it has one.
    #[serde(default)]
    pub configuration: Option<ConfigurationSpec>,
    /// Names of random secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Which script does what only the product knows.
    #[serde(default)]
    pub hooks: BTreeMap<HookVerb, RelPath>,
    /// What a whole dump looks like.
    #[serde(default)]
    pub dump: DumpSpec,
    /// What a version must stand up to.
    #[serde(default)]
    pub gate: GateSpec,
}

/// What a host must have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Needs {
    /// Processors.
    pub cores: u32,
    /// Memory.
    pub memory: Bytes,
    /// Free room for data, beside that for the images.
    pub disk: Bytes,
    /// The oldest kernel, as `MAJOR.MINOR`.
    pub kernel: String,
    /// The oldest Docker Engine, as `MAJOR.MINOR`.
    pub docker: String,
}

impl Default for Needs {
    fn default() -> Self {
        Needs { cores: 1, memory: Bytes(0), disk: Bytes(0), kernel: "3.10".to_owned(), docker: "18.06".to_owned() }
    }
}

/// What is to be said of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceSpec {
    /// It keeps data: it runs while a dump is made or put back.
    pub store: bool,
    /// The switch with which it runs.
    pub when: Option<String>,
}

/// A folder below the install dir.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FolderSpec {
    /// Where it lies.
    pub path: RelPath,
    /// Its permission bits, in octal, when it is made.
    #[serde(default = "usual_mode")]
    pub mode: String,
    /// The database lies here: where it is empty although the product ran before, nothing is started.
    #[serde(default)]
    pub store: bool,
}

fn usual_mode() -> String {
    "0755".to_owned()
}

/// What a hook is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookVerb {
    /// Write the whole database into a file.
    Dump,
    /// Put a dump back.
    Restore,
    /// One more probe of the gate.
    Health,
    /// Print findings.
    Doctor,
}

impl HookVerb {
    /// The word by which the script is told.
    pub fn as_str(self) -> &'static str {
        match self {
            HookVerb::Dump => "dump",
            HookVerb::Restore => "restore",
            HookVerb::Health => "health",
            HookVerb::Doctor => "doctor",
        }
    }
}

/// What a whole dump looks like, and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DumpSpec {
    /// A text that its last 4 KiB have, where one is known.
    pub ends: Option<String>,
    /// How many of those that `backup` makes are kept.
    pub keep: usize,
    /// How its file name ends.
    pub suffix: String,
}

impl Default for DumpSpec {
    fn default() -> Self {
        DumpSpec { ends: None, keep: 24, suffix: ".dump".to_owned() }
    }
}

/// What a version must stand up to before it counts as running.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GateSpec {
    /// How long every task has to run without being started again, in seconds.
    pub steady: u64,
    /// How long all of it may take, in seconds.
    pub timeout: u64,
    /// Commands that have to succeed in a service's container.
    pub probes: Vec<Probe>,
}

impl Default for GateSpec {
    fn default() -> Self {
        GateSpec { steady: 10, timeout: 600, probes: Vec::new() }
    }
}

/// A command that has to succeed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// In whose container.
    pub service: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The switch with which it is asked.
    #[serde(default)]
    pub when: Option<String>,
}

impl Product {
    /// The largest file that is read, in bytes.
    pub const LARGEST: u64 = 256 << 10;

    /// Reads a product; `origin` is named in errors.
    ///
    /// # Errors
    /// The text is not YAML, lacks a key, has an unknown one, or names what is not there.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::failed("the product description is not valid")
                .fact("path", origin)
                .fact("reason", why)
                .hint("its publisher corrects it (docs/product.md has the format) and pins it anew")
        };
        let product: Product = yaml::read(text).map_err(wrong)?;
        product.check().map_err(wrong)?;
        Ok(product)
    }

    /// The services that keep data.
    pub fn stores(&self) -> BTreeSet<String> {
        self.services.iter().filter(|(_, spec)| spec.store).map(|(name, _)| name.clone()).collect()
    }

    /// The services that these options leave out.
    pub fn without(&self, options: &BTreeMap<String, serde_json::Value>) -> BTreeSet<String> {
        let left_out = self.services.iter().filter(|(_, spec)| !is_on(spec.when.as_deref(), options));
        left_out.map(|(name, _)| name.clone()).collect()
    }
}

/// Whether the switch `when` is on; without one it is.
pub fn is_on(when: Option<&str>, options: &BTreeMap<String, serde_json::Value>) -> bool {
    when.is_none_or(|switch| options.get(switch) == Some(&serde_json::Value::Bool(true)))
}
