//! A program of this library as its own child, under limits: what follows a stranger's recipe.
//!
//! redeflate says why. The child is started with one word that nobody types, reads its task, and writes its result.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};

/// The only argument of such a child.
const WORD: &str = "follow-corrections";
/// The address space that the child may have besides what its task takes, in bytes: the program, its stack, what it
/// allocates from.
const BASE: u64 = 64 << 20;
/// How many bytes it may have for each byte of its task. A token for each byte takes four, the content and the stream with
/// their growth three each.
const PER_BYTE: u64 = 16;
/// How many seconds of processor time it may take. A chunk of 32 MiB takes some of them.
const SECONDS: u64 = 120;

/// From now on what it takes to follow a recipe that a stranger made is bounded: a child process does it, which is
/// `program` and calls [`serve_confined`] first thing in its `main`. Without it nothing bounds that.
pub fn confine(program: fn() -> Command) {
    redeflate::confine(program);
}

/// The command that starts the program `path` as such a child.
pub fn confined(path: impl Into<OsString>) -> Command {
    let mut command = Command::new(path.into());
    command.arg(WORD);
    command
}

/// Does what a child is for, where this process is one: `None` where it is not.
///
/// # Errors
/// The task is cut, a limit cannot be set, or what the recipe holds is not right.
pub fn serve_confined(input: impl Read, output: impl Write) -> Option<io::Result<()>> {
    let mut words = env::args_os().skip(1);
    let is_child = words.next().is_some_and(|word| word == WORD) && words.next().is_none();
    is_child.then(|| redeflate::serve(input, output, limit))
}

/// Limits this process, for a task of `size` bytes.
fn limit(size: u64) -> io::Result<()> {
    let at_most = |resource, most| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(io::Error::from)
    };
    // Whoever hits a limit ends; nobody needs a picture of it.
    at_most(Resource::Core, 0)?;
    at_most(Resource::Cpu, SECONDS)?;
    at_most(Resource::As, BASE.saturating_add(size.saturating_mul(PER_BYTE)))
}
