//! What `--help` says, in the reader's language. The texts stand at the arguments, as clap reads them, in English; their
//! Chinese is in `translations/help.zh_CN.po`, for the commands of `pack-site`.

use clap::builder::{Resettable, StyledStr};
use clap::{Arg, Command};

use crate::language::{Language, spoken, translated};

/// A program's commands as its reader knows them.
pub(super) fn in_the_readers_language(mut command: Command) -> Command {
    if spoken() == Language::English {
        return command;
    }
    // What clap itself adds to each command is there from now on.
    command.build();
    of_command(command)
}

fn of_command(command: Command) -> Command {
    let texts = [command.get_about(), command.get_long_about(), command.get_after_help()].map(of_text);
    let [about, long_about, after_help] = texts;
    let template = translated("{about-with-newline}\nUsage: {usage}\n\n{all-args}{after-help}");
    command
        .about(about)
        .long_about(long_about)
        .after_help(after_help)
        .help_template(template.to_owned())
        .subcommand_help_heading(translated("Commands"))
        .mut_args(of_argument)
        .mut_subcommands(of_command)
}

fn of_argument(argument: Arg) -> Arg {
    let [help, long_help] = [argument.get_help(), argument.get_long_help()].map(of_text);
    let heading = if argument.is_positional() { translated("Arguments") } else { translated("Options") };
    argument.help(help).long_help(long_help).help_heading(heading)
}

fn of_text(text: Option<&StyledStr>) -> Resettable<StyledStr> {
    text.map_or(Resettable::Reset, |text| Resettable::Value(translated(&text.to_string()).to_owned().into()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::on_site::OnSite;
    use crate::language::in_chinese;

    /// Every text that `--help` shows of a command and those below it.
    fn collect(command: &Command, texts: &mut BTreeSet<String>) {
        let of_command = [command.get_about(), command.get_long_about(), command.get_after_help()];
        let of_arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
        let of_arguments = of_arguments.flat_map(|argument| [argument.get_help(), argument.get_long_help()]);
        texts.extend(of_command.into_iter().chain(of_arguments).flatten().map(ToString::to_string));
        command.get_subcommands().filter(|below| !below.is_hide_set()).for_each(|below| collect(below, texts));
    }

    #[test]
    fn every_text_of_help_on_site_has_its_chinese_and_no_other_is_there() {
        let mut texts = BTreeSet::new();
        let mut command = OnSite::command();
        command.build();
        collect(&command, &mut texts);
        assert!(texts.len() > 50, "{texts:#?}");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("translations/help.zh_CN.po");
        let catalogue = polib::po_file::parse(&file).expect("a catalogue");
        let there: BTreeSet<String> = catalogue.messages().map(|message| message.msgid().to_owned()).collect();
        let missing: Vec<_> = texts.difference(&there).collect();
        let left_over: Vec<_> = there.difference(&texts).collect();
        assert!(missing.is_empty(), "translations/help.zh_CN.po lacks {}: {missing:#?}", missing.len());
        assert!(left_over.is_empty(), "no command says: {left_over:#?}");
        // What has no translation is not taken for something else.
        let mut others = BTreeSet::new();
        let mut command = Cli::command();
        command.build();
        collect(&command, &mut others);
        let taken: Vec<_> = others.difference(&texts).filter(|text| in_chinese(text).is_some()).collect();
        assert!(taken.is_empty(), "{taken:#?}");
    }
}
