//! The product's configuration file: made at the first installation, changed key by key, undone where the product does not
//! come up with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::instance::Instance;
use super::place::make_folder;
use super::random::random_hex;
use crate::error::{Error, Result};
use crate::own_file;
use crate::path::shell_word;
use crate::product::{ConfigurationSpec, KeySpec};
use crate::small_file;
use crate::staged_file::StagedFile;
use crate::yaml::{read_flat, set};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// A product's configuration file.
pub struct Configuration<'a> {
    spec: &'a ConfigurationSpec,
    path: PathBuf,
}

impl<'a> Configuration<'a> {
    /// That of `instance`, if the product has one.
    pub fn of(instance: &'a Instance) -> Option<Self> {
        let spec = instance.product().configuration.as_ref()?;
        Some(Configuration { spec, path: spec.file.below(instance.install_dir()) })
    }

    /// As [`Configuration::of`].
    ///
    /// # Errors
    /// The product has none.
    pub fn expect(instance: &'a Instance) -> Result<Self> {
        Self::of(instance).ok_or_else(|| {
            Error::failed(format_args!("{} has no configuration file", instance.product().title)).hint(format_args!(
                "what can be chosen of it, its installation takes: pack site install --help; the stack: {}",
                shell_word(&instance.override_file())
            ))
        })
    }

    /// Makes it, or adds to it what options that came later ask for. `ran_before`: the product has run, so a file that is
    /// missing is lost and not new.
    ///
    /// # Errors
    /// It is lost, is not flat YAML, or cannot be written.
    pub(super) fn prepare(&self, instance: &Instance, ran_before: bool) -> Result<()> {
        let text = self.text()?;
        if text.is_none() && ran_before {
            return Err(Error::failed("the configuration file is gone, although the product has run here before")
                .fact("path", self.path.display())
                .hint("put it back from a backup: new secrets would not open the data"));
        }
        let text = text.unwrap_or_default();
        let there = read_flat(&text).map_err(|why| self.not_flat(&why))?;
        let mut missing = Vec::new();
        for (key, value) in self.spec.first(&instance.deployed().options) {
            if !there.contains_key(&key) {
                missing.push((key, value.map_or_else(|| random_hex().map(Value::String), Ok)?));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            make_folder(folder, 0o755)?;
        }
        self.write(&set(&text, &missing).map_err(|why| self.not_flat(&why))?)
    }

    /// Its keys and values.
    ///
    /// # Errors
    /// It is not there, or is not flat YAML.
    pub fn read(&self) -> Result<Map<String, Value>> {
        let text = self.text()?.ok_or_else(|| {
            Error::failed("the configuration file is not there")
                .fact("path", self.path.display())
                .hint("put it back from a backup")
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
                Error::usage(format_args!("{key} is {allowed}"))
                    .fact("given", text)
                    .hint(format_args!("as in: {key}={}", option.default))
            });
        }
        let is_name = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let error = match spec {
            _ if !is_name => {
                Error::usage("a key is of letters, digits and '_'").fact("given", key).hint("as in: LOG_LEVEL=ERROR")
            }
            _ if force => return Ok(Value::String(text.to_owned())),
            Some(_) => Error::usage(format_args!("{key} was made at random, and data depends on it")),
            None => Error::usage(format_args!("{key} is no key that is known")).fact("known", known.join(", ")),
        };
        Err(error.hint_where_none("if this is meant: the same command with --force"))
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

    /// The change has proved itself.
    pub(super) fn settle(&self) -> Result<()> {
        own_file::remove(&self.before())
    }

    /// Takes a change back that has not proved itself; whether there was one.
    pub(super) fn undo(&self) -> Result<bool> {
        let Some(before) = small_file::read_if_there(&self.before(), LARGEST)? else { return Ok(false) };
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
        let bytes = small_file::read_if_there(&self.path, LARGEST)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn write(&self, text: &str) -> Result<()> {
        // Whoever owns it reads it; it has passwords.
        let mode = fs::metadata(&self.path).map_or(0o600, |found| found.permissions().mode() & 0o777);
        StagedFile::write(&self.path, text.as_bytes(), mode)
    }

    fn not_flat(&self, why: &str) -> Error {
        Error::failed("the configuration file cannot be changed")
            .fact("path", self.path.display())
            .fact("reason", why)
            .hint(format_args!(
                "nothing was changed; correct it by hand, then the same command again: {}",
                shell_word(&self.path)
            ))
    }
}
