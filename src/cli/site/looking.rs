//! `pack site status`, `logs`, `doctor` and `receipt`.

use super::*;
use crate::error::Error;
use crate::language::tr;
use crate::site::lifecycle::{Level, log_of, pass_on_logs};
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
        (true, ..) => tr!("uninstalled: only its data is left"),
        (_, true, _) => tr!("stopped: 'pack site restart' starts it"),
        (.., true) => tr!("up"),
        (.., false) => tr!("NOT all up"),
    };
    let mut text = tr!("{} {}: {what}\n  data      {}\n", status.title, state.current.version, state.install_dir, what);
    for service in &status.services {
        text += &format!("  {:<16} {:<6} {}", service.name, service.replicas, service.state);
        text += &service.since.as_ref().map_or_else(String::new, |since| tr!(" since {since}", since));
        text += &service
            .last_failure
            .as_ref()
            .map_or_else(String::new, |failure| tr!(" (last failure: {failure})", failure));
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
            return Err(Error::usage(tr!("there is no service '{service}'", service))
                .fact("there are", names.join(", "))
                .hint(tr!("pack site logs SERVICE")));
        }
        None => names,
    };
    if args.follow && wanted.len() > 1 {
        return Err(Error::usage(tr!("one service can be followed"))
            .fact("there are", wanted.join(", "))
            .hint(tr!("pack site logs {} -f", wanted[0])));
    }
    if terminal.json() {
        if args.follow {
            return Err(Error::usage(tr!("what goes on for ever is no JSON document"))
                .hint(tr!("pack site logs --json {}", wanted[0])));
        }
        let mut services = serde_json::Map::new();
        for service in wanted {
            let lines = log_of(&format!("{}_{service}", installed.place.name()), args.tail)?;
            services.insert(service.to_owned(), json!(lines));
        }
        terminal.document(&json!({ "name": installed.place.name(), "services": services }))?;
        return Ok(0);
    }
    for service in wanted {
        let full = format!("{}_{service}", installed.place.name());
        terminal.text(&format!("== {service}"))?;
        if !pass_on_logs(&full, args.tail, args.follow)? {
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
        let failure = service.last_failure.as_deref().map_or_else(|| tr!("no failure is known"), str::to_owned);
        terminal.text(&tr!(
            "  error    {} is {} ({failure})\n           -> pack site logs {0}",
            service.name,
            service.state,
            failure
        ))?;
    }
    Ok(u8::from(!is_well))
}

pub(super) fn receipt(args: &NameArgs, terminal: &Terminal) -> Result<u8> {
    let receipt = look::receipt(args.get())?;
    terminal.document(&receipt)?;
    let mut text = tr!(
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
