//! preflate at work in a process of its own, whose memory and time the system bounds.
//!
//! preflate follows corrections for as long as they ask for blocks, of which one may cost a fraction of a bit and a kilobyte
//! of memory: 10 KB of corrections that somebody forged take gigabytes. What follows them for a stranger is therefore a child
//! process under limits (`setrlimit`). Where it meets one it ends, and the corrections were not right; the same where it
//! panics, or says more than the stream that it was started for can have.
//!
//! ```text
//! parent ◀──READY (a byte)────────────────────────────────────────────── stdout: the program runs, and is this one
//! parent ──content's size (8 bytes, little-endian), content, corrections──▶ stdin of the child
//! parent ◀──the stream────────────────────────────────────────────────── its stdout; exit code 0
//! ```
//!
//! Without the first byte nobody would know a child that never ran from one that found the corrections wrong: where a
//! program runs under an emulator, the system says of a program that it cannot run that it was started.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use preflate_rs::recreate_whole_deflate_stream;

use crate::caught_panic::caught;

/// The first byte that a child says.
const READY: u8 = b'>';

/// How a child is started that calls [`serve`].
static CHILD: OnceLock<fn() -> Command> = OnceLock::new();

/// From now on this process has corrections followed by a child that `command` starts. For a program to call first thing in
/// its `main`; without it they are followed in this process, and nothing bounds what that takes.
pub fn confine(command: fn() -> Command) {
    // Whoever was first stays.
    let _ = CHILD.set(command);
}

/// What the child does: says that it is there, reads what its parent sends, lets `limit` set the limits for that many bytes of content and
/// corrections, and writes the stream.
///
/// # Errors
/// The input is cut, a limit cannot be set, or the corrections are not right for the content.
pub fn serve(
    mut input: impl Read,
    mut output: impl Write,
    limit: impl FnOnce(u64) -> io::Result<()>,
) -> io::Result<()> {
    output.write_all(&[READY]).and_then(|()| output.flush())?;
    let mut size = [0; 8];
    input.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    let mut content = Vec::new();
    input.by_ref().take(size).read_to_end(&mut content)?;
    let mut corrections = Vec::new();
    input.read_to_end(&mut corrections)?;
    limit((content.len() + corrections.len()) as u64)?;
    match followed(&content, &corrections) {
        Some(stream) => output.write_all(&stream).and_then(|()| output.flush()),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The stream that `corrections` make of `content`, of `most` bytes at most; `None` where they make no such thing.
pub(crate) fn recreate(content: &[u8], corrections: &[u8], most: u64) -> Option<Vec<u8>> {
    match CHILD.get().and_then(|command| started(command())) {
        Some(child) => of_child(child, content, corrections, most),
        // Nothing to confine it in, or no process to be had: that says nothing about the corrections.
        None => followed(content, corrections),
    }
}

/// The child that `command` starts, once it has said that it is there.
fn started(mut command: Command) -> Option<Child> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut first = [0];
    if child.stdout.as_mut()?.read_exact(&mut first).is_ok() && first == [READY] {
        return Some(child);
    }
    // Whatever this is, nobody waits for it.
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The same in this process, unbounded.
pub(crate) fn followed(content: &[u8], corrections: &[u8]) -> Option<Vec<u8>> {
    caught(|| recreate_whole_deflate_stream(content, corrections))?.ok()
}

fn of_child(mut child: Child, content: &[u8], corrections: &[u8], most: u64) -> Option<Vec<u8>> {
    let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);
    let size = (content.len() as u64).to_le_bytes();
    // It reads all of this before it says anything, so that nobody waits for the other. One that ends before that is told by
    // its exit code.
    let _ = [&size[..], content, corrections].into_iter().try_for_each(|part| input.write_all(part));
    drop(input);
    let mut stream = Vec::new();
    let read = output.take(most.saturating_add(1)).read_to_end(&mut stream);
    // What says more than that need not be waited for: with nobody to read it, it ends.
    let ended = child.wait().ok()?;
    (read.is_ok() && ended.success() && stream.len() as u64 <= most).then_some(stream)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::DeflateEncoder};

    use super::*;
    use crate::{EncoderGuess, Inflater, Method, Reconstruction};

    /// Content, and what preflate corrects to make its stream of it.
    fn task() -> (Vec<u8>, Vec<u8>) {
        let text: Vec<u8> =
            (0..20_000u32).flat_map(|n| format!("line {} of {}\n", n % 700, n / 3).into_bytes()).collect();
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(2));
        encoder.write_all(&text).expect("memory");
        let stream = encoder.finish().expect("memory");
        let chunk = Inflater::new(&stream[..]).chunk(8 << 20, 8 << 20).expect("valid").expect("one");
        match Reconstruction::of(&chunk, true, &EncoderGuess::default()).method {
            Method::Predicted { corrections, .. } => (text, corrections),
            other => panic!("not predicted: {other:?}"),
        }
    }

    #[test]
    fn the_child_says_what_its_parent_would_find() {
        let (content, corrections) = task();
        let mut input = (content.len() as u64).to_le_bytes().to_vec();
        input.extend(&content);
        input.extend(&corrections);
        let mut output = Vec::new();
        let mut limited = 0;
        serve(&input[..], &mut output, |size| {
            limited = size;
            Ok(())
        })
        .expect("right");
        assert_eq!(limited, (content.len() + corrections.len()) as u64);
        assert_eq!(output.first(), Some(&READY));
        assert_eq!(Some(output.split_off(1)), followed(&content, &corrections));
        for cut in [0, 7, 8, 100, input.len() - corrections.len()] {
            let mut output = Vec::new();
            assert!(serve(&input[..cut], &mut output, |_| Ok(())).is_err() && output == [READY], "cut at {cut}");
        }
        assert!(serve(&input[..], &mut Vec::new(), |_| Err(io::ErrorKind::PermissionDenied.into())).is_err());
    }

    #[test]
    fn a_child_that_fails_or_says_too_much_makes_nothing() {
        let child = |script: &str| started(shell(&format!("printf '>'; {script}"))).expect("it says that it is there");
        let made = |script: &str| of_child(child(script), &[b'x'; 300_000], b"c", 4);
        assert_eq!(made("cat >/dev/null; printf 1234"), Some(b"1234".to_vec()));
        assert_eq!(made("cat >/dev/null; printf 12345"), None);
        assert_eq!(made("cat >/dev/null; cat /dev/zero"), None);
        assert_eq!(made("cat >/dev/null; printf 1234; exit 1"), None);
        assert_eq!(made("printf 1234; kill -ABRT $$"), None);
    }

    #[test]
    fn a_child_that_never_says_that_it_is_there_was_not_started() {
        for script in ["exit 127", "printf 1; exec sleep 60", "kill -KILL $$"] {
            assert!(started(shell(script)).is_none(), "{script}");
        }
        assert!(started(Command::new("/nowhere/pack")).is_none());
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }
}
