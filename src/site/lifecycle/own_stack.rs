//! What a stack of one host has that no template says: its node, secrets by their content, and what its programs read.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::configuration::Configuration;
use super::instance::Instance;
use crate::digest::Digest;
use crate::error::Result;
use crate::small_file;

/// The container's label by which a changed configuration starts it anew.
const CONFIGURATION: &str = "pack.configuration";
/// The format of a stack file that names none: the newest that Docker 18.06 takes.
const FORMAT: &str = "3.7";
/// The largest secret that the engine takes, in bytes.
const LARGEST_SECRET: u64 = 500 << 10;

/// Completes a rendered stack of `instance` for the node `node`: data lies on it, and on no other.
///
/// # Errors
/// A secret or the configuration cannot be read.
pub(super) fn complete(document: &mut Value, instance: &Instance, node: &str) -> Result<()> {
    let digest = match Configuration::of(instance) {
        Some(configuration) => configuration.digest()?,
        None => None,
    };
    as_stacks_have_it(document);
    let mut used = BTreeSet::new();
    for (name, service) in document["services"].as_object_mut().into_iter().flatten() {
        let Some(service) = service.as_object_mut() else { continue };
        bind(service, node);
        if let Some(digest) = &digest
            && !instance.product().stores().contains(name)
        {
            label(service, &digest.hex());
        }
        used.extend(secrets_of(service));
    }
    keep_secrets(document, &used, instance.name())
}

/// What Compose files of today say otherwise than `docker stack deploy` takes it: they have a name and no version, and conditions
/// for depending on one another, which no stack waits for. What only served to write the template says nothing of what runs.
fn as_stacks_have_it(document: &mut Value) {
    let Some(document) = document.as_object_mut() else { return };
    document.retain(|key, _| !key.starts_with("x-") && key != "name");
    document.entry("version").or_insert_with(|| Value::from(FORMAT));
    let services = document.get_mut("services").and_then(Value::as_object_mut);
    for depends_on in services.into_iter().flatten().filter_map(|(_, service)| service.get_mut("depends_on")) {
        if let Value::Object(conditions) = depends_on {
            *depends_on = conditions.keys().map(|name| Value::from(name.as_str())).collect();
        }
    }
}

fn bind(service: &mut Map<String, Value>, node: &str) {
    let deploy = object(service, "deploy");
    let placement = object(deploy, "placement");
    let constraints = placement.entry("constraints").or_insert_with(|| json!([]));
    if let Value::Array(constraints) = constraints {
        constraints.push(Value::String(format!("node.id == {node}")));
    }
}

fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().unwrap_or_else(|| unreachable!("it was made one"))
}

fn label(service: &mut Map<String, Value>, value: &str) {
    match service.entry("labels").or_insert_with(|| json!({})) {
        Value::Array(list) => list.push(Value::String(format!("{CONFIGURATION}={value}"))),
        Value::Object(map) => drop(map.insert(CONFIGURATION.to_owned(), Value::from(value))),
        _ => {}
    }
}

fn secrets_of(service: &Map<String, Value>) -> Vec<String> {
    let named = service.get("secrets").and_then(Value::as_array).into_iter().flatten();
    named.filter_map(|secret| secret.as_str().or_else(|| secret["source"].as_str()).map(str::to_owned)).collect()
}

/// Secrets that no service reads are left out. The engine never changes one, so that another content has another name.
fn keep_secrets(document: &mut Value, used: &BTreeSet<String>, stack: &str) -> Result<()> {
    let Some(secrets) = document.get_mut("secrets").and_then(Value::as_object_mut) else { return Ok(()) };
    secrets.retain(|name, _| used.contains(name));
    for (name, secret) in secrets.iter_mut() {
        let Some(file) = secret.get("file").and_then(Value::as_str) else { continue };
        let Some(content) = small_file::read_if_there(Path::new(file), LARGEST_SECRET)? else { continue };
        let name = format!("{stack}_{name}_{}", &Digest::of(&content).hex()[..12]);
        if let Some(secret) = secret.as_object_mut() {
            secret.entry("name").or_insert(Value::String(name));
        }
    }
    if secrets.is_empty()
        && let Some(document) = document.as_object_mut()
    {
        document.remove("secrets");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_stays_on_its_node() {
        let mut service =
            json!({ "deploy": { "placement": { "constraints": ["node.labels.x == y"] } }, "labels": ["a=b"] });
        let service = service.as_object_mut().expect("a map");
        bind(service, "n1");
        label(service, "d");
        assert_eq!(service["deploy"]["placement"]["constraints"], json!(["node.labels.x == y", "node.id == n1"]));
        assert_eq!(service["labels"], json!(["a=b", "pack.configuration=d"]));
        let mut bare = Map::new();
        bind(&mut bare, "n1");
        label(&mut bare, "d");
        assert_eq!(
            Value::Object(bare),
            json!({ "deploy": { "placement": { "constraints": ["node.id == n1"] } }, "labels": { "pack.configuration": "d" } })
        );
    }

    #[test]
    fn a_compose_file_of_today_is_as_an_engine_of_yesterday_takes_it() {
        let mut document = json!({
            "name": "shop", "x-base": {},
            "services": { "a": { "depends_on": { "b": { "condition": "service_healthy" } } }, "b": { "depends_on": ["c"] }, "c": {} },
        });
        as_stacks_have_it(&mut document);
        let services = json!({ "a": { "depends_on": ["b"] }, "b": { "depends_on": ["c"] }, "c": {} });
        assert_eq!(document, json!({ "version": "3.7", "services": services }));
        let mut document = json!({ "version": "3.8", "services": {} });
        as_stacks_have_it(&mut document);
        assert_eq!(document["version"], "3.8");
    }

    #[test]
    fn a_secret_is_named_by_its_content_and_one_that_nobody_reads_is_left_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("a");
        let named = |content: &str| {
            std::fs::write(&file, content).expect("written");
            let mut document = json!({ "secrets": { "a": { "file": file }, "b": { "file": file } } });
            keep_secrets(&mut document, &BTreeSet::from(["a".to_owned()]), "x").expect("kept");
            assert!(document["secrets"].get("b").is_none());
            document["secrets"]["a"]["name"].as_str().expect("named").to_owned()
        };
        let one = named("one");
        assert!(one.starts_with("x_a_") && one != named("two") && one == named("one"), "{one}");
        for (size, is_taken) in [(LARGEST_SECRET, true), (LARGEST_SECRET + 1, false)] {
            std::fs::write(&file, vec![b'x'; size as usize]).expect("written");
            let mut document = json!({ "secrets": { "a": { "file": file } } });
            let taken = keep_secrets(&mut document, &BTreeSet::from(["a".to_owned()]), "x");
            assert_eq!(taken.is_ok(), is_taken, "{size} bytes");
        }
        let mut document = json!({ "secrets": { "a": { "file": file } } });
        keep_secrets(&mut document, &BTreeSet::new(), "x").expect("kept");
        assert!(document.get("secrets").is_none());
    }
}
