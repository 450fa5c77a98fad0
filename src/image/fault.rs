//! What is wrong with an archive.

use std::fmt;
use std::io;

use crate::error::Error;

/// Why an artifact cannot be used as what it should be, and in which of its members.
#[derive(Debug, Clone)]
pub(super) struct ArchiveFault {
    pub(super) member: Option<String>,
    /// A sentence without its full stop.
    pub(super) reason: String,
}

impl ArchiveFault {
    /// A fault of a member.
    pub(super) fn new(member: impl Into<String>, reason: impl Into<String>) -> Self {
        ArchiveFault { member: Some(member.into()), reason: reason.into() }
    }

    /// A fault of the artifact as a whole.
    pub(super) fn whole(reason: impl Into<String>) -> Self {
        ArchiveFault { member: None, reason: reason.into() }
    }

    /// The fault behind what decoding an artifact fails with; `None` where it was the disk.
    pub(super) fn of(cause: &io::Error) -> Option<Self> {
        let is_of_content = matches!(
            cause.kind(),
            io::ErrorKind::InvalidData
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::OutOfMemory // more than a stream may ask for
                | io::ErrorKind::Other
        );
        (is_of_content && cause.raw_os_error().is_none()).then(|| Self::whole(cause.to_string()))
    }

    /// The fault that made `error`.
    pub(super) fn behind(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    /// The error for `artifact`, which cannot be used. [`with_command`] adds with which command the publisher goes on.
    pub(super) fn error(self, artifact: &str) -> Error {
        let error = Error::failed("the image archive cannot be used").fact("artifact", artifact);
        let error = match &self.member {
            Some(member) => error.fact("member", member),
            None => error,
        };
        error.fact("reason", &self.reason).hint(save_again(artifact)).caused_by(self)
    }
}

fn save_again(artifact: &str) -> String {
    format!("save the image again, with 'docker save' and gzip, as {artifact}")
}

/// The error of analysing `artifact`; where its publisher can save it again, with the command that then pins it.
pub fn with_command(error: Error, artifact: &str, pin: &str) -> Error {
    if ArchiveFault::behind(&error).is_none() {
        return error;
    }
    error.hint(format_args!("{}; then pin it: {pin}", save_again(artifact)))
}

impl fmt::Display for ArchiveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ArchiveFault {}
