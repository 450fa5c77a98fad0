//! A command line that cannot be read: what clap found, in the reader's language.

use clap::error::{ContextKind, ErrorKind};

use crate::error::Error;
use crate::language::{Language, spoken, tr};

/// What a reader of another language than clap's is told; `None` where clap tells it itself.
pub(super) fn in_the_readers_language(error: &clap::Error) -> Option<Error> {
    if spoken() == Language::English {
        return None;
    }
    let said = |kind| error.get(kind).map(ToString::to_string);
    let argument = said(ContextKind::InvalidArg).unwrap_or_default();
    let value = said(ContextKind::InvalidValue).unwrap_or_default();
    let title = match error.kind() {
        ErrorKind::UnknownArgument => tr!("'{argument}' is not known here", argument),
        ErrorKind::InvalidSubcommand => {
            tr!("there is no command '{}'", said(ContextKind::InvalidSubcommand).unwrap_or_default())
        }
        ErrorKind::MissingRequiredArgument => tr!("this is missing: {argument}", argument),
        ErrorKind::InvalidValue if value.is_empty() => tr!("{argument} needs a value", argument),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            tr!("'{value}' does not fit {argument}", value, argument)
        }
        ErrorKind::ArgumentConflict => {
            let other = said(ContextKind::PriorArg).unwrap_or_default();
            tr!("{argument} cannot be given together with {other}", argument, other)
        }
        _ => return None,
    };
    let mut told = Error::usage(title);
    if let Some(allowed) = said(ContextKind::ValidValue) {
        told = told.fact("expected", allowed);
    }
    if let Some(meant) = said(ContextKind::SuggestedArg).or_else(|| said(ContextKind::SuggestedSubcommand)) {
        told = told.fact("similar", meant);
    }
    Some(told.hint(tr!("see what can be typed: the same command with --help")))
}

/// What clap says in its first paragraph.
pub(super) fn in_english(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let paragraph: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let title = paragraph.join(" ");
    Error::usage(title.strip_prefix("error: ").unwrap_or(&title)).hint("see what can be typed: pack --help")
}
