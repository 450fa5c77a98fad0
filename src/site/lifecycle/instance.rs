//! A version of a product on this host: its files, and how it is or is to be deployed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::place::Place;
use super::state::{Deployed, State};
use super::version_files::VersionFiles;
use crate::error::Result;
use crate::in_order::InOrder;
use crate::product::{OptionSpec, OptionType, Product, is_on, typed_text};
use crate::small_file;
use crate::stack::{Rendering, Stage, images_of};
use crate::yaml::read_flat;

/// The largest configuration file that is read, in bytes.
const LARGEST_CONFIGURATION: u64 = 1 << 20;

/// The text of a configuration file, if it is there.
///
/// # Errors
/// It is no regular file, too large, or cannot be read.
pub(super) fn read_configuration(path: &Path) -> Result<Option<Vec<u8>>> {
    small_file::read_if_there(path, LARGEST_CONFIGURATION)
}

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

    /// The services that keep data, as far as they run.
    pub(super) fn stores(&self) -> BTreeSet<String> {
        self.product().stores().difference(&self.left_out()).cloned().in_order()
    }

    /// The services that do not run: their switch is off, or the configuration names another host in their place.
    pub(super) fn left_out(&self) -> BTreeSet<String> {
        let mut left_out = self.product().without(&self.deployed().options);
        let elsewhere = self.product().services.iter().filter(|(name, _)| self.is_elsewhere(name));
        left_out.extend(elsewhere.map(|(name, _)| name.clone()));
        left_out
    }

    /// Whether the configuration names another host in the place of a service.
    pub(super) fn is_elsewhere(&self, service: &str) -> bool {
        let address = self.product().services.get(service).and_then(|spec| spec.address.as_ref());
        address.and_then(|key| self.configured(key)).is_some_and(|host| !host.is_empty() && host != service)
    }

    /// What the product's configuration file says under a key, if it can be read.
    pub(super) fn configured(&self, key: &str) -> Option<String> {
        let file = self.product().configuration.as_ref()?.file.below(self.install_dir());
        let text = read_configuration(&file).ok()??;
        let values = read_flat(&String::from_utf8_lossy(&text)).ok()?;
        values.get(key).filter(|value| !value.is_null()).map(typed_text)
    }

    /// The engine's image IDs by service, of those that are left out too.
    pub(super) fn images(&self) -> io::Result<BTreeMap<String, String>> {
        let named = images_of(self.files.template(), self.product().stack.as_str());
        let named = named.map_err(|error| io::Error::other(error.to_string()))?;
        let images = &self.deployed().images;
        let each = named.into_iter();
        Ok(each.filter_map(|one| Some((one.service, images.get(&one.image.to_string())?.clone()))).in_order())
    }

    /// Whether a service has data in its folder.
    pub(super) fn has_data_of(&self, service: &str) -> bool {
        let folder = self.product().services.get(service).and_then(|spec| spec.folder.as_ref());
        let folder = folder.map(|folder| folder.below(self.install_dir()));
        folder.is_some_and(|path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()))
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
            without: &self.left_out(),
            stores: &self.product().stores(),
            stage,
        };
        let origin = self.files.root().join(self.product().stack.as_str());
        rendering.render(template, &origin.display().to_string())
    }

    /// The host's ports that its options name.
    pub(super) fn ports(&self) -> BTreeMap<String, u16> {
        let counts = |option: &OptionSpec| {
            option.kind == OptionType::Port && is_on(option.when.as_deref(), &self.deployed().options)
        };
        let ports = self.product().options.iter().filter(|(_, option)| counts(option));
        let of = |name: &String| self.deployed().options.get(name)?.as_u64().and_then(|port| u16::try_from(port).ok());
        ports.filter_map(|(name, _)| Some((name.clone(), of(name)?))).in_order()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("config.yaml");
        assert!(read_configuration(&file).expect("no error").is_none());
        for (size, is_read) in [(LARGEST_CONFIGURATION, true), (LARGEST_CONFIGURATION + 1, false)] {
            fs::write(&file, vec![b'#'; size as usize]).expect("written");
            let read = read_configuration(&file);
            assert_eq!(
                read.is_ok_and(|read| read.is_some_and(|read| read.len() as u64 == size)),
                is_read,
                "{size} bytes"
            );
        }
    }
}
