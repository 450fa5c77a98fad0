//! `product.yaml`: how a Docker stack lives on its host, as data. docs/product.md describes the format.

mod against;
mod check;
mod configuration;
mod engine;
mod option;
mod quantity;
mod secret;
mod skeleton;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::in_order::InOrder;
use crate::language::tr;
use crate::path::RelPath;
use crate::yaml;

pub use configuration::{ConfigurationSpec, KeySpec};
pub use engine::{CgroupVersion, EngineSpec};
pub use option::{OptionSpec, OptionType, typed_text};
pub use quantity::Bytes;
pub use secret::SecretSpec;
pub use skeleton::skeleton;

/// The version of the format that this code reads.
pub const SCHEMA_VERSION: u64 = 1;

/// A product.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Product {
    schema_version: u64,
    /// For editors.
    #[serde(rename = "$schema")]
    _json_schema: Option<String>,
    /// What people call it.
    pub title: String,
    /// The artifact that is its stack template.
    pub stack: RelPath,
    /// Where its data lies unless another place is chosen.
    pub install_dir: String,
    /// What its host must have.
    #[serde(default)]
    pub needs: Needs,
    /// The container engines it brings, the one that is taken first in front. Without a list all that are carried are for any host.
    #[serde(default)]
    pub engines: Vec<EngineSpec>,
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
    /// What is secret.
    #[serde(default)]
    pub secrets: Vec<SecretSpec>,
    /// Log files below the install dir that the host's logrotate keeps small.
    #[serde(default)]
    pub logs: Vec<RelPath>,
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
    /// The disk that it is made for: a smaller one is a bad start, no more.
    pub disk_size: Bytes,
    /// The oldest kernel, as `MAJOR.MINOR`.
    pub kernel: String,
    /// The oldest Docker Engine, as `MAJOR.MINOR`.
    pub docker: String,
    /// What it must have instead while a switch is on, or with `!` off.
    pub when: BTreeMap<String, OtherNeeds>,
}

/// What a host must have instead of what is said for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OtherNeeds {
    cores: Option<u32>,
    memory: Option<Bytes>,
    disk: Option<Bytes>,
}

impl Default for Needs {
    fn default() -> Self {
        Needs {
            cores: 1,
            memory: Bytes(0),
            disk: Bytes(0),
            disk_size: Bytes(0),
            kernel: "3.10".to_owned(),
            docker: "18.06".to_owned(),
            when: BTreeMap::new(),
        }
    }
}

/// What is to be said of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceSpec {
    /// It keeps data: it runs while a dump is made or put back.
    pub store: bool,
    /// The switch with which it runs; with `!` before it, without which.
    pub when: Option<String>,
    /// The configuration's key that says where it is reached. While that names another host, it does not run.
    pub address: Option<String>,
    /// Where its data lies below the install dir: it is not left out while there is some and `address` names no other host.
    pub folder: Option<RelPath>,
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
    /// It goes into `backup --whole`, and comes back from it.
    #[serde(default)]
    pub backup: bool,
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
    /// Move data to where another host keeps it.
    External,
}

impl HookVerb {
    /// The word by which the script is told.
    pub fn as_str(self) -> &'static str {
        match self {
            HookVerb::Dump => "dump",
            HookVerb::Restore => "restore",
            HookVerb::Health => "health",
            HookVerb::Doctor => "doctor",
            HookVerb::External => "external",
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
    /// Where below the install dir `backup` puts it; without one into `backups`.
    pub folder: Option<RelPath>,
    /// How the names of those begin; a time follows. Others in the same folder stay. Without one it is name and version.
    pub name: Option<String>,
}

impl Default for DumpSpec {
    fn default() -> Self {
        DumpSpec { ends: None, keep: 24, suffix: ".dump".to_owned(), folder: None, name: None }
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
            Error::failed(tr!("the product description is not valid"))
                .fact("path", origin)
                .fact("reason", why)
                .hint(tr!("its publisher corrects it (docs/product.md has the format) and pins it anew"))
        };
        let product: Product = yaml::read(text).map_err(wrong)?;
        product.check().map_err(wrong)?;
        Ok(product)
    }

    /// The services that keep data.
    pub fn stores(&self) -> BTreeSet<String> {
        self.services.iter().filter(|(_, spec)| spec.store).map(|(name, _)| name.clone()).in_order()
    }

    /// The services that these options leave out.
    pub fn without(&self, options: &BTreeMap<String, serde_json::Value>) -> BTreeSet<String> {
        let left_out = self.services.iter().filter(|(_, spec)| !is_on(spec.when.as_deref(), options));
        left_out.map(|(name, _)| name.clone()).in_order()
    }
}

impl Needs {
    /// What the host must have with these options.
    pub fn with(&self, options: &BTreeMap<String, serde_json::Value>) -> Self {
        let mut needs = self.clone();
        for (_, other) in self.when.iter().filter(|(when, _)| is_on(Some(when), options)) {
            needs.cores = other.cores.unwrap_or(needs.cores);
            needs.memory = other.memory.unwrap_or(needs.memory);
            needs.disk = other.disk.unwrap_or(needs.disk);
        }
        needs
    }
}

/// Whether the switch `when` is on, or off where `!` stands before it; without one it is.
pub fn is_on(when: Option<&str>, options: &BTreeMap<String, serde_json::Value>) -> bool {
    when.is_none_or(|when| {
        let is_true = options.get(switch_of(when)) == Some(&serde_json::Value::Bool(true));
        is_true != when.starts_with('!')
    })
}

/// The switch that a `when` is about.
fn switch_of(when: &str) -> &str {
    when.strip_prefix('!').unwrap_or(when)
}
