//! One thread writes what another reads.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::error::{Error, Result};

/// Runs `produce` on a thread of its own, and `consume` on this one with what that writes. A consumer that returns before
/// the end makes the producer's next write fail.
///
/// # Errors
/// The producer's error, which is the cause of what the consumer then meets; the consumer's, where the producer failed
/// only because its bytes were not read any more. `failed` makes an error of a pipe or a thread that cannot be had.
pub fn piped<T>(
    produce: impl FnOnce(&mut dyn Write) -> Result<()> + Send,
    consume: impl FnOnce(PipeReader) -> Result<T>,
    failed: impl Fn(io::Error) -> Error,
) -> Result<T> {
    let (reader, writer) = io::pipe().map_err(&failed)?;
    let abandoned = AtomicBool::new(false);
    let (produced, consumed) = thread::scope(|scope| {
        let mut feed = Feed { writer, abandoned: &abandoned };
        let producer = thread::Builder::new().spawn_scoped(scope, move || produce(&mut feed)).map_err(&failed)?;
        let consumed = consume(reader);
        Ok((producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), consumed))
    })?;
    if !abandoned.into_inner() {
        produced?;
    }
    consumed
}

/// The end of a pipe that notes when the other end is gone.
struct Feed<'a> {
    writer: PipeWriter,
    abandoned: &'a AtomicBool,
}

impl Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).inspect_err(|_| self.abandoned.store(true, Ordering::Relaxed))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::error::IoContext;

    fn failed(cause: io::Error) -> Error {
        Error::failed("no pipe").fact("cause", cause)
    }

    fn write(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
        out.write_all(bytes).doing("write", "a pipe".as_ref())
    }

    fn read(mut reader: PipeReader) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).doing("read", "a pipe".as_ref())?;
        Ok(bytes)
    }

    #[test]
    fn what_is_written_is_read_and_the_cause_is_the_error() {
        let many = vec![7; 1 << 20];
        assert!(piped(|out| write(out, &many), read, failed).expect("read") == many);
        let broken = |out: &mut dyn Write| write(out, b"half").and_then(|()| Err(Error::integrity("the cause")));
        let met = |reader| read(reader).and_then(|_| Err::<(), _>(Error::failed("met")));
        assert_eq!(piped(broken, met, failed).expect_err("broken").title(), "the cause");
        // Nobody reads: the producer's error only says so.
        assert_eq!(piped(|out| write(out, &many), |_| Ok(1), failed).expect("not wanted"), 1);
        let refused = |_| Err::<(), _>(Error::failed("refused"));
        assert_eq!(piped(|out| write(out, &many), refused, failed).expect_err("refused").title(), "refused");
    }
}
