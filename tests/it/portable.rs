//! DataFlux Func as `portable/` describes it: every choice gives the stack that was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use pack::product::Product;
use pack::stack::{self, Rendering, Stage};
use serde_json::{Value, json};

use crate::support::top;

const WORKERS: [&str; 4] = ["worker-0", "worker-1-6", "worker-7", "worker-8-9"];
const SWITCHES: [&str; 4] = ["mini", "mysql", "redis", "mqtt"];

fn text(name: &str) -> String {
    fs::read_to_string(top().join("portable").join(name)).expect("readable")
}

/// What the engine is given for these options.
fn render(product: &Product, template: &Value, options: &BTreeMap<String, Value>) -> Value {
    let named = stack::images_of(template, "template").expect("images");
    let images = named.into_iter().map(|one| (one.image.to_string(), format!("sha256:{}", one.image))).collect();
    let rendering = Rendering {
        values: &product.template_values(options, "/srv/func", "1.0.0"),
        images: &images,
        without: &product.without(options),
        stores: &product.stores(),
        stage: Stage::Open,
    };
    rendering.render(template, "template").expect("rendered")
}

#[test]
fn every_choice_gives_the_stack_that_was_asked_for() {
    let product = Product::parse(&text("product.yaml"), "product.yaml").expect("valid");
    let template = stack::read(&text("docker-stack.example.yaml"), "template").expect("valid");
    let engines = ["docker-18.06.3-ce.tgz", "docker-24.0.9.tgz"];
    let has_hook = |_, name: &pack::path::RelPath| {
        engines.contains(&name.as_str()) || top().join("portable").join(name.as_str()).is_file()
    };
    product.check_against(&template, &has_hook, "product.yaml").expect("what it names is there");
    for choice in 0..1 << SWITCHES.len() {
        let mut options: BTreeMap<String, Value> =
            product.options.iter().map(|(name, option)| (name.clone(), option.default.clone())).collect();
        for (bit, switch) in SWITCHES.iter().enumerate() {
            options.insert((*switch).to_owned(), json!(choice & (1 << bit) != 0));
        }
        options.insert("port".to_owned(), json!(9_000));
        let is_on = |switch: &str| options[switch] == json!(true);
        let stack = render(&product, &template, &options);
        let services = stack["services"].as_object().expect("services");

        let mut wanted = BTreeSet::from(["server", "beat"]);
        wanted.extend(if is_on("mini") { vec!["worker"] } else { WORKERS.to_vec() });
        let switched = [("mysql", "mysql"), ("redis", "redis"), ("mosquitto", "mqtt")];
        wanted.extend(switched.iter().filter(|(_, switch)| is_on(switch)).map(|(service, _)| *service));
        assert_eq!(services.keys().map(String::as_str).collect::<BTreeSet<_>>(), wanted, "{options:?}");

        for (name, service) in services {
            assert!(service["image"].as_str().is_some_and(|image| image.starts_with("sha256:")), "{name}");
            assert_eq!(service["deploy"]["endpoint_mode"], "dnsrr", "{name}");
            assert!(!service["logging"]["options"]["max-size"].is_null(), "{name}");
            assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
            let limits = &service["deploy"]["resources"]["limits"];
            assert!(limits["memory"].is_string() && limits["cpus"].is_string(), "{name}");
            let published = ["server", "mosquitto"].contains(&name.as_str());
            assert_eq!(service.get("ports").is_some(), published, "{name}");
            let healthy = ["server", "mosquitto", "mysql", "redis"].contains(&name.as_str());
            assert_eq!(service.get("healthcheck").is_some(), healthy, "{name}");
            let own = ["mysql", "redis", "mosquitto"].contains(&name.as_str());
            assert_eq!(service["init"] == json!(true), !own, "{name}");
            for volume in service["volumes"].as_array().expect("volumes") {
                let is_own = volume["source"].as_str().is_none_or(|source| source.starts_with("/srv/func/"));
                assert!(is_own, "{name}: {volume}");
            }
            if name.starts_with("worker") {
                assert!(!service["stop_grace_period"].is_null(), "{name} has no time to end");
            }
        }
        assert_eq!(services["server"]["ports"][0]["published"], 9_000);
        let command = services["server"]["command"][2].as_str().expect("a command");
        assert!(command.starts_with(&format!("[ \"{}\" = true ]", is_on("mqtt"))), "{command}");
    }
}

#[test]
fn every_queue_has_its_worker() {
    let template = stack::read(&text("docker-stack.example.yaml"), "template").expect("valid");
    let queues = |name: &str| template["services"][name]["command"].as_array().expect("a command").clone();
    let mut all: Vec<String> = WORKERS
        .iter()
        .flat_map(|name| {
            let command = queues(name);
            assert_eq!(command[0], "./run-worker-by-queue.sh");
            command[1..].iter().map(|queue| queue.as_str().expect("a text").to_owned()).collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    assert_eq!(all, (0..10).map(|queue| queue.to_string()).collect::<Vec<_>>());
    assert_eq!(queues("worker"), [json!("./run-worker.sh")]);
}
