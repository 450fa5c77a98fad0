//! What runs of a stack now, as the engine says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::docker::{lines, order};
use crate::error::{Error, Result};
use crate::in_order::InOrder;
use crate::language::tr;

/// A container of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) id: String,
    /// The engine's ID of its image.
    pub(super) image: String,
    /// `running`, `exited`, …
    pub(super) status: String,
    /// `healthy`, `starting`, `unhealthy`; nothing where the image has no check.
    pub(super) health: Option<String>,
    pub(super) started: String,
}

/// A service and its containers.
#[derive(Debug, Clone, Default)]
pub(super) struct Service {
    /// How many of how many tasks run, in the engine's words: `1/1`.
    pub(super) replicas: String,
    pub(super) containers: Vec<Container>,
}

/// A task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedTask {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) error: String,
}

/// All of a stack.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    /// By the service's name in the stack file.
    pub(super) services: BTreeMap<String, Service>,
    /// Those that the engine remembers.
    pub(super) failed: Vec<FailedTask>,
}

/// What runs of the stack `name`.
///
/// # Errors
/// The engine does not answer, or its answer is not understood.
pub(super) fn observe(name: &str) -> Result<Observed> {
    let label = format!("label=com.docker.stack.namespace={name}");
    let prefix = format!("{name}_");
    let mut observed = Observed::default();
    let listed = order(&["service", "ls", "--filter", &label, "--format", "{{.Name}} {{.Replicas}}"])?;
    for line in lines(&listed) {
        let (service, replicas) = line.split_once(' ').unwrap_or((line, ""));
        let service = service.strip_prefix(&prefix).unwrap_or(service).to_owned();
        let replicas = replicas.split(' ').next().unwrap_or_default().to_owned();
        observed.services.insert(service, Service { replicas, containers: Vec::new() });
    }
    for (service, container) in containers(&label)? {
        let service = service.strip_prefix(&prefix).unwrap_or(&service).to_owned();
        observed.services.entry(service).or_default().containers.push(container);
    }
    if !observed.services.is_empty() {
        observed.failed = failed_tasks(name, &prefix)?;
    }
    Ok(observed)
}

/// The containers with a label that are there, with their services' full names.
fn containers(label: &str) -> Result<Vec<(String, Container)>> {
    #[derive(Deserialize)]
    struct Told {
        id: String,
        image: String,
        state: ToldState,
        labels: BTreeMap<String, String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ToldState {
        status: String,
        started_at: String,
        health: Option<ToldHealth>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ToldHealth {
        status: String,
    }
    const FORMAT: &str =
        r#"{"id":{{json .Id}},"image":{{json .Image}},"state":{{json .State}},"labels":{{json .Config.Labels}}}"#;
    // One that ends between two questions is asked for in vain: then all are asked for again.
    for _ in 0..5 {
        let listed = order(&["ps", "--all", "--quiet", "--no-trunc", "--filter", label])?;
        let ids: Vec<&str> = lines(&listed).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let words: Vec<&str> = ["inspect", "--type", "container", "--format", FORMAT].into_iter().chain(ids).collect();
        let Ok(told) = order(&words) else { continue };
        return lines(&told)
            .map(|line| {
                let told: Told = serde_json::from_str(line).map_err(|cause| {
                    Error::failed(tr!("an answer of Docker is not understood"))
                        .fact("command", "docker inspect")
                        .fact("cause", cause)
                        .hint(tr!("see which Docker this is: docker version"))
                })?;
                let service = told.labels.get("com.docker.swarm.service.name").cloned().unwrap_or_default();
                let health = told.state.health.map(|health| health.status).filter(|health| health != "none");
                let (status, started) = (told.state.status, told.state.started_at);
                Ok((service, Container { id: told.id, image: told.image, status, health, started }))
            })
            .collect();
    }
    Err(Error::failed(tr!("Docker does not tell of the containers that it lists"))
        .hint(tr!("docker ps --all; then the same command again")))
}

fn failed_tasks(name: &str, prefix: &str) -> Result<Vec<FailedTask>> {
    let format = "{{.ID}}\t{{.Name}}\t{{.CurrentState}}\t{{.Error}}";
    let listed = order(&["stack", "ps", "--no-trunc", "--format", format, name])?;
    let failed = lines(&listed).filter_map(|line| {
        let mut parts = line.splitn(4, '\t');
        let (id, task, state, error) = (parts.next()?, parts.next()?, parts.next()?, parts.next().unwrap_or_default());
        let has_failed = state.starts_with("Failed") || state.starts_with("Rejected");
        // `NAME_SERVICE.1`, or `NAME_SERVICE.NODE` of a global one.
        let service = task.strip_prefix(prefix).unwrap_or(task).rsplit_once('.').map_or(task, |(service, _)| service);
        has_failed.then(|| FailedTask {
            id: id.to_owned(),
            service: service.to_owned(),
            error: error.trim_matches('"').to_owned(),
        })
    });
    Ok(failed.collect())
}

impl Container {
    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        self.status == "running"
    }

    /// Whether it runs and its check, if it has one, is content.
    pub(super) fn is_healthy(&self) -> bool {
        self.is_running() && self.health.as_deref().is_none_or(|health| health == "healthy")
    }
}

impl Observed {
    /// The containers that run, by their services' names.
    pub(super) fn running(&self) -> BTreeMap<&str, &Container> {
        let each = self.services.iter().filter_map(|(name, service)| {
            let running = service.containers.iter().find(|container| container.is_running())?;
            Some((name.as_str(), running))
        });
        each.in_order()
    }

    /// The IDs of the tasks that have failed so far.
    pub(super) fn failures(&self) -> BTreeSet<String> {
        self.failed.iter().map(|task| task.id.clone()).in_order()
    }
}
