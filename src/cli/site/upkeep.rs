//! `pack site restart`, `stop`, `backup`, `restore`, `rollback`, `uninstall` and `recover`.

use super::*;
use crate::cli::terminal::shown;
use crate::error::Error;
use crate::language::tr;
use crate::site::lifecycle::{Recovered, State};
use crate::task::site::{recover as recovery, restore as restoring, rollback as going_back, upkeep};

#[derive(Args)]
pub(super) struct DryRunArgs {
    /// Say what would be done; change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Args)]
pub(super) struct RestartArgs {
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    dry: DryRunArgs,
}

#[derive(Args)]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    name: NameArgs,
    #[command(flatten)]
    dry: DryRunArgs,
}

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
pub(super) struct BackupArgs {
    /// Save the configuration and the product's files too, in one file that a new host can take
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Args)]
pub(super) struct RestoreArgs {
    /// The dump, or what 'backup --whole' wrote
    file: PathBuf,
    #[command(flatten)]
    dry: DryRunArgs,
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
    #[command(flatten)]
    dry: DryRunArgs,
}

/// Tells what a verb would do to a product.
pub(super) fn would(state: &State, what: &str, terminal: &Terminal) -> Result<u8> {
    let version = state.current.version.to_string();
    terminal.document(&json!({ "name": state.name, "version": version, "dryRun": true, "would": what }))?;
    terminal.text(&tr!("{} {version}, nothing is changed; without --dry-run: {what}", state.name, version, what))?;
    Ok(0)
}

pub(super) fn rollback(args: &RollbackArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.wait.name.get();
    let cost = going_back::cost(name)?;
    let data = match &cost.dump {
        Some(dump) => tr!(
            "the database becomes what it was then ({dump}); what was written since is lost to it, and saved in a dump",
            dump
        ),
        None => tr!("the database stays as it is"),
    };
    if args.dry_run {
        terminal.document(&json!({ "from": cost.from, "to": cost.to, "dump": cost.dump }))?;
        terminal.text(&tr!("{} becomes {}: {data}", cost.from, cost.to, data))?;
        return Ok(0);
    }
    if !args.yes {
        return Err(Error::usage(tr!("going back from {} to {} costs something", cost.from, cost.to))
            .fact("cost", data)
            .hint(tr!("if this is meant: pack site rollback --yes")));
    }
    let receipt = at_work(terminal, signals, args.wait.timeout, |at_work| going_back::run(name, at_work))?;
    terminal.document(&receipt)?;
    install::installed(&receipt, terminal)?;
    Ok(0)
}

pub(super) fn restart(args: &RestartArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let (name, timeout) = (args.wait.name.get(), args.wait.timeout);
    if args.dry.dry_run {
        return would(&upkeep::in_use(name)?, &tr!("every service starts again"), terminal);
    }
    let state = at_work(terminal, signals, timeout, |at_work| upkeep::restart(name, at_work))?;
    terminal.document(&json!({ "name": state.name, "version": state.current.version.to_string(), "up": true }))?;
    terminal.text(&tr!("{} {} runs ({})", state.name, state.current.version, terminal.took()))?;
    Ok(0)
}

pub(super) fn stop(args: &ChangeArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.name.get();
    if args.dry.dry_run {
        return would(&upkeep::in_use(name)?, &tr!("its stack is taken away; its data stays"), terminal);
    }
    let state = at_work(terminal, signals, None, |at_work| upkeep::stop(name, at_work))?;
    terminal.document(&json!({ "name": state.name, "stopped": true }))?;
    terminal.text(&tr!(
        "{} is stopped; its data stays in {}; to start it: pack site restart",
        state.name,
        state.install_dir
    ))?;
    Ok(0)
}

pub(super) fn backup(args: &BackupArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.change.name.get();
    if args.change.dry.dry_run {
        let what = tr!("the services that keep no data pause while the database is saved");
        return would(&upkeep::in_use(name)?, &what, terminal);
    }
    let made = at_work(terminal, signals, None, |at_work| upkeep::backup(name, args.whole, at_work))?;
    terminal.document(&json!({ "dump": shown::path(&made) }))?;
    terminal.text(&tr!("{}\nto put it back: pack site restore {0}", made.display()))?;
    Ok(0)
}

pub(super) fn restore(args: &RestoreArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.wait.name.get();
    if args.dry.dry_run {
        let what =
            tr!("the database is saved, then becomes what the file has, as files and settings do of a whole backup");
        return would(&restoring::check(name, &args.file)?, &what, terminal);
    }
    let (state, aside) =
        at_work(terminal, signals, args.wait.timeout, |at_work| restoring::run(name, &args.file, at_work))?;
    terminal.document(&json!({ "name": state.name, "restored": shown::path(&args.file),
        "aside": aside.iter().map(|path| shown::path(path)).collect::<Vec<_>>() }))?;
    terminal.text(&tr!(
        "{} {} runs on {} ({})",
        state.name,
        state.current.version,
        args.file.display(),
        terminal.took()
    ))?;
    for path in aside {
        terminal.text(&tr!("set aside, to be removed by hand: {}", path.display()))?;
    }
    Ok(0)
}

pub(super) fn uninstall(args: &UninstallArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    if args.dry.dry_run {
        let what = if args.purge {
            tr!("stack, data, dumps and images are removed")
        } else {
            tr!("its stack is removed; its data stays")
        };
        return would(&crate::task::site::look::state(args.name.get())?, &what, terminal);
    }
    if args.purge && !args.yes {
        return Err(Error::usage(tr!("--purge removes the data, the dumps and the way back for good"))
            .hint(tr!("if this is meant: pack site uninstall --purge --yes")));
    }
    let (state, left) =
        at_work(terminal, signals, None, |at_work| upkeep::uninstall(args.name.get(), args.purge, at_work))?;
    terminal.document(&json!({ "name": state.name, "removed": true, "purged": args.purge,
        "mounted": left.iter().map(|path| shown::path(path)).collect::<Vec<_>>() }))?;
    let data = if args.purge {
        tr!("its data too")
    } else {
        tr!("its data stays in {}: installing again finds it", state.install_dir)
    };
    terminal.text(&tr!("{} is removed; {data}", state.name, data))?;
    for path in left {
        terminal.text(&tr!("{} is mounted: what is there is not ours to delete, and stays", path.display()))?;
    }
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
        Ok(Recovered::Nothing) => tr!("nothing was left unfinished"),
        Ok(Recovered::Finished(version)) => tr!("{version} runs: its update has come to its end", version),
        Ok(Recovered::TakenBack(Some(version))) => tr!("{version} runs again, as it was", version),
        Ok(Recovered::TakenBack(None)) => tr!("the installation that was broken off is undone; its data stays"),
        Err(error) => error.to_string(),
    }
}
