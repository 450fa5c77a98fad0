//! The only place that prints: results on standard output, everything else on standard error.

mod bars;
mod lines;
mod shorten;
pub(super) mod shown;
mod size;
mod table;

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use console::style;
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(super) use size::{bytes, counted, quantity};
use size::{duration, rate};
pub(super) use table::Column;

use crate::error::{Error, Result, inert, printable};
use crate::language::translated;
use crate::progress::{Progress, Silent};

/// Where a command prints to, and how.
pub(super) struct Terminal {
    json: bool,
    quiet: bool,
    verbose: bool,
    started: Instant,
}

impl Terminal {
    /// A terminal that prints what the options ask for.
    pub(super) fn new(json: bool, quiet: bool, verbose: bool) -> Self {
        Terminal { json, quiet, verbose, started: Instant::now() }
    }

    /// A terminal for the time before the options are known.
    pub(super) fn plain() -> Self {
        Self::new(false, false, false)
    }

    /// Whether the result is to be a JSON document.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Whether only what goes wrong is to be printed.
    pub(super) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Whether more detail was asked for.
    pub(super) fn verbose(&self) -> bool {
        self.verbose
    }

    /// Somebody to report progress to: bars on a terminal; else a line for each file that is done and for what takes
    /// long; nobody with `--quiet`.
    pub(super) fn progress(&self) -> Box<dyn Progress> {
        self.reporter(true)
    }

    /// As [`Terminal::progress`], where the result lists every file: a log does not hear of each twice.
    pub(super) fn progress_of_what_is_listed(&self) -> Box<dyn Progress> {
        self.reporter(self.json)
    }

    fn reporter(&self, each: bool) -> Box<dyn Progress> {
        if self.quiet {
            Box::new(Silent)
        } else if has_bars() {
            Box::new(bars::Bars::new())
        } else {
            Box::new(lines::Lines::new(each))
        }
    }

    /// Whether [`Terminal::progress`] has listed every file by itself, so that the result need not.
    pub(super) fn has_listed(&self) -> bool {
        !self.quiet && !has_bars()
    }

    /// How long the command has taken.
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long the command has taken, as in `0.4 s`.
    pub(super) fn took(&self) -> String {
        duration(self.elapsed())
    }

    /// What was worked through until now, and how fast, as in `24.39 MB in 0.4 s (60.97 MB/s)`.
    pub(super) fn throughput(&self, count: u64) -> String {
        let time = self.elapsed();
        format!("{} in {} ({})", bytes(count), duration(time), rate(count, time))
    }

    /// Prints a result as it is.
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<()> {
        self.stream(|stdout| stdout.write_all(bytes).map_err(not_printed))
    }

    /// Prints what `write` writes, as it comes.
    pub(super) fn stream(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match write(&mut stdout).and_then(|()| stdout.flush().map_err(not_printed)) {
            // The reader has closed the pipe and seen enough: the exit code still says how the command ended.
            Err(error) if error.io_kind() == Some(io::ErrorKind::BrokenPipe) => Ok(()),
            outcome => outcome,
        }
    }

    /// Prints a text that is the whole result, as it is, or what `document` makes of it where that is asked for.
    pub(super) fn page(&self, text: &[u8], document: impl FnOnce(&str) -> Value) -> Result<()> {
        if self.json { self.document(&document(&String::from_utf8_lossy(text))) } else { self.raw(text) }
    }

    /// Prints a result as text, unless `--quiet` or `--json`. Names in it may be a stranger's.
    pub(super) fn text(&self, text: &str) -> Result<()> {
        if self.quiet || self.json {
            return Ok(());
        }
        let lines: Vec<String> = text.split('\n').map(inert).collect();
        self.raw(format!("{}\n", lines.join("\n")).as_bytes())
    }

    /// Prints the result as a JSON document, where asked for.
    pub(super) fn document(&self, document: &impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        // As it comes: the index of a bundle may have 64 MiB.
        self.stream(|stdout| {
            let mut out = io::BufWriter::new(stdout);
            serde_json::to_writer_pretty(shown::InertJson(&mut out), document).map_err(|cause| {
                match cause.io_error_kind() {
                    Some(kind) => not_printed(kind.into()),
                    None => Error::failed("cannot write the result as JSON")
                        .fact("cause", cause)
                        .hint("run the same command without --json"),
                }
            })?;
            out.write_all(b"\n").and_then(|()| out.flush()).map_err(not_printed)
        })
    }

