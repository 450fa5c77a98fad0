//! Programs that keep logins: `docker-credential-NAME get`, a server on standard input, JSON on standard output
//! (<https://github.com/docker/docker-credential-helpers>).

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::auth_file::{HelperCall, Login};

/// How long one may take: it may have to unlock a keyring, and nobody may be there to do so.
const LONGEST: Duration = Duration::from_secs(30);
/// The most that it may print, in bytes.
const LIMIT: u64 = 64 << 10;
/// What one prints that has no login for the server.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user of a login that is a token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a helper; `None` where it has no login for the server.
///
/// # Errors
/// It cannot be run, fails, or prints something else. The text has no words of what it printed.
pub(super) fn ask(call: &HelperCall<'_>) -> Result<Option<Login>, String> {
    let name = call.helper;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err("the name of its credential helper is not that of a program".to_owned());
    }
    let program = format!("docker-credential-{name}");
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What it says there may be anything.
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| format!("{program} cannot be run: {why}"))?;
    let (mut input, output) = (child.stdin.take(), child.stdout.take());
    let server = call.server.clone();
    let (sender, receiver) = mpsc::channel();
    // Not waited for: a helper that was given up may leave a child with its pipes.
    let asking = thread::Builder::new().spawn(move || {
        // One that does not read what it is asked says so by its answer.
        let _ = input.as_mut().map(|input| input.write_all(server.as_bytes()));
        drop(input);
        let mut printed = Vec::new();
        let _ = output.map(|output| output.take(LIMIT + 1).read_to_end(&mut printed));
        let _ = sender.send(printed);
    });
    let printed = asking.ok().and_then(|_| receiver.recv_timeout(LONGEST).ok());
    let Some(printed) = printed else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("{program} did not answer within {} s", LONGEST.as_secs()));
    };
    if printed.len() as u64 > LIMIT {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("{program} prints more than a login has"));
    }
    let status = child.wait().map_err(|why| format!("{program} cannot be waited for: {why}"))?;
    if !status.success() {
        let is_unknown = String::from_utf8_lossy(&printed).trim() == NOT_FOUND;
        return if is_unknown { Ok(None) } else { Err(format!("{program} failed ({status})")) };
    }
    let answer: Answer =
        serde_json::from_slice(&printed).map_err(|_| format!("{program} printed something other than a login"))?;
    Ok(Some(match answer.username.as_str() {
        TOKEN_USER => Login::Identity(answer.secret),
        _ => Login::Password(answer.username, answer.secret),
    }))
}
