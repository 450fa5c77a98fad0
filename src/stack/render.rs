//! What an engine is given of a product's stack template.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::not_valid;
use super::variable::{Piece, Variable, pieces};
use crate::error::Result;
use crate::in_order::InOrder;
use crate::language::tr;

/// How much of the stack runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Only the services that keep data, and no port is published: nobody writes.
    Stores,
    /// Every service, and no port is published: nobody outside reaches a version that has not proved itself.
    Closed,
    /// Every service with its ports.
    Open,
}

/// What is put in for what a template leaves open.
#[derive(Debug)]
pub struct Rendering<'a> {
    /// The values of `${NAME}`: texts, numbers or booleans. A text that is nothing but `${NAME}` becomes the value itself;
    /// for one without a value there is the default of `${NAME:-default}`.
    pub values: &'a BTreeMap<String, Value>,
    /// The engine's image IDs by the references of the template.
    pub images: &'a BTreeMap<String, String>,
    /// The services that are left out.
    pub without: &'a BTreeSet<String>,
    /// The services that keep data.
    pub stores: &'a BTreeSet<String>,
    /// How much runs.
    pub stage: Stage,
}

impl Rendering<'_> {
    /// Makes the stack file for the engine out of the template. `origin` is named in errors.
    ///
    /// # Errors
    /// The template has no services, names an image that is not there or a `${NAME}` without a value, or nothing would
    /// be left of it.
    pub fn render(&self, template: &Value, origin: &str) -> Result<Value> {
        let mut document = self.filled_in(template).map_err(|why| not_valid(origin, &why))?;
        let services = document.get_mut("services").and_then(Value::as_object_mut);
        let services = services.ok_or_else(|| not_valid(origin, &tr!("it has no 'services'")))?;
        services.retain(|name, _| {
            !self.without.contains(name) && (self.stage != Stage::Stores || self.stores.contains(name))
        });
        let left: BTreeSet<String> = services.keys().cloned().in_order();
        for (name, service) in services.iter_mut() {
            let service =
                service.as_object_mut().ok_or_else(|| not_valid(origin, &tr!("'{name}' is no service", name)))?;
            self.pin(name, service).map_err(|why| not_valid(origin, &why))?;
            if self.stage != Stage::Open {
                service.remove("ports");
            }
            depend_on(service, &left);
        }
        if services.is_empty() && self.stage != Stage::Stores {
            return Err(not_valid(origin, &tr!("no service is left of it")));
        }
        Ok(document)
    }

    /// An engine that is given a tag asks its registry for other bytes before every start of a task.
    fn pin(&self, name: &str, service: &mut Map<String, Value>) -> std::result::Result<(), String> {
        let image = service.get("image").and_then(Value::as_str).ok_or_else(|| tr!("'{name}' has no image", name))?;
        let id = self
            .images
            .get(image)
            .ok_or_else(|| tr!("the image of '{name}', {image}, was not carried", name, image))?;
        service.insert("image".to_owned(), Value::String(id.clone()));
        Ok(())
    }

    fn filled_in(&self, value: &Value) -> std::result::Result<Value, String> {
        Ok(match value {
            Value::String(text) => match self.whole(text) {
                Some(value @ (Value::Number(_) | Value::Bool(_))) => value,
                _ => Value::String(self.expand(text)?),
            },
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.filled_in(item)).collect::<std::result::Result<_, _>>()?)
            }
            Value::Object(map) => {
                let filled = map.iter().map(|(key, item)| Ok((key.clone(), self.filled_in(item)?)));
                Value::Object(filled.collect::<std::result::Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// The value of a text that is one `${NAME}` or `${NAME:-default}`: a port has to stay a number.
    fn whole(&self, text: &str) -> Option<Value> {
        let Variable { name, default } = Variable::of(text.strip_prefix("${")?.strip_suffix('}')?);
        // What would be written otherwise, such as 007, is no number to whoever wrote it.
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| number.to_string() == text);
        self.values.get(name).cloned().or_else(|| number(default?).map(Value::from))
    }

    /// Docker expands what is left: a dollar of a value is doubled, and `$$` stays as it is.
    fn expand(&self, text: &str) -> std::result::Result<String, String> {
        let mut out = String::with_capacity(text.len());
        for piece in pieces(text)? {
            match piece {
                Piece::Plain(text) => out.push_str(text),
                Piece::Dollar => out.push_str("$$"),
                Piece::Variable(Variable { name, default }) => match (self.values.get(name), default) {
                    (Some(Value::String(text)), _) => out.push_str(&text.replace('$', "$$")),
                    (Some(other), _) => out.push_str(&other.to_string()),
                    (None, Some(default)) => out.push_str(default),
                    (None, None) => {
                        let known: Vec<&str> = self.values.keys().map(String::as_str).collect();
                        return Err(tr!("'${{{name}}}' has no value; there are: {}", known.join(", "), name));
                    }
                },
            }
        }
        Ok(out)
    }
}

