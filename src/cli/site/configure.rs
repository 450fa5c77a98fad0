//! `pack site get` and `set`.

use super::*;
use crate::cli::typed_line;
use crate::error::Error;
use crate::language::tr;
use crate::product::typed_text;
use crate::task::site::configure;
use crate::task::site::upkeep::in_use;

/// The longest value that is read, in bytes.
const LONGEST_VALUE: usize = 4_096;

#[derive(Args)]
pub(super) struct GetArgs {
    /// Only these keys
    keys: Vec<String>,
    /// Show passwords too
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    name: NameArgs,
}

#[derive(Args)]
pub(super) struct SetArgs {
    /// What to change; of one KEY alone the value is read from standard input: a password stays off the command line
    #[arg(required = true, value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Take keys that are not known too
    #[arg(long)]
    force: bool,
    /// Check keys and values; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wait: upkeep::WaitArgs,
}

#[derive(Args)]
pub(super) struct ExternalArgs {
    #[command(flatten)]
    wait: upkeep::WaitArgs,
    /// What the product wants to know
    #[arg(last = true)]
    args: Vec<String>,
}

/// What was typed as `KEY=VALUE`, or as `KEY` and then a line.
fn given(text: &str) -> Result<(String, String)> {
    if let Ok(given) = pair(text) {
        return Ok(given);
    }
    let line = typed_line::read(std::io::stdin().lock(), LONGEST_VALUE);
    let line =
        line.map_err(|cause| Error::failed(tr!("cannot read standard input")).fact("cause", &cause).caused_by(cause))?;
    let line = line.ok_or_else(|| {
        Error::usage(tr!("no value came for {text}", text)).hint(tr!("pack site set {text}=VALUE", text))
    })?;
    Ok((text.to_owned(), line))
}

pub(super) fn external(args: &ExternalArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.wait.name.get();
    let keys = at_work(terminal, signals, args.wait.timeout, |at_work| configure::external(name, &args.args, at_work))?;
    terminal.document(&json!({ "set": keys }))?;
    terminal.text(&tr!("moved; set: {} ({})", keys.join(", "), terminal.took()))?;
    Ok(0)
}

pub(super) fn get(args: &GetArgs, terminal: &Terminal) -> Result<u8> {
    let mut values = configure::get(args.name.get(), args.secrets)?;
    if let Some(missing) = args.keys.iter().find(|key| !values.contains_key(*key)) {
        return Err(Error::failed(tr!("the configuration has no {missing}", missing))
            .fact("there are", values.keys().cloned().collect::<Vec<_>>().join(", "))
            .hint(tr!("see all of it: pack site get")));
    }
    values.retain(|key, _| args.keys.is_empty() || args.keys.contains(key));
    terminal.document(&values)?;
    let line = |(key, value): (&String, &Value)| format!("{key}: {}", typed_text(value));
    terminal.text(&values.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    Ok(0)
}

pub(super) fn set(args: &SetArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.wait.name.get();
    let changes: Vec<(String, String)> = args.changes.iter().map(|text| given(text)).collect::<Result<_>>()?;
    if args.dry_run {
        configure::check(name, &changes, args.force)?;
        let what = tr!("the configuration changes, and the services start again");
        return upkeep::would(&in_use(name)?, &what, terminal);
    }
    at_work(terminal, signals, args.wait.timeout, |at_work| configure::set(name, &changes, args.force, at_work))?;
    let keys: Vec<&str> = changes.iter().map(|(key, _)| key.as_str()).collect();
    terminal.document(&json!({ "set": keys }))?;
    terminal.text(&tr!("{} set ({})", keys.join(", "), terminal.took()))?;
    Ok(0)
}
