//! A version of a product on this host: its files, and how it is or is to be deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::place::Place;
use super::state::{Deployed, State};
use super::version_files::VersionFiles;
use crate::error::Result;
use crate::product::Product;
use crate::stack::{Rendering, Stage};

/// A version, and what was chosen for it.
#[derive(Debug)]
pub struct Instance {
    /// How it is deployed.
    pub state: State,
    /// Its small files.
    pub files: VersionFiles,
}

impl Instance {
    /// That which `state` is of.
    ///
    /// # Errors
    /// Its files are missing or not valid.
    pub fn of(state: State, place: &Place) -> Result<Self> {
        let files = VersionFiles::open(&place.version(&state.current.version))?;
        Ok(Instance { state, files })
    }

    /// The name of its stack.
    pub(super) fn name(&self) -> &str {
        &self.state.name
    }

    pub(super) fn product(&self) -> &Product {
        self.files.product()
    }

    pub(super) fn deployed(&self) -> &Deployed {
        &self.state.current
    }

    /// Where its data lies.
    pub(super) fn install_dir(&self) -> &Path {
        Path::new(&self.state.install_dir)
    }

    /// The stack file as it is deployed, for people to read.
    pub(super) fn stack_file(&self) -> PathBuf {
        self.install_dir().join("docker-stack.yaml")
    }

    /// The operator's own stack file, laid over the product's.
    pub(super) fn override_file(&self) -> PathBuf {
        self.install_dir().join("docker-stack.override.yaml")
    }

    /// The services that keep data, as far as they are chosen.
    pub(super) fn stores(&self) -> BTreeSet<String> {
        let without = self.product().without(&self.deployed().options);
        self.product().stores().difference(&without).cloned().collect()
    }

    /// The stack file for a stage.
    ///
    /// # Errors
    /// The template, with the operator's file laid over it, is not valid.
    pub(super) fn render(&self, template: &Value, stage: Stage) -> Result<Value> {
        let deployed = self.deployed();
        let (options, version) = (&deployed.options, deployed.version.to_string());
        let values = self.product().template_values(options, &self.state.install_dir, &version);
        let rendering = Rendering {
            values: &values,
            images: &self.deployed().images,
            without: &self.product().without(&self.deployed().options),
            stores: &self.product().stores(),
            stage,
        };
        let origin = self.files.root().join(self.product().stack.as_str());
        rendering.render(template, &origin.display().to_string())
    }

    /// The host's ports that its options name.
    pub(super) fn ports(&self) -> BTreeMap<String, u16> {
        use crate::product::OptionType;
        let ports = self.product().options.iter().filter(|(_, option)| option.kind == OptionType::Port);
        let of = |name: &String| self.deployed().options.get(name)?.as_u64().and_then(|port| u16::try_from(port).ok());
        ports.filter_map(|(name, _)| Some((name.clone(), of(name)?))).collect()
    }
}
