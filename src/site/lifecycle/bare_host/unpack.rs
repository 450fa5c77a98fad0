//! An engine's archive, unpacked by the host's own tar while it is read.

use std::io::{self, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use super::super::delivery::Delivery;
use super::super::docker::{last, lines};
use super::programs::text_of;
use crate::error::{Error, Result};
use crate::language::tr;
use crate::path::RelPath;

/// Unpacks `artifact` below `folder`. Only what is whole and as it is pinned counts: of anything else the error is returned,
/// whatever tar made of it.
///
/// # Errors
/// The artifact is damaged, or tar refuses it.
pub(super) fn unpack(delivery: &Delivery<'_>, artifact: &RelPath, folder: &Path) -> Result<()> {
    let cannot = |cause: io::Error| {
        Error::failed(tr!("cannot run 'tar'")).fact("cause", &cause).hint(tr!("tar --version")).caused_by(cause)
    };
    let complaint = tempfile::tempfile().map_err(cannot)?;
    let mut tar = Command::new("tar");
    tar.args(["--no-same-owner", "-xf", "-", "-C"]).arg(folder).env("LC_ALL", "C");
    tar.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(complaint.try_clone().map_err(cannot)?);
    let mut child = tar.spawn().map_err(cannot)?;
    let written = delivery.content(artifact, &mut Input(child.stdin.take()));
    let status = child.wait().map_err(cannot)?;
    written?;
    if status.success() {
        return Ok(());
    }
    let text = text_of(complaint).map_err(cannot)?;
    Err(Error::failed(tr!("'tar' failed")).fact("it said", last(3, lines(&text)).join("; ")))
}

/// The input of a program, which may end before it has read all: the rest is read and compared nevertheless.
struct Input(Option<ChildStdin>);

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(pipe) = &mut self.0 else { return Ok(bytes.len()) };
        match pipe.write(bytes) {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
                self.0 = None;
                Ok(bytes.len())
            }
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
