//! What a product names, held against what its version has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{OptionType, Product};
use crate::error::{Error, Result};
use crate::image_ref::ImageRef;
use crate::in_order::InOrder;
use crate::language::tr;
use crate::manifest::Kind;
use crate::path::RelPath;
use crate::stack::{self, Rendering, Stage};

impl Product {
    /// Checks that what the product names is there: services of the stack template, hooks among the scripts, engines, and a
    /// value for each `${NAME}`. `has` says whether there is an artifact of a kind and name. `origin` is named in errors.
    ///
    /// # Errors
    /// Something is not there, or the template is not valid.
    pub fn check_against(&self, template: &Value, has: &dyn Fn(Kind, &RelPath) -> bool, origin: &str) -> Result<()> {
        let wrong = |what: String| {
            Error::failed(tr!("the product description names what is not there"))
                .fact("path", origin)
                .fact("reason", what)
                .hint(tr!("its publisher corrects it (docs/product.md has the format)"))
        };
        let named = stack::images_of(template, self.stack.as_str())?;
        let services: BTreeSet<&str> = named.iter().map(|found| found.service.as_str()).in_order();
        let probed = self.gate.probes.iter().map(|probe| &probe.service);
        if let Some(missing) = self.services.keys().chain(probed).find(|name| !services.contains(name.as_str())) {
            return Err(wrong(tr!("the stack has no service '{missing}'", missing)));
        }
        for (verb, script) in &self.hooks {
            if !has(Kind::Script, script) {
                return Err(wrong(tr!(
                    "the hook '{}' is to be {script}, which is no artifact of kind 'script'",
                    verb.as_str(),
                    script
                )));
            }
        }
        if let Some(engine) = self.engines.iter().find(|engine| !has(Kind::Engine, &engine.artifact)) {
            return Err(wrong(tr!("engines: {} is no artifact of kind 'engine'", engine.artifact)));
        }
        if let Some(unit) =
            self.engines.iter().filter_map(|engine| engine.unit.as_ref()).find(|unit| !has(Kind::Unit, unit))
        {
            return Err(wrong(tr!("engines: {} is no artifact of kind 'unit'", unit)));
        }
        self.check_renders(template, named.into_iter().map(|found| found.image))
    }

    /// Whether the template comes out with the options as they are and with every switch the other way.
    fn check_renders(&self, template: &Value, images: impl Iterator<Item = ImageRef>) -> Result<()> {
        let images: BTreeMap<String, String> =
            images.map(|image| (image.to_string(), "sha256:0".to_owned())).in_order();
        let mut options: BTreeMap<String, Value> =
            self.options.iter().map(|(name, option)| (name.clone(), option.default.clone())).in_order();
        let services = template.get("services").and_then(Value::as_object).map_or(0, serde_json::Map::len);
        for _ in 0..2 {
            let rendering = Rendering {
                values: &self.template_values(&options, &self.install_dir, "0.0.0"),
                images: &images,
                without: &self.without(&options),
                stores: &self.stores(),
                stage: Stage::Open,
            };
            // With all of them off nothing may be left: that is for whoever chooses it.
            let all_off = services == self.without(&options).len();
            if !all_off {
                rendering.render(template, self.stack.as_str())?;
            }
            for (name, option) in self.options.iter().filter(|(_, option)| option.kind == OptionType::Switch) {
                options.insert(name.clone(), Value::Bool(option.default != Value::Bool(true)));
            }
        }
        Ok(())
    }

    /// The values of a stack template's `${NAME}`.
    pub fn template_values(
        &self,
        options: &BTreeMap<String, Value>,
        install_dir: &str,
        version: &str,
    ) -> BTreeMap<String, Value> {
        let mut values = options.clone();
        values.insert("installDir".to_owned(), Value::from(install_dir));
        values.insert("version".to_owned(), Value::from(version));
        values
    }
}
