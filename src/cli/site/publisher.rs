//! The publisher's key, shown and asked about before it is kept.

use std::io::{self, IsTerminal as _, Write as _};

use super::*;
use crate::cli::typed_line;
use crate::error::{Error, inert};
use crate::language::tr;
use crate::path::shell_word;
use crate::task::site::install::Options;
use crate::task::site::publisher::{Publisher, to_confirm};

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 256;

/// Where somebody sits who can be asked, no key was given and this host trusts none for the product yet, asks about the one
/// that came with it.
///
/// # Errors
/// It is not the publisher's.
pub(super) fn confirm(options: &mut Options, terminal: &Terminal) -> Result<()> {
    let somebody_sits = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !somebody_sits || terminal.json() || terminal.quiet() {
        return Ok(());
    }
    let Some(publisher) = to_confirm(options)? else { return Ok(()) };
    let Publisher { name, version, key } = publisher;
    let (text, id) = (key.to_string(), key.id());
    say(&tr!(
        "{name} {version} comes with this key of its publisher:\n\n  {text}\n  ID {id}\n\nCompare it with the key that the \
         publisher has given you in another way; a forged file comes with a key too.\nA key that you confirm is kept, and \
         every later version must be signed with it.\n",
        name = inert(&name),
        version,
        text,
        id
    ))?;
    loop {
        say(&tr!(
            "Is it the publisher's? y: yes; n: no, change nothing; Enter: go on without knowing who signed this: "
        ))?;
        let read = typed_line::read(io::stdin().lock(), LONGEST_ANSWER);
        let answer = read
            .map_err(|cause| Error::failed(tr!("cannot read standard input")).fact("cause", &cause).caused_by(cause))?
            .unwrap_or_default();
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" | "是" => {
                options.trust.key = Some(key);
                return Ok(());
            }
            "n" | "no" | "否" => {
                return Err(Error::integrity(tr!("it is not the publisher's key: nothing was changed"))
                    .fact("key", text)
                    .hint(tr!(
                        "ask the publisher for the right file, and verify it with the right key: pack verify --pubkey release.pub {}",
                        shell_word(&options.source)
                    )));
            }
            "" => return Ok(()),
            _ => {}
        }
    }
}

fn say(text: &str) -> Result<()> {
    let mut err = io::stderr().lock();
    let written = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    written.map_err(|cause| Error::failed(tr!("cannot ask")).fact("cause", &cause).caused_by(cause))
}
