//! What the types of a product do not say: names are plain, and what is named is there.

use std::collections::BTreeSet;
use std::path::Path;

use super::{FolderSpec, HookVerb, OptionType, Product, SCHEMA_VERSION, switch_of};
use crate::in_order::InOrder;
use crate::language::tr;

/// Names that a template's values have already.
pub(super) const TAKEN: [&str; 2] = ["installDir", "version"];

/// Whether a text needs no quoting anywhere that a name ends up: YAML, a shell's variable, a file name.
pub(super) fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty()
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(allowed)
}

/// Whether a folder's path needs no quoting anywhere that it ends up.
pub(super) fn is_plain_path(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(allowed);
    path.strip_prefix('/').is_some_and(|path| path.split('/').all(part))
}

impl Product {
    /// Whether a path can be the install dir: absolute, of letters, digits, `.`, `_` and `-`.
    pub fn is_install_dir(path: &str) -> bool {
        is_plain_path(path)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.schema_version != SCHEMA_VERSION {
            return Err(tr!("schemaVersion is {}; this pack reads {}", self.schema_version, SCHEMA_VERSION));
        }
        if !is_plain_path(&self.install_dir) {
            return Err(tr!(
                "installDir is not an absolute path of letters, digits, '.', '_' and '-': {}",
                self.install_dir
            ));
        }
        self.check_options()?;
        for name in self.services.keys().chain(self.secrets.iter().map(|secret| &secret.name)) {
            if !is_plain(name) {
                return Err(tr!("the name '{name}' has other characters than letters, digits, '-' and '_'", name));
            }
        }
        let keys = self.configuration.iter().flat_map(|configuration| &configuration.keys);
        for (name, key) in keys.clone() {
            key.check().map_err(|why| tr!("the key '{name}' of the configuration {why}", name, why))?;
        }
        let keys = keys.map(|(name, key)| (name, &key.when));
        let services = self.services.iter().map(|(name, spec)| (name, &spec.when));
        let probes = self.gate.probes.iter().map(|probe| (&probe.service, &probe.when));
        let options = self.options.iter().map(|(name, option)| (name, &option.when));
        let conditions = services.chain(probes).chain(keys).chain(options);
        let conditions = conditions.filter_map(|(name, when)| Some((name.as_str(), when.as_deref()?)));
        for (name, when) in conditions.chain(self.needs.when.keys().map(|when| ("needs", when.as_str()))) {
            let switch = switch_of(when);
            if self.options.get(switch).is_none_or(|option| option.kind != OptionType::Switch) {
                return Err(tr!("'{name}' runs when '{switch}', which is no option of type switch", name, switch));
            }
        }
        self.check_keys()?;
        if let Some(probe) = self.gate.probes.iter().find(|probe| probe.command.is_empty()) {
            return Err(tr!("a probe of '{}' has no command", probe.service));
        }
        for folder in &self.folders {
            if u32::from_str_radix(&folder.mode, 8).map_or(true, |mode| mode > 0o7777) {
                return Err(tr!("the mode of {} is not octal: {}", folder.path, folder.mode));
            }
        }
        self.check_backup()?;
        let distinct: BTreeSet<&str> = self.secrets.iter().map(|secret| secret.name.as_str()).in_order();
        if distinct.len() != self.secrets.len() {
            return Err(tr!("a secret is named twice"));
        }
        if self.hooks.contains_key(&HookVerb::Dump) != self.hooks.contains_key(&HookVerb::Restore) {
            return Err(tr!("hooks: dump and restore belong together"));
        }
        if self.hooks.contains_key(&HookVerb::Dump) && self.stores().is_empty() {
            return Err(tr!("hooks: a dump needs a service with 'store: true'"));
        }
        if self.dump.keep == 0 || self.dump.suffix.contains('/') || !self.dump.suffix.starts_with('.') {
            return Err(tr!("dump: keep is at least 1, and suffix begins with a dot"));
        }
        if self.dump.name.as_deref().is_some_and(|name| !is_plain(name)) {
            return Err(tr!("dump: name has other characters than letters, digits, '-' and '_'"));
        }
        if let Some(log) = self.logs.iter().find(|log| !is_plain_path(&format!("/{log}"))) {
            return Err(tr!("the log {log} has other characters than letters, digits, '.', '_' and '-'", log));
        }
        if self.gate.timeout < self.gate.steady {
            return Err(tr!("gate: timeout is shorter than steady"));
        }
        Ok(())
    }