    /// Prints rows under headings, columns aligned, and shortened to the terminal's width unless `--verbose`.
    pub(super) fn table(&self, columns: &[Column], rows: &[Vec<String>]) -> Result<()> {
        let width = width_of(io::stdout()).filter(|_| !self.verbose);
        if self.quiet || self.json {
            return Ok(());
        }
        self.raw(format!("{}\n", table::lines(columns, &inert_cells(rows), width).join("\n")).as_bytes())
    }

    /// As [`Terminal::table`] for what somebody may copy, which is never shortened: where the terminal is too narrow, each
    /// cell has a line of its own.
    pub(super) fn table_to_copy(&self, columns: &[Column], rows: &[Vec<String>]) -> Result<()> {
        let width = width_of(io::stdout()).filter(|_| !self.verbose);
        if self.quiet || self.json || width.is_none_or(|width| table::fits(columns, rows, width)) {
            return self.table(columns, rows);
        }
        let block = |row: Vec<String>| {
            let cells = row.into_iter().enumerate().filter(|(_, cell)| !cell.is_empty());
            cells.map(|(place, cell)| format!("{}{cell}\n", if place == 0 { "" } else { "  " })).collect::<String>()
        };
        self.raw(inert_cells(rows).into_iter().map(block).collect::<String>().as_bytes())
    }

    /// As [`Terminal::table`] with only the rows that `is_notable` picks where there are many; a line counts the others.
    pub(super) fn table_of_files(
        &self,
        columns: &[Column],
        rows: &[Vec<String>],
        is_notable: impl Fn(&[String]) -> bool,
    ) -> Result<()> {
        if self.verbose || rows.len() <= MANY {
            return self.table(columns, rows);
        }
        let notable: Vec<Vec<String>> = rows.iter().filter(|row| is_notable(row)).cloned().collect();
        if !notable.is_empty() {
            self.table(columns, &notable)?;
        }
        let others = (rows.len() - notable.len()) as u64;
        self.text(&format!("({} not listed: -v lists them too)", counted(others, "file")))
    }

    /// Something worth knowing that is no result.
    pub(super) fn note(&self, line: &str) {
        if !self.quiet {
            stderr(&note(line));
        }
    }

    /// An error as people read it; with `--json`, a document as well.
    pub(super) fn error(&self, error: &Error) {
        self.problem(error);
        self.error_document(error);
    }

    /// An error as people read it, which the result contains too where that is a document.
    pub(super) fn problem(&self, error: &Error) {
        let mut text = format!("{}: {}", style(translated("error")).for_stderr().red().bold(), error.title());
        for (name, value) in error.facts() {
            text.push_str(&format!("\n  {}: {value}", translated(name)));
        }
        if let Some(hint) = error.hint_text() {
            text.push_str(&format!("\n{}: {hint}", style(translated("hint")).for_stderr().green().bold()));
        }
        stderr(&text);
    }

    /// An error as a document, where asked for.
    pub(super) fn error_document(&self, error: &Error) {
        let mut facts: Map<String, Value> = Map::new();
        for (name, value) in error.facts() {
            // A fact that is there several times is a list.
            match facts.get_mut(*name) {
                None => drop(facts.insert((*name).to_owned(), value.as_str().into())),
                Some(Value::Array(several)) => several.push(value.as_str().into()),
                Some(one) => *one = json!([one.take(), value]),
            }
        }
        let document = json!({ "error": {
            "title": error.title(),
            "facts": facts,
            "hint": error.hint_text(),
            "exitCode": error.class().exit_code(),
        } });
        // The error itself is shown; that its copy cannot be is not worth another one.
        let _ = self.document(&document);
    }
}

/// Cells that move no cursor.
fn inert_cells(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|cell| inert(cell)).collect()).collect()
}

/// Longer lists show only what is notable.
const MANY: usize = 20;

/// The columns of the terminal behind `stream`; `None` where there is none, or it does not tell.
fn width_of(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

/// Whether standard error is a terminal that can move its cursor: what does not say what it is, cannot.
fn has_bars() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

fn not_printed(cause: io::Error) -> Error {
    Error::failed("cannot write to standard output")
        .fact("cause", &cause)
        .caused_by(cause)
        .hint("look at where it leads: a full disk (see 'df -h')? Then run the same command again")
}

/// A note as people read it.
fn note(line: &str) -> String {
    format!("{}: {}", style(translated("note")).for_stderr().cyan().bold(), printable(line))
}

fn stderr(text: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
