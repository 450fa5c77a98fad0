//! Passwords: asked for without echo, or read from standard input where nobody sits.

use std::io::{self, IsTerminal};

use super::typed_line;
use crate::error::{Error, Result};

/// The longest password that is read from standard input, in bytes.
const LONGEST: usize = 4_096;

/// The password of a key that exists.
pub(super) fn ask() -> Result<String> {
    read("Password of the secret key: ")
}

/// A new password, typed twice where somebody sits.
pub(super) fn new() -> Result<String> {
    let password = read("New password for the secret key: ")?;
    if io::stdin().is_terminal() && read("The same again: ")? != password {
        return Err(Error::usage("the two passwords differ").hint("try again"));
    }
    if password.is_empty() {
        return Err(Error::usage("the password is empty").hint("type one, or make the key with --no-password"));
    }
    Ok(password)
}

fn read(prompt: &str) -> Result<String> {
    let line = if io::stdin().is_terminal() {
        rpassword::prompt_password(prompt)
    } else {
        typed_line::read(io::stdin().lock(), LONGEST).map(Option::unwrap_or_default)
    };
    line.map_err(|cause| {
        let error = Error::failed("cannot read the password").fact("cause", &cause).caused_by(cause);
        error.hint("type it at a terminal, or give it as one line of text on standard input")
    })
}