    /// A folder that is exchanged as a whole has nothing in it, and lies in nothing, that is saved or kept in another way.
    fn check_backup(&self) -> Result<(), String> {
        let of = |is_meant: fn(&FolderSpec) -> bool| self.folders.iter().filter(move |folder| is_meant(folder));
        let stores = of(|folder| folder.store).map(|folder| folder.path.as_str());
        let configuration = self.configuration.iter().map(|configuration| configuration.file.as_str());
        let dumps = [self.dump.folder.as_ref().map_or("backups", |folder| folder.as_str()), "secrets"];
        let others: Vec<&str> = stores.chain(configuration).chain(dumps).collect();
        let saved: Vec<&str> = of(|folder| folder.backup).map(|folder| folder.path.as_str()).collect();
        for (number, path) in saved.iter().copied().enumerate() {
            let meets = |other: &&&str| Path::new(path).starts_with(other) || Path::new(other).starts_with(path);
            if let Some(other) = others.iter().chain(&saved[number + 1..]).find(meets) {
                return Err(tr!(
                    "a folder with 'backup: true' overlaps what is kept in another way: {path}, {other}",
                    path,
                    other
                ));
            }
        }
        Ok(())
    }

    /// What names a key of the configuration names one that is known.
    fn check_keys(&self) -> Result<(), String> {
        let addresses = self.services.values().filter_map(|service| service.address.as_ref());
        let secrets = self.secrets.iter().filter_map(|secret| secret.key.as_ref());
        let known = self.configuration.as_ref().map(|configuration| &configuration.keys);
        match addresses.chain(secrets).find(|key| known.is_none_or(|keys| !keys.contains_key(*key))) {
            Some(key) => Err(tr!("'{key}' is no key of the configuration", key)),
            None => Ok(()),
        }
    }

    fn check_options(&self) -> Result<(), String> {
        for (name, option) in &self.options {
            if !is_plain(name) || TAKEN.contains(&name.as_str()) {
                return Err(tr!("an option cannot be called '{name}'", name));
            }
            option
                .check(&option.default)
                .map_err(|allowed| tr!("the default of option '{name}' is not {allowed}", name, allowed))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
schemaVersion: 1
title: Guest book
stack: stack.yaml
installDir: /usr/local/guestbook
needs: { cores: 2, memory: 512MiB }
options:
  port: { type: port, default: 8080 }
  cache: { type: switch, default: true }
services: { db: { store: true }, cache: { when: cache } }
folders: [{ path: data/db, mode: \"0700\", store: true }]
secrets: [db-password]
configuration:
  file: data/config.yaml
  keys:
    SECRET: { random: true }
    LEVEL: { type: choice, values: [warning, error], default: warning }
    CACHE_SIZE: { type: number, default: 5, max: 9, when: cache }
hooks: { dump: hook.sh, restore: hook.sh }
gate: { probes: [{ service: web, command: [\"true\"] }] }
";

    #[test]
    fn a_product_is_read() {
        let product = Product::parse(GOOD, "test").expect("valid");
        assert_eq!(product.stores(), BTreeSet::from(["db".to_owned()]));
        assert_eq!((product.needs.cores, product.needs.memory.0, product.gate.steady), (2, 512 << 20, 10));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, why) in [
            ("schemaVersion: 1", "schemaVersion: 2", "schemaVersion is 2"),
            ("title: Guest book", "titel: x", "titel"),
            ("stack: stack.yaml", "stack: ../x", "leaves its folder"),
            ("/usr/local/guestbook", "relative", "installDir"),
            ("/usr/local/guestbook", "/a/../b", "installDir"),
            ("default: 8080", "default: 0", "a port from 1"),
            ("  cache: { type", "  port: { type", "duplicate"),
            ("store: true }]", "store: true, backup: true }]", "overlaps"),
            ("folders: [", "folders: [{ path: data, backup: true }, ", "overlaps"),
            ("folders: [", "folders: [{ path: backups/x, backup: true }, ", "overlaps"),
            ("folders: [", "folders: [{ path: a, backup: true }, { path: a/b, backup: true }, ", "overlaps"),
            ("when: cache", "when: port", "no option of type switch"),
            ("when: cache", "when: other", "no option of type switch"),
            ("when: cache", "when: \"!other\"", "no option of type switch"),
            ("cores: 2,", "when: { other: { cores: 1 } },", "no option of type switch"),
            ("[db-password]", "[{ name: db-password, key: NONE }]", "no key of the configuration"),
            ("{ store: true }", "{ store: true, address: NONE }", "no key of the configuration"),
            ("\"0700\"", "\"99\"", "not octal"),
            ("[db-password]", "[a, a]", "twice"),
            ("[db-password]", "[\"a b\"]", "other characters"),
            (", restore: hook.sh", "", "belong together"),
            ("store: true },", "store: false },", "store: true"),
            ("[\"true\"]", "[]", "no command"),
            ("memory: 512MiB", "memory: lots", "no size"),
            ("{ random: true }", "{ random: true, type: text }", "and has a type"),
            ("{ random: true }", "{}", "has no type"),
            ("default: warning", "default: loud", "one of"),
            ("when: cache }\n", "when: none }\n", "no option of type switch"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Product::parse(&GOOD.replacen(from, to, 1), "test").expect_err(to);
            assert!(error.to_string().contains(why), "{to}: {error}");
        }
    }
}
