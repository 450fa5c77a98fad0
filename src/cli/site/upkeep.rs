//! `pack site restart`, `stop`, `backup`, `restore`, `rollback`, `uninstall` and `recover`.

use super::*;
use crate::cli::terminal::shown;
use crate::error::Error;
use crate::site::lifecycle::Recovered;
use crate::task::site::{recover as recovery, restore as restoring, rollback as going_back, upkeep};

#[derive(Args)]
pub(super) struct WaitArgs {
    #[command(flatten)]
    pub(super) name: NameArgs,
    /// How long the services may take to come up [default: as the product has it]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) timeout: Option<u64>,
}

#[derive(Args)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    wait: WaitArgs,
    /// What is written since is given up
    #[arg(short, long)]
    yes: bool,
    /// Say what it costs; change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub(super) struct RestoreArgs {
    /// The dump
    file: PathBuf,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Args)]
pub(super) struct UninstallArgs {
    #[command(flatten)]
    name: NameArgs,
    /// Remove data, dumps and images too
    #[arg(long)]
    purge: bool,
    /// The data is given up
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn rollback(args: &RollbackArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.wait.name.get();
    let cost = going_back::cost(name)?;
    let data = match &cost.dump {
        Some(dump) => format!(
            "the database becomes what it was then ({dump}); what was written since is lost to it, and saved in a dump"
        ),
        None => "the database stays as it is".to_owned(),
    };
    if args.dry_run {
        terminal.document(&json!({ "from": cost.from, "to": cost.to, "dump": cost.dump }))?;
        terminal.text(&format!("{} becomes {}: {data}", cost.from, cost.to))?;
        return Ok(0);
    }
    if !args.yes {
        return Err(Error::usage(format_args!("going back from {} to {} costs something", cost.from, cost.to))
            .fact("cost", data)
            .hint("if this is meant: pack site rollback --yes"));
    }
    let receipt = at_work(terminal, signals, args.wait.timeout, |at_work| going_back::run(name, at_work))?;
    terminal.document(&receipt)?;
    install::installed(&receipt, terminal)?;
    Ok(0)
}

pub(super) fn restart(args: &WaitArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let state = at_work(terminal, signals, args.timeout, |at_work| upkeep::restart(args.name.get(), at_work))?;
    terminal.document(&json!({ "name": state.name, "version": state.current.version.to_string(), "up": true }))?;
    terminal.text(&format!("{} {} runs ({})", state.name, state.current.version, terminal.took()))?;
    Ok(0)
}

pub(super) fn stop(args: &NameArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let state = at_work(terminal, signals, None, |at_work| upkeep::stop(args.get(), at_work))?;
    terminal.document(&json!({ "name": state.name, "stopped": true }))?;
    terminal.text(&format!(
        "{} is stopped; its data stays in {}; to start it: pack site restart",
        state.name, state.install_dir
    ))?;
    Ok(0)
}

pub(super) fn backup(args: &NameArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let made = at_work(terminal, signals, None, |at_work| upkeep::backup(args.get(), at_work))?;
    terminal.document(&json!({ "dump": shown::path(&made) }))?;
    terminal.text(&format!("{}\nto put it back: pack site restore {0}", made.display()))?;
    Ok(0)
}

pub(super) fn restore(args: &RestoreArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.wait.name.get();
    let state = at_work(terminal, signals, args.wait.timeout, |at_work| restoring::run(name, &args.file, at_work))?;
    terminal.document(&json!({ "name": state.name, "restored": shown::path(&args.file) }))?;
    terminal.text(&format!(
        "{} {} runs on {} ({})",
        state.name,
        state.current.version,
        args.file.display(),
        terminal.took()
    ))?;
    Ok(0)
}

pub(super) fn uninstall(args: &UninstallArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    if args.purge && !args.yes {
        return Err(Error::usage("--purge removes the data, the dumps and the way back for good")
            .hint("if this is meant: pack site uninstall --purge --yes"));
    }
    let state = at_work(terminal, signals, None, |at_work| upkeep::uninstall(args.name.get(), args.purge, at_work))?;
    terminal.document(&json!({ "name": state.name, "removed": true, "purged": args.purge }))?;
    let data = if args.purge {
        "its data too".to_owned()
    } else {
        format!("its data stays in {}: installing again finds it", state.install_dir)
    };
    terminal.text(&format!("{} is removed; {data}", state.name))?;
    Ok(0)
}

pub(super) fn recover(args: &NameArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let report = at_work(terminal, signals, None, |at_work| recovery::run(args.get(), at_work))?;
    let rows: Vec<Value> =
        report.iter().map(|(name, outcome)| json!({ "name": name, "outcome": described(outcome) })).collect();
    terminal.document(&json!({ "products": rows }))?;
    let mut code = 0;
    for (name, outcome) in &report {
        match outcome {
            Ok(_) => terminal.text(&format!("{name}: {}", described(outcome)))?,
            Err(error) => {
                terminal.problem(error);
                code = error.class().exit_code();
            }
        }
    }
    Ok(code)
}

fn described(outcome: &Result<Recovered>) -> String {
    match outcome {
        Ok(Recovered::Nothing) => "nothing was left unfinished".to_owned(),
        Ok(Recovered::Finished(version)) => format!("{version} runs: its update has come to its end"),
        Ok(Recovered::TakenBack(Some(version))) => format!("{version} runs again, as it was"),
        Ok(Recovered::TakenBack(None)) => "the installation that was broken off is undone; its data stays".to_owned(),
        Err(error) => error.to_string(),
    }
}
