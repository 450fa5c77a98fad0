//! The product's configuration file: made at the first installation, changed key by key, undone where the product does not
//! come up with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::instance::{Instance, read_configuration};
use super::place::make_folder;
use super::random::random_hex;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::own_file;
use crate::path::shell_word;
use crate::product::{ConfigurationSpec, KeySpec};
use crate::staged_file::StagedFile;
use crate::yaml::{read_flat, set};

/// A product's configuration file.
pub struct Configuration<'a> {
    instance: &'a Instance,
    spec: &'a ConfigurationSpec,
    path: PathBuf,
}

impl<'a> Configuration<'a> {
    /// That of `instance`, if the product has one.
    pub fn of(instance: &'a Instance) -> Option<Self> {
        let spec = instance.product().configuration.as_ref()?;
        Some(Configuration { instance, spec, path: spec.file.below(instance.install_dir()) })
    }

    /// As [`Configuration::of`].
    ///
    /// # Errors
    /// The product has none.
    pub fn expect(instance: &'a Instance) -> Result<Self> {
        Self::of(instance).ok_or_else(|| {
            Error::failed(tr!("{} has no configuration file", instance.product().title)).hint(tr!(
                "what can be chosen of it, its installation takes: pack site install --help; the stack: {}",
                shell_word(&instance.override_file())
            ))
        })
    }

