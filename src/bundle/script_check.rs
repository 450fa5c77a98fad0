//! Whether the scripts of a bundle can start: reported while bundling, not only on site.

use std::io::{self, Read};
use std::path::Path;

use super::contents::Contents;
use super::interpreter::Interpreter;
use crate::error::{Error, IoContext, Result};
use crate::manifest::{Kind, Manifest};
use crate::path::{RelPath, shell_word};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::release::Folder;
use crate::small_file;

/// How much of a script is looked through, in bytes.
const READ: u64 = 1 << 20;

/// Looks at the first line of every script in `contents`. What may be otherwise on site is noted.
///
/// # Errors
/// The script that is run on site cannot start on any machine of `platform`.
pub fn check_scripts(
    folder: &Folder,
    manifest: &Manifest,
    contents: &Contents,
    platform: Platform,
    progress: &dyn Progress,
) -> Result<()> {
    for artifact in &contents.artifacts {
        let is_run = manifest.run() == Some(&artifact.name);
        if !is_run && artifact.kind != Kind::Script {
            continue;
        }
        let path = folder.path_of(&artifact.name);
        let interpreter = Interpreter::of(&path).doing("read the script", &path)?;
        match broken(&interpreter, &artifact.name, folder, platform) {
            Some(error) if is_run => return Err(error),
            Some(error) => progress.note(&format!("{}: {}", artifact.name, error.title())),
            None => {}
        }
        if let Some(missing) = interpreter.missing() {
            progress.note(&format!(
                "{} needs {missing}, which is not on this machine: without it on site, nothing runs there",
                artifact.name
            ));
        }
        if interpreter.is_shell()
            && let Some(number) = windows_line(&path).doing("read the script", &path)?
        {
            progress.note(&format!(
                "{}: line {number} ends as on Windows (CRLF): a shell takes the mark at its end for a part of the command",
                artifact.name
            ));
        }
        if is_run && interpreter == Interpreter::Unnamed {
            progress.note(&format!("{} has no '#!' line: on site it is run with sh", artifact.name));
        }
    }
    Ok(())
}

/// The number of the first line that ends as on Windows, of so much of the file as scripts have.
fn windows_line(path: &Path) -> io::Result<Option<usize>> {
    let mut text = Vec::new();
    small_file::open_regular(path)?.take(READ).read_to_end(&mut text)?;
    let mut lines = text.split_inclusive(|&byte| byte == b'\n');
    Ok(lines.position(|line| line.ends_with(b"\r\n")).map(|index| index + 1))
}

/// The command that makes such a `#!` line one that works: `env` takes its words apart, a shell has its options set. `None`
/// where it is more than options, or has what means something to sed.
fn one_word(program: &str, argument: &str) -> Option<String> {
    if argument.contains(['\'', '\\', '|', '&']) || program.contains(['\'', '\\', '|', '&']) {
        return None;
    }
    if program.ends_with("env") {
        return argument.starts_with(char::is_alphanumeric).then(|| "sed -i '1s|env|env -S|'".to_owned());
    }
    let is_set = ["-e", "-u", "-x", "-o"].iter().any(|option| argument.starts_with(option));
    is_set.then(|| format!("sed -i '1s|.*|#!{program}\\nset {argument}|'"))
}

/// Why a script can start nowhere, where it cannot, and what to type.
pub(super) fn broken(interpreter: &Interpreter, name: &RelPath, folder: &Folder, platform: Platform) -> Option<Error> {
    let path = folder.path_of(name);
    let error = interpreter.fault(Some(platform))?.fact("path", path.display());
    let correct = |command: &str| {
        let name = shell_word(name.as_str().as_ref());
        format!("at its source: {command} {name}; then pin it again: {}", folder.pin_again())
    };
    Some(match interpreter {
        Interpreter::WindowsLines { .. } => error.hint(correct("sed -i 's/\\r$//'")),
        Interpreter::ReturnLines { .. } => error.hint(correct("sed -i 's/\\r/\\n/g'")),
        Interpreter::SeveralWords { program, argument } => match one_word(program, argument) {
            Some(command) => error.hint(correct(&command)),
            None => error.hint(format_args!("give the program one word, or none: see {}", shell_word(&path))),
        },
        Interpreter::WebPage => error.hint(format_args!(
            "see what the server says: head {}; then correct the URL in the manifest, and pin it again: {}",
            shell_word(&path),
            folder.pin_again()
        )),
        Interpreter::ByteOrderMark => error.hint(correct("sed -i '1s/^\\xef\\xbb\\xbf//'")),
        Interpreter::Executable { .. } => {
            error.hint(format_args!("list one built for {platform} in the manifest, with \"platform\": \"{platform}\""))
        }
        _ => error.hint(format_args!("see what it is: file {}", shell_word(&path))),
    })
}
