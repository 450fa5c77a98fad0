//! The beginning of a `product.yaml`: what a stack file tells of the product, and what its publisher goes on with.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::check::{TAKEN, is_plain};
use crate::path::RelPath;
use crate::stack;

/// What a path below the install dir begins with in a stack template.
const INSTALL_DIR: &str = "${installDir}/";
/// Where the files of secrets lie below the install dir.
const SECRETS: &str = "secrets/";
/// The longest default of an option, in bytes, that is taken over from a stack file.
const OPTION_BYTES: usize = 1_024;

/// The text of a `product.yaml` for the stack file `stack`, whose content is `template`: its variables become options, what lies
/// below `${installDir}` folders and secrets. `name` is the product's.
pub fn skeleton(name: &str, stack: &RelPath, template: &Value) -> String {
    let services: Vec<&String> =
        template.get("services").and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
    let mut out = format!(
        "# What `pack site` does with the stack; docs/product.md of pack has every key.\nschemaVersion: 1\ntitle: {}\nstack: \
         {}\ninstallDir: /usr/local/{name}   # where data lies unless --install-dir says otherwise\n\n",
        quoted(name),
        quoted(stack.as_str())
    );
    out.push_str("# needs: { cores: 2, memory: 2GiB, disk: 10GiB }   # what the host must have\n");
    section(&mut out, "options:   # chosen by `install --set NAME=VALUE`", options(template));
    let first = services.first().map_or("db", |name| name.as_str());
    // Writing to a text cannot fail.
    let _ = write!(out, "\n# services:\n#   {first}: {{ store: true }}   # keeps data: it runs while a dump is made\n");
    section(&mut out, "folders:   # made below the install dir", folders(template));
    section(&mut out, "secrets:   # made once, in secrets/NAME below the install dir", secrets(template));
    out.push_str(
        "\ngate:   # what has to hold before a version counts as running, in seconds\n  steady: 10\n  timeout: 600\n",
    );
    out
}

fn section(out: &mut String, head: &str, lines: Vec<String>) {
    if !lines.is_empty() {
        let _ = write!(out, "\n{head}\n  {}\n", lines.join("\n  "));
    }
}

/// An option for each variable of the stack file that can be one.
fn options(template: &Value) -> Vec<String> {
    let variables = stack::variables(template).into_iter();
    let fits = |name: &str, default: &str| {
        let is_text = default.len() <= OPTION_BYTES && !default.chars().any(char::is_control);
        is_plain(name) && !TAKEN.contains(&name) && is_text
    };
    variables
        .map(|(name, default)| (name, default.unwrap_or_default()))
        .filter(|(name, default)| fits(name, default))
        .map(|(name, default)| {
            let number = default.parse::<u64>().ok().filter(|number| number.to_string() == default);
            let is_port = |number| name.to_lowercase().contains("port") && (1..=65_535).contains(&number);
            match number {
                Some(number) if is_port(number) => format!("{name}: {{ type: port, default: {number} }}"),
                Some(number) => format!("{name}: {{ type: number, default: {number} }}"),
                None => format!("{name}: {{ type: text, default: {} }}", quoted(&default)),
            }
        })
        .collect()
}

/// What services mount of the install dir, but for what looks like a file.
fn folders(template: &Value) -> Vec<String> {
    let services = template.get("services").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let volumes = services.filter_map(|service| service.get("volumes")?.as_array()).flatten();
    let sources = volumes.filter_map(|volume| match volume {
        Value::String(text) => text.strip_prefix(INSTALL_DIR)?.split(':').next(),
        other => other.get("source")?.as_str()?.strip_prefix(INSTALL_DIR),
    });
    let paths: BTreeSet<RelPath> = sources.filter_map(|path| path.trim_end_matches('/').parse().ok()).collect();
    let is_folder = |path: &RelPath| !path.parts().last().is_some_and(|last| last.contains(['.', '$']));
    let folders = paths.into_iter().filter(|path| is_folder(path) && !path.as_str().starts_with(SECRETS));
    folders.map(|path| format!("- {{ path: {} }}", quoted(path.as_str()))).collect()
}

/// The secrets whose files lie where `pack site` makes them.
fn secrets(template: &Value) -> Vec<String> {
    let secrets = template.get("secrets").and_then(Value::as_object).into_iter().flatten();
    let names = secrets
        .filter_map(|(_, secret)| secret.get("file")?.as_str()?.strip_prefix(INSTALL_DIR)?.strip_prefix(SECRETS));
    let names: BTreeSet<&str> = names.filter(|name| is_plain(name)).collect();
    names.into_iter().map(|name| format!("- {}", quoted(name))).collect()
}

/// A text in quotes where YAML might take it for something else.
fn quoted(text: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let is_word = text.contains(['-', '_', '/']) || text.contains(".y");
    if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_safe) && is_word {
        text.to_owned()
    } else {
        // JSON is YAML.
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Kind;
    use crate::product::{OptionType, Product};

    const STACK: &str = "
services:
  db:
    image: shop/db:${TAG:-8.0}
    volumes: [\"${installDir}/data/db:/var/lib/db\", \"${installDir}/db.cnf:/etc/db.cnf\", \"named:/x\"]
  web:
    image: shop/web:1
    environment: { LEVEL: \"${LEVEL:-on}\", TAG: \"${TAG:-8.0}\", WHO: \"${WHO}\", V: \"${version}\", _X: \"${_X:-1}\" }
    ports: [\"${WEB_PORT:-8080}:80\"]
    deploy: { replicas: \"${REPLICAS:-2}\" }
    volumes: [{ type: bind, source: \"${installDir}/data/up/\", target: /up }]
secrets: { a: { file: \"${installDir}/secrets/a-1\" }, b: { external: true } }
";

    #[test]
    fn what_a_stack_file_tells_is_in_it_and_it_fits_the_stack() {
        let template = stack::read(STACK, "test").expect("a stack");
        let text = skeleton("shop", &"compose.yaml".parse().expect("a path"), &template);
        let product = Product::parse(&text, "test").expect(&text);
        product.check_against(&template, &|kind, _| kind == Kind::Stack, "test").expect(&text);
        let options: Vec<_> = product.options.iter().map(|(name, option)| (name.as_str(), option.kind)).collect();
        let (number, port, text) = (OptionType::Number, OptionType::Port, OptionType::Text);
        assert_eq!(options, [("LEVEL", text), ("REPLICAS", number), ("WEB_PORT", port), ("WHO", text)]);
        assert_eq!(product.options["LEVEL"].default, "on");
        let folders: Vec<_> = product.folders.iter().map(|folder| folder.path.as_str()).collect();
        assert_eq!(folders, ["data/db", "data/up"]);
        assert_eq!(product.secrets[0].name, "a-1");
        assert_eq!((product.title.as_str(), product.install_dir.as_str()), ("shop", "/usr/local/shop"));
    }

    #[test]
    fn of_a_stack_that_tells_nothing_it_is_one_too() {
        let template = stack::read("services: { a: { image: x } }", "test").expect("a stack");
        let text = skeleton("0", &"on".parse().expect("a path"), &template);
        let product = Product::parse(&text, "test").expect(&text);
        assert_eq!((product.title.as_str(), product.stack.as_str()), ("0", "on"));
    }
}
