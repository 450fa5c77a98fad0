//! Why a script starts on no machine of a kind: the same words while bundling and on site.

use super::interpreter::Interpreter;
use crate::error::Error;
use crate::platform::Platform;

impl Interpreter {
    /// Why nothing starts this script, where that is so; `on` is the machine it is for, where that is known. What to type
    /// depends on where one is.
    pub fn fault(&self, on: Option<Platform>) -> Option<Error> {
        match self {
            Interpreter::WindowsLines { first } => Some(
                Error::failed("the script's lines end as on Windows (CRLF): it does not start on Linux")
                    .fact("first line", first.escape_debug()),
            ),
            Interpreter::ReturnLines { first } => Some(
                Error::failed("the script's lines end in a carriage return alone (CR): for Linux it is one line")
                    .fact("first line", first.escape_debug()),
            ),
            Interpreter::SeveralWords { program, argument } => Some(
                Error::failed("the script's '#!' line has several words, which Linux gives its program as one")
                    .fact("program", program)
                    .fact("given", format_args!("'{argument}'")),
            ),
            Interpreter::WebPage => {
                Some(Error::failed("the script is a web page, as a server sends it in place of a file"))
            }
            Interpreter::ByteOrderMark => {
                Some(Error::failed("the script begins with a byte order mark: it does not start on Linux"))
            }
            Interpreter::Executable { machine, .. } => {
                let on = on.filter(|on| on.elf_machine() != *machine)?;
                let other = Platform::all().find(|known| known.elf_machine() == *machine);
                Some(
                    Error::failed("the script is a program for another kind of machine")
                        .fact("expected", on)
                        .fact("actual", other.map_or(format!("ELF machine {machine}"), |other| other.to_string())),
                )
            }
            Interpreter::Unknown => Some(Error::failed("the script is neither text nor a program of Linux")),
            Interpreter::Named { .. } | Interpreter::Unnamed => None,
        }
    }
}