    /// Makes it, or adds to it what options that came later ask for. `ran_before`: the product has run, so a file that is
    /// missing is lost and not new.
    ///
    /// # Errors
    /// It or a value that data depends on is lost, it is not flat YAML, or cannot be written.
    pub(super) fn prepare(&self, ran_before: bool) -> Result<()> {
        let text = self.text()?;
        if text.is_none() && ran_before {
            return Err(Error::failed(tr!("the configuration file is gone, although the product has run here before"))
                .fact("path", self.path.display())
                .hint(tr!("put it back from a backup: new secrets would not open the data")));
        }
        let text = text.unwrap_or_default();
        let there = read_flat(&text).map_err(|why| self.not_flat(&why))?;
        let left_out = self.instance.left_out();
        let mut missing = Vec::new();
        for (key, value) in self.spec.first(&self.instance.deployed().options) {
            let services = self.services_of(&key);
            // A database on another host has its own way in, which nobody here can make up.
            let is_elsewhere = !services.is_empty() && services.iter().all(|service| left_out.contains(*service));
            if there.contains_key(&key) || is_elsewhere {
                continue;
            }
            let opens_data = match services.as_slice() {
                [] => ran_before,
                services => services.iter().any(|service| self.instance.has_data_of(service)),
            };
            if value.is_none() && opens_data {
                return Err(self.lost(&key));
            }
            missing.push((key, value.map_or_else(|| random_hex().map(Value::String), Ok)?));
        }
        if missing.is_empty() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            make_folder(folder, 0o755)?;
        }
        self.write(&set(&text, &missing).map_err(|why| self.not_flat(&why))?)
    }

    /// The services that run with the same switch as a key is written.
    fn services_of(&self, key: &str) -> Vec<&str> {
        let when = self.spec.keys.get(key).and_then(|key| key.when.as_ref());
        let services = self.instance.product().services.iter();
        services
            .filter(|(_, spec)| when.is_some() && spec.when.as_ref() == when)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    fn lost(&self, key: &str) -> Error {
        Error::failed(tr!("the configuration has no {key}, which the data here was made with", key))
            .fact("path", self.path.display())
            .hint(tr!("put the line back from a backup of the file: a new value would not open the data"))
    }

    /// What a container is told, so that it starts again where this has changed.
    pub(super) fn digest(&self) -> Result<Option<Digest>> {
        Ok(self.text()?.map(|text| Digest::of(text.as_bytes())))
    }

    /// Takes what somebody brought in the place of what is there, which is kept beside it as `change` does.
    ///
    /// # Errors
    /// It is not flat YAML, lacks what data depends on, or cannot be written.
    pub fn adopt(&self, brought: &Path) -> Result<()> {
        let text = read_configuration(brought)?.ok_or_else(|| {
            Error::usage(tr!("there is no such configuration file"))
                .fact("path", brought.display())
                .hint(tr!("ls its folder"))
        })?;
        let wrong = |why: String| {
            Error::failed(tr!("that configuration file cannot be taken"))
                .fact("path", brought.display())
                .fact("reason", why)
                .hint(tr!("nothing was changed; correct it, then the same command again"))
        };
        let values = read_flat(&String::from_utf8_lossy(&text)).map_err(wrong)?;
        let depended_on = self.spec.keys.iter().filter(|(_, key)| key.random && key.when.is_none());
        if let Some((key, _)) = depended_on.into_iter().find(|(key, _)| !values.contains_key(*key)) {
            return Err(wrong(tr!("it has no {key}", key)));
        }
        match self.text()? {
            Some(before) if before.as_bytes() == text => return Ok(()),
            Some(before) => StagedFile::write(&self.before(), before.as_bytes(), 0o600)?,
            None => {}
        }
        if let Some(folder) = self.path.parent() {
            make_folder(folder, 0o755)?;
        }
        StagedFile::write(&self.path, &text, 0o600)
    }

    /// Its keys and values.
    ///
    /// # Errors
    /// It is not there, or is not flat YAML.
    pub fn read(&self) -> Result<Map<String, Value>> {
        let text = self.text()?.ok_or_else(|| {
            Error::failed(tr!("the configuration file is not there"))
                .fact("path", self.path.display())
                .hint(tr!("put it back from a backup"))
        })?;
        read_flat(&text).map_err(|why| self.not_flat(&why))
    }

    /// Whether a key's value is not for everybody's eyes.
    pub fn is_secret(&self, key: &str) -> bool {
        self.spec.is_secret(key)
    }

    /// The value of `key` that is meant by what somebody typed.
    ///
    /// # Errors
    /// The key is not known and `force` is not set, or the value is none of those allowed.
    pub fn typed(&self, key: &str, text: &str, force: bool) -> Result<Value> {
        let known: Vec<&str> = self.spec.keys.keys().map(String::as_str).collect();
        let spec = self.spec.keys.get(key);
        if let Some(option) = spec.and_then(KeySpec::option) {
            return option.typed(text).map_err(|allowed| {
                Error::usage(tr!("{key} is {allowed}", key, allowed))
                    .fact("given", text)
                    .hint(tr!("nothing was changed; the same command with another value"))
            });
        }
        // Where another host has the database, its password is not ours to make.
        let (left_out, services) = (self.instance.left_out(), self.services_of(key));
        if spec.is_some() && !services.is_empty() && services.iter().all(|service| left_out.contains(*service)) {
            return Ok(Value::String(text.to_owned()));
        }
        let is_name = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let error = match spec {
            _ if !is_name => Error::usage(tr!("a key is of letters, digits and '_'"))
                .fact("given", key)
                .hint(tr!("as in: LOG_LEVEL=ERROR")),
            _ if force => return Ok(Value::String(text.to_owned())),
            Some(_) => Error::usage(tr!("{key} was made at random, and data depends on it", key)),
            None => Error::usage(tr!("{key} is no key that is known", key)).fact("known", known.join(", ")),
        };
        Err(error.hint_where_none(tr!("if this is meant: the same command with --force")))
    }

    /// Sets these keys. What was there before is kept beside it until [`Configuration::settle`] or
    /// [`Configuration::undo`].
    ///
    /// # Errors
    /// It is not flat YAML, or cannot be written: then it is as it was.
    pub(super) fn change(&self, changes: &[(String, Value)]) -> Result<()> {
        let before = self.text()?.unwrap_or_default();
        let after = set(&before, changes).map_err(|why| self.not_flat(&why))?;
        StagedFile::write(&self.before(), before.as_bytes(), 0o600)?;
        self.write(&after)
    }

    /// What the file has that another host wrote and that lies below `folder`, as far as it holds here too and is not so: no
    /// ways into built-in services, and no keys that secrets are made of.
    ///
    /// # Errors
    /// It, or what is here, cannot be read.
    pub(super) fn of_another_host(&self, folder: &Path) -> Result<Vec<(String, Value)>> {
        let there = Configuration { path: self.spec.file.below(folder), ..*self }.read()?;
        let (here, product) = (self.read()?, self.instance.product());
        let own = product.services.values().filter_map(|service| service.address.as_ref());
        let own: Vec<&String> = own.chain(product.secrets.iter().filter_map(|secret| secret.key.as_ref())).collect();
        let is_own =
            |key: &String| own.contains(&key) || self.spec.keys.get(key).is_some_and(|spec| spec.when.is_some());
        Ok(there.into_iter().filter(|(key, value)| !is_own(key) && here.get(key) != Some(value)).collect())
    }

    /// The change has proved itself.
    pub(super) fn settle(&self) -> Result<()> {
        own_file::remove(&self.before())
    }

    /// Takes a change back that has not proved itself; whether there was one.
    pub(super) fn undo(&self) -> Result<bool> {
        let Some(before) = read_configuration(&self.before())? else { return Ok(false) };
        StagedFile::write(&self.path, &before, 0o600)?;
        self.settle()?;
        Ok(true)
    }

    fn before(&self) -> PathBuf {
        let mut before = self.path.clone().into_os_string();
        before.push(".before");
        before.into()
    }

    fn text(&self) -> Result<Option<String>> {
        let bytes = read_configuration(&self.path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn write(&self, text: &str) -> Result<()> {
        // Whoever owns it reads it; it has passwords.
        let mode = fs::metadata(&self.path).map_or(0o600, |found| found.permissions().mode() & 0o777);
        StagedFile::write(&self.path, text.as_bytes(), mode)
    }

    fn not_flat(&self, why: &str) -> Error {
        Error::failed(tr!("the configuration file cannot be changed"))
            .fact("path", self.path.display())
            .fact("reason", why)
            .hint(tr!(
                "nothing was changed; correct it by hand, then the same command again: {}",
                shell_word(&self.path)
            ))
    }
}
