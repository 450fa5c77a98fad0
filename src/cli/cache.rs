//! `pack cache`: what is kept of earlier downloads.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::terminal::{Column, Terminal, bytes, counted, quantity, shown};
use crate::cache::CacheEntry;
use crate::error::Result;
use crate::task::cache::{self, Bounds, Report};

/// List or prune what is kept of earlier downloads
#[derive(Args)]
#[command(after_help = "\
Examples:
  pack cache                             what is kept, what was used longest ago first
  pack cache prune --older-than 30       throw away what was not used for 30 days
  pack cache prune --keep-bytes 5G

The cache lies in $XDG_CACHE_HOME/pack, else ~/.cache/pack. What is in it is checked on every use.")]
pub(super) struct CacheArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// List what is kept
    List,
    /// Throw away what is old or too much; without an option, everything; what interrupted runs left a day ago, always
    Prune(PruneArgs),
}

#[derive(Args)]
struct PruneArgs {
    /// Only what was not used for this many days
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u64>,
    /// Only as much as is needed to keep at most this many bytes; K, M, G and T are understood
    #[arg(long, value_name = "BYTES", value_parser = size)]
    keep_bytes: Option<u64>,
}

fn size(text: &str) -> Result<u64, String> {
    quantity(text).ok_or_else(|| "give bytes, such as 500M or 5G".to_owned())
}

pub(super) fn run(args: &CacheArgs, terminal: &Terminal) -> Result<u8> {
    match &args.verb {
        None | Some(Verb::List) => show("kept", &cache::list()?, terminal)?,
        Some(Verb::Prune(PruneArgs { older_than, keep_bytes })) => {
            let bounds = Bounds { older_than_days: *older_than, keep_bytes: *keep_bytes };
            show("removed", &cache::prune(bounds)?, terminal)?;
        }
    }
    Ok(0)
}

fn show(word: &str, Report { root, entries, strays }: &Report, terminal: &Terminal) -> Result<()> {
    let size: u64 = entries.iter().map(|entry| entry.size).sum();
    let left_over: u64 = strays.iter().map(|stray| stray.size).sum();
    terminal.document(&json!({
        "cache": shown::path(root),
        word: entries.iter().map(document).collect::<Vec<_>>(),
        "bytes": size,
        "leftOver": strays.len(),
        "leftOverBytes": left_over,
    }))?;
    let rows = entries.iter().map(|entry| vec![used(entry), bytes(entry.size), entry.digest.to_string()]);
    if !entries.is_empty() {
        let columns = [Column::Whole("LAST USED"), Column::Whole("SIZE"), Column::Whole("DIGEST")];
        terminal.table(&columns, &rows.collect::<Vec<_>>())?;
    }
    let mut line = format!("{}: {word} {}, {}", root.display(), entries.len(), bytes(size));
    if !strays.is_empty() {
        let files = counted(strays.len() as u64, "file");
        line.push_str(&format!("; {files} left over by interrupted runs, {}", bytes(left_over)));
    }
    terminal.text(&line)
}

fn document(entry: &CacheEntry) -> Value {
    json!({ "digest": entry.digest, "size": entry.size, "used": used(entry) })
}

/// The time of last use, to the second, in RFC 3339.
fn used(entry: &CacheEntry) -> String {
    Timestamp::try_from(entry.used)
        .map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
