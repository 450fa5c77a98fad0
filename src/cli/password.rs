//! Passwords: asked for without echo, or read from standard input where nobody sits.

use std::io::{self, BufRead, IsTerminal};

use crate::error::{Error, Result};

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
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line.trim_end_matches(['\n', '\r']).to_owned())
    };
    line.map_err(|cause| {
        let error = Error::failed("cannot read the password").fact("cause", &cause).caused_by(cause);
        error.hint("type it at a terminal, or give it as one line of text on standard input")
    })
}
