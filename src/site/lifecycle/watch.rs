//! Who looks on while a change is made, and whether somebody wants it to end.

use crate::error::{Error, Result};
use crate::language::tr;
use crate::progress::Progress;
use crate::site::Interruption;

/// Who watches a change, and how long it may take.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// What is told to whoever looks on.
    pub progress: &'a dyn Progress,
    /// Whether somebody wants it to end; `None` for what must come to its end.
    pub interruption: Option<&'a Interruption>,
    /// How long a gate may take, in seconds, instead of what the product says.
    pub timeout: Option<u64>,
}

impl Watch<'_> {
    /// Whether somebody wants the run to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interruption.is_some_and(Interruption::is_pending)
    }

    /// Fails if somebody wants the run to end.
    ///
    /// # Errors
    /// A signal has come.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_interrupted() { Err(Error::failed(tr!("interrupted by a signal"))) } else { Ok(()) }
    }
}
