//! `pack site status`, `logs`, `doctor` and `receipt`.

use std::process::Command;

use super::*;
use crate::error::Error;
use crate::site::lifecycle::Level;
use crate::task::site::{installed::Installed, look};

#[derive(Args)]
pub(super) struct LogsArgs {
    /// The service [default: all]
    service: Option<String>,
    /// Go on as more is said
    #[arg(short, long)]
    follow: bool,
    /// How many lines of each
    #[arg(long, default_value_t = 50)]
    tail: u32,
    #[command(flatten)]
    name: NameArgs,
}

pub(super) fn status(args: &NameArgs, terminal: &Terminal) -> Result<u8> {
    let status = look::status(args.get())?;
    let state = &status.state;
    terminal.document(&json!({
        "name": state.name,
        "version": state.current.version.to_string(),
        "installDir": state.install_dir,
        "stopped": state.stopped,
        "removed": state.removed,
        "up": status.is_up(),
        "previous": state.previous.as_ref().map(|previous| previous.deployed.version.to_string()),
        "services": status.services,
    }))?;
    let what = match (state.removed, state.stopped, status.is_up()) {
        (true, ..) => "uninstalled: only its data is left",
        (_, true, _) => "stopped: 'pack site restart' starts it",
        (.., true) => "up",
        (.., false) => "NOT all up",
    };
    let mut text = format!("{} {}: {what}\n  data      {}\n", status.title, state.current.version, state.install_dir);
    for service in &status.services {
        text += &format!("  {:<16} {:<6} {}", service.name, service.replicas, service.state);
        text += &service.since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
        text +=
            &service.last_failure.as_ref().map_or_else(String::new, |failure| format!(" (last failure: {failure})"));
        text.push('\n');
    }
    terminal.text(&text)?;
    Ok(u8::from(!status.is_up()))
}

pub(super) fn logs(args: &LogsArgs, terminal: &Terminal) -> Result<u8> {
    let installed = Installed::find_in_use(args.name.get())?;
    let services = look::status(args.name.get())?.services;
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    let wanted: Vec<&str> = match &args.service {
        Some(service) if names.contains(&service.as_str()) => vec![service],
        Some(service) => {
            return Err(Error::usage(format_args!("there is no service '{service}'"))
                .fact("there are", names.join(", "))
                .hint("pack site logs SERVICE"));
        }
        None => names,
    };
    if args.follow && wanted.len() > 1 {
        return Err(Error::usage("one service can be followed")
            .fact("there are", wanted.join(", "))
            .hint(format_args!("pack site logs {} -f", wanted[0])));
    }
    for service in wanted {
        let full = format!("{}_{service}", installed.place.name());
        terminal.text(&format!("== {service}"))?;
        let tail = args.tail.to_string();
        let mut command = Command::new("docker");
        command
            .args(["service", "logs", "--raw", "--timestamps", "--tail", &tail])
            .args(args.follow.then_some("--follow"))
            .arg(&full);
        let status = command
            .status()
            .map_err(|cause| Error::failed("cannot start 'docker'").fact("cause", cause).hint("docker version"))?;
        if !status.success() {
            return Ok(1);
        }
    }
    Ok(0)
}

pub(super) fn doctor(args: &NameArgs, terminal: &Terminal) -> Result<u8> {
    let findings = look::findings(args.get())?;
    let status = look::status(args.get())?;
    let is_well = status.is_up() && findings.iter().all(|finding| finding.level != Level::Error);
    terminal.document(&json!({ "up": status.is_up(), "findings": findings, "services": status.services }))?;
    install::show_findings(&findings, terminal)?;
    for service in status.services.iter().filter(|service| !service.ok) {
        let failure = service.last_failure.as_deref().unwrap_or("no failure is known");
        terminal.text(&format!(
            "  error    {} is {} ({failure})\n           -> pack site logs {0}",
            service.name, service.state
        ))?;
    }
    Ok(u8::from(!is_well))
}

pub(super) fn receipt(args: &NameArgs, terminal: &Terminal) -> Result<u8> {
    let receipt = look::receipt(args.get())?;
    terminal.document(&receipt)?;
    let mut text = format!(
        "{} {}\n  manifest  {}\n  signature {}\n  committed {} in {} s\n  data      {}\n",
        receipt.name,
        receipt.version,
        receipt.manifest,
        receipt.signed,
        receipt.committed,
        receipt.seconds,
        receipt.install_dir
    );
    for (service, image) in &receipt.containers {
        text += &format!("  {service:<16} {image}\n");
    }
    terminal.text(&text)?;
    Ok(0)
}
