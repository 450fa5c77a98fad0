//! The only place that prints: results on standard output, everything else on standard error.

mod bars;
mod lines;
mod size;

use std::io::{self, IsTerminal, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use console::style;
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(super) use size::{bytes, counted};

use crate::error::{Error, Result, inert, printable};
use crate::progress::{Progress, Silent};

/// Where a command prints to, and how.
pub(super) struct Terminal {
    json: bool,
    quiet: bool,
    verbose: bool,
}

impl Terminal {
    /// A terminal that prints what the options ask for.
    pub(super) fn new(json: bool, quiet: bool, verbose: bool) -> Self {
        Terminal { json, quiet, verbose }
    }

    /// A terminal for the time before the options are known.
    pub(super) fn plain() -> Self {
        Self::new(false, false, false)
    }

    /// Whether the result is to be a JSON document.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Whether more detail was asked for.
    pub(super) fn verbose(&self) -> bool {
        self.verbose
    }

    /// Somebody to report progress to: bars on a terminal, else a line a file; nobody with `--quiet`.
    pub(super) fn progress(&self) -> Box<dyn Progress> {
        if self.quiet {
            Box::new(Silent)
        } else if io::stderr().is_terminal() {
            Box::new(bars::Bars::new())
        } else {
            Box::new(lines::Lines::new())
        }
    }

    /// Prints a result as it is.
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<()> {
        self.stream(|stdout| stdout.write_all(bytes).map_err(not_printed))
    }

    /// Prints what `write` writes, as it comes.
    pub(super) fn stream(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let mut stdout = io::stdout().lock();
        match write(&mut stdout).and_then(|()| stdout.flush().map_err(not_printed)) {
            // Whoever read this has seen enough: the exit code still says how the command ended.
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
        let text = serde_json::to_string_pretty(document)
            .map_err(|cause| Error::failed("cannot write the result as JSON").fact("cause", cause))
            .map_err(|error| error.hint("run the same command without --json"))?;
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Prints rows under headings, columns aligned.
    pub(super) fn table(&self, headings: &[&str], rows: Vec<Vec<String>>) -> Result<()> {
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(headings).add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        self.text(&lines.join("\n"))
    }

    /// Something worth knowing that is no result.
    pub(super) fn note(&self, line: &str) {
        if !self.quiet {
            stderr(&note(line));
        }
    }

    /// An error as people read it; with `--json`, a document as well.
    pub(super) fn error(&self, error: &Error) {
        let mut text = format!("{}: {}", style("error").for_stderr().red().bold(), error.title());
        for (name, value) in error.facts() {
            text.push_str(&format!("\n  {name}: {value}"));
        }
        if let Some(hint) = error.hint_text() {
            text.push_str(&format!("\n{}: {hint}", style("hint").for_stderr().green().bold()));
        }
        stderr(&text);
        self.error_document(error);
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

fn not_printed(cause: io::Error) -> Error {
    Error::failed("cannot write to standard output")
        .fact("cause", &cause)
        .caused_by(cause)
        .hint("look at where it leads: a full disk (see 'df -h')? Then run the same command again")
}

/// A note as people read it.
fn note(line: &str) -> String {
    format!("{}: {}", style("note").for_stderr().cyan().bold(), printable(line))
}

fn stderr(text: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
