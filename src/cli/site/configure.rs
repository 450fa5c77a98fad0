//! `pack site get` and `set`.

use super::*;
use crate::error::Error;
use crate::product::typed_text;
use crate::task::site::configure;

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
    /// What to change
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    changes: Vec<(String, String)>,
    /// Take keys that are not known too
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    wait: upkeep::WaitArgs,
}

pub(super) fn get(args: &GetArgs, terminal: &Terminal) -> Result<u8> {
    let mut values = configure::get(args.name.get(), args.secrets)?;
    if let Some(missing) = args.keys.iter().find(|key| !values.contains_key(*key)) {
        return Err(Error::failed(format_args!("the configuration has no {missing}"))
            .fact("there are", values.keys().cloned().collect::<Vec<_>>().join(", "))
            .hint("see all of it: pack site get"));
    }
    values.retain(|key, _| args.keys.is_empty() || args.keys.contains(key));
    terminal.document(&values)?;
    let line = |(key, value): (&String, &Value)| format!("{key}: {}", typed_text(value));
    terminal.text(&values.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    Ok(0)
}

pub(super) fn set(args: &SetArgs, terminal: &Terminal, signals: Signals) -> Result<u8> {
    let name = args.wait.name.get();
    at_work(terminal, signals, args.wait.timeout, |at_work| configure::set(name, &args.changes, args.force, at_work))?;
    let keys: Vec<&str> = args.changes.iter().map(|(key, _)| key.as_str()).collect();
    terminal.document(&json!({ "set": keys }))?;
    terminal.text(&format!("{} set ({})", keys.join(", "), terminal.took()))?;
    Ok(0)
}
