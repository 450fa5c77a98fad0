//! The gate: a version counts as running when every task is healthy for a while, from the right image, and the
//! product's own probes succeed.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::deploy::Deployment;
use super::docker::last_words;
use super::hook::Hook;
use super::instance::Instance;
use super::observe::{Container, FailedTask, Observed, observe};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::product::{HookVerb, is_on};
use crate::site::question::ask_once;
use crate::stack::Stage;

/// After so many failed tasks of one service nobody waits on.
const FAILURES: usize = 3;
/// How often what holds it up is told.
const TELL: Duration = Duration::from_secs(10);

/// What a gate waits for.
struct Gate<'a> {
    instance: &'a Instance,
    stage: Stage,
    deployment: &'a Deployment,
    watch: Watch<'a>,
    deadline: Instant,
    allowed: Duration,
}

/// Waits until `deployment`, a stage of `instance`, has passed its gate.
///
/// # Errors
/// It has not in its time, a service fails again and again, a container has another image, or a signal has come: why, and
/// the last lines that the service wrote.
pub(super) fn pass(instance: &Instance, stage: Stage, deployment: &Deployment, watch: Watch<'_>) -> Result<()> {
    let allowed = Duration::from_secs(watch.timeout.unwrap_or(instance.product().gate.timeout));
    Gate { instance, stage, deployment, watch, deadline: Instant::now() + allowed, allowed }.wait()
}

impl Gate<'_> {
    fn wait(&self) -> Result<()> {
        let steady = match self.stage {
            Stage::Stores => Duration::ZERO,
            Stage::Closed | Stage::Open => Duration::from_secs(self.instance.product().gate.steady),
        };
        // The containers that were seen healthy, and since when.
        let mut seen: Option<(Vec<String>, Instant)> = None;
        let (mut told, mut told_at) = (String::new(), Instant::now());
        loop {
            self.watch.check()?;
            let observed = observe(self.instance.name())?;
            self.check_failures(&observed)?;
            let holds_up = match self.not_ready(&observed) {
                Some(why) => {
                    seen = None;
                    Some(why)
                }
                None => {
                    let now = containers(&observed);
                    let (_, since) = match seen.take().filter(|(before, _)| *before == now) {
                        Some(before) => seen.insert(before),
                        None => seen.insert((now, Instant::now())),
                    };
                    if since.elapsed() >= steady {
                        self.probe(&observed)?
                    } else {
                        Some((tr!("all services"), tr!("healthy, watched for a while")))
                    }
                }
            };
            let Some((service, why)) = holds_up else { return Ok(()) };
            if Instant::now() >= self.deadline {
                return Err(self
                    .verdict(&tr!("a service does not come up in time"), &service, &why)
                    .fact("waited", format_args!("{} s", self.allowed.as_secs())));
            }
            let line = format!("{service}: {why}");
            if line != told || told_at.elapsed() >= TELL {
                self.watch.progress.note(&line);
                (told, told_at) = (line, Instant::now());
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// What is not as it should be, if anything: of which service, and what.
    fn not_ready(&self, observed: &Observed) -> Option<(String, String)> {
        for (service, image) in &self.deployment.images {
            let found = observed.services.get(service);
            let Some(found) = found else { return Some((service.clone(), tr!("not known to Docker yet"))) };
            let running: Vec<_> = found.containers.iter().filter(|container| container.is_running()).collect();
            if let Some(other) = running.iter().find(|container| container.image != *image) {
                // The task before may still be ending; one that started now is another matter.
                return Some((service.clone(), tr!("runs the image {}, not {image}", other.image, image)));
            }
            let (up, wanted) = found.replicas.split_once('/').unwrap_or(("0", "1"));
            if wanted == "0" {
                continue;
            }
            // To the engine a task runs only once that is content.
            if let Some(ill) = running.iter().find(|container| !container.is_healthy()) {
                let health = ill.health.as_deref().unwrap_or("unknown");
                return Some((service.clone(), tr!("its health check says '{health}' since {}", ill.started, health)));
            }
            if running.is_empty() || up != wanted {
                let last = self.new_failures(observed).find(|task| task.service == *service);
                let why = last.map_or_else(
                    || tr!("{up} of {wanted} tasks run", up, wanted),
                    |task| tr!("{up} of {wanted} tasks run; the last one: {}", task.error, up, wanted),
                );
                return Some((service.clone(), why));
            }
        }
        // What is not of this stage must be gone: a web server that still runs still writes.
        let others = observed.services.iter().filter(|(name, _)| !self.deployment.images.contains_key(*name));
        for (name, service) in others {
            if service.containers.iter().any(Container::is_running) {
                return Some((name.clone(), tr!("still ending")));
            }
        }
        None
    }

    fn check_failures(&self, observed: &Observed) -> Result<()> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for task in self.new_failures(observed) {
            let count = counts.entry(&task.service).or_default();
            *count += 1;
            if *count >= FAILURES && self.deployment.images.contains_key(&task.service) {
                return Err(self.verdict(&tr!("a service fails again and again"), &task.service, &task.error));
            }
        }
        Ok(())
    }

    /// The tasks that have failed since it was deployed.
    fn new_failures<'a>(&'a self, observed: &'a Observed) -> impl Iterator<Item = &'a FailedTask> {
        observed.failed.iter().filter(|task| !self.deployment.failed_before.contains(&task.id))
    }

    /// What the product's probes say, if one of them fails.
    fn probe(&self, observed: &Observed) -> Result<Option<(String, String)>> {
        if self.stage == Stage::Stores {
            return Ok(None);
        }
        let running = observed.running();
        for probe in &self.instance.product().gate.probes {
            if !is_on(probe.when.as_deref(), &self.instance.deployed().options) {
                continue;
            }
            let Some(container) = running.get(probe.service.as_str()) else {
                return Ok(Some((probe.service.clone(), tr!("does not run, and is to be probed"))));
            };
            let mut words = vec!["exec", &container.id];
            words.extend(probe.command.iter().map(String::as_str));
            if ask_once(&words)?.is_none() {
                return Ok(Some((
                    probe.service.clone(),
                    tr!("the probe does not succeed: {}", probe.command.join(" ")),
                )));
            }
        }
        match Hook::of(self.instance, HookVerb::Health) {
            Some(hook) => {
                Ok(hook.run(&[], self.watch).err().map(|error| (tr!("the product's health hook"), error.to_string())))
            }
            None => Ok(None),
        }
    }

    /// The error, with the last lines that a service wrote.
    fn verdict(&self, title: &str, service: &str, why: &str) -> Error {
        let full = format!("{}_{service}", self.instance.name());
        let error = Error::failed(title)
            .fact("version", &self.instance.deployed().version)
            .fact("service", service)
            .fact("reason", why);
        match last_words(&full).as_slice() {
            [] => error,
            last => error.fact("its last words", last.join(" | ")),
        }
    }
}

fn containers(observed: &Observed) -> Vec<String> {
    let mut ids: Vec<String> = observed
        .services
        .values()
        .flat_map(|service| &service.containers)
        .filter(|container| container.is_running())
        .map(|container| format!("{} {}", container.id, container.started))
        .collect();
    ids.sort();
    ids
}