/// A service waits for none that is left out.
fn depend_on(service: &mut Map<String, Value>, left: &BTreeSet<String>) {
    match service.get_mut("depends_on") {
        Some(Value::Array(names)) => names.retain(|name| name.as_str().is_some_and(|name| left.contains(name))),
        Some(Value::Object(names)) => names.retain(|name, _| left.contains(name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(stage: Stage, without: &[&str]) -> Result<Value> {
        let template = json!({
            "version": "3.7",
            "services": {
                "db": { "image": "r/db:1", "volumes": ["${installDir}/data:/data"] },
                "web": { "image": "r/web:1", "ports": ["${port}:80", { "published": "${port}" }], "depends_on": ["db", "cache"], "command": "a $$b" },
                "cache": { "image": "r/web:${TAG:-1}", "environment": ["${port:-1}", "${other:-5}", "${other:-007}", "a${other:-b c}"] },
            },
        });
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let rendering = Rendering {
            values: &BTreeMap::from([("installDir".to_owned(), json!("/srv/$x")), ("port".to_owned(), json!(8080))]),
            images: &owned(&[("r/db:1", "sha256:d"), ("r/web:1", "sha256:w")]),
            without: &without.iter().map(|name| (*name).to_owned()).collect(),
            stores: &BTreeSet::from(["db".to_owned()]),
            stage,
        };
        rendering.render(&template, "test")
    }

    #[test]
    fn images_are_ids_and_only_an_open_stack_publishes_ports() {
        let open = render(Stage::Open, &["cache"]).expect("rendered");
        let expected = json!({
            "version": "3.7",
            "services": {
                "db": { "image": "sha256:d", "volumes": ["/srv/$$x/data:/data"] },
                "web": { "image": "sha256:w", "ports": ["8080:80", { "published": 8080 }], "depends_on": ["db"], "command": "a $$b" },
            },
        });
        assert_eq!(open, expected);
        let closed = render(Stage::Closed, &[]).expect("rendered");
        assert!(closed["services"]["web"].get("ports").is_none());
        assert_eq!(
            closed["services"]["cache"],
            json!({ "image": "sha256:w", "environment": [8080, 5, "007", "ab c"] })
        );
        let stores = render(Stage::Stores, &[]).expect("rendered");
        assert_eq!(stores["services"].as_object().map(Map::len), Some(1));
    }

    #[test]
    fn what_is_left_open_is_an_error() {
        let template = |text: &str| json!({ "services": { "a": { "image": "x", "command": text } } });
        for (text, why) in
            [("${other}", "has no value"), ("$other", "not '$$'"), ("${port", "not '$$'"), ("", "was not carried")]
        {
            let none = BTreeMap::new();
            let rendering = Rendering {
                values: &BTreeMap::new(),
                images: &none,
                without: &BTreeSet::new(),
                stores: &BTreeSet::new(),
                stage: Stage::Open,
            };
            let error = rendering.render(&template(text), "test").expect_err(text);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(render(Stage::Open, &["db", "web", "cache"]).is_err(), "nothing is left");
    }
}
