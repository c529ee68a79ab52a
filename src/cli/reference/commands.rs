//! The page that lists all commands.

use clap::{Arg, Command};

/// Checks whether the page lists an argument: all but hidden ones, `--help` and `--version`.
fn is_listed(argument: &Arg) -> bool {
    !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version")
}

pub(super) fn page(definition: &Command) -> String {
    let mut definition = definition.clone().disable_help_subcommand(true);
    definition.build();
    let mut page = vec![
        "# Commands\n\n".to_owned(),
        about(&definition),
        "This page is generated from the program itself (`just gen`).\n\n".to_owned(),
        "## Global options\n\nAll commands accept these options.\n\n".to_owned(),
    ];
    page.extend(
        definition
            .get_arguments()
            .filter(|argument| is_listed(argument))
            .map(line),
    );
    for command in definition
        .get_subcommands_mut()
        .filter(|command| !command.is_hide_set())
    {
        section(&mut page, command);
    }
    page.concat()
}

fn section(page: &mut Vec<String>, command: &mut Command) {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    page.push(format!("\n## `{name}`\n\n{}```text\n{usage}\n```\n", about(command)));
    let (positionals, options): (Vec<&Arg>, Vec<&Arg>) = command
        .get_arguments()
        .filter(|argument| is_listed(argument) && !argument.is_global_set())
        .partition(|argument| argument.is_positional());
    for arguments in [positionals, options] {
        if !arguments.is_empty() {
            page.push("\n".to_owned());
        }
        page.extend(arguments.into_iter().map(line));
    }
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set()) {
        section(page, sub);
    }
}

/// Returns the long description of a command, or the short one.
fn about(command: &Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about());
    about.map(|about| format!("{about}\n\n")).unwrap_or_default()
}

/// Returns the line of an argument: its syntax, help, possible values and default.
fn line(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let values = match values.as_slice() {
        [] => String::new(),
        _ if !takes_value(argument) => String::new(),
        values => format!(" ({})", values.join(", ")),
    };
    let default = match argument.get_default_values() {
        [default] if takes_value(argument) => format!("; default: `{}`", default.display()),
        _ => String::new(),
    };
    format!("- `{}`: {help}{values}{default}\n", syntax(argument))
}

/// Returns the syntax of an argument, such as `-v, --verbose`, `--name <NAME>` or `[ENV]...`.
fn syntax(argument: &Arg) -> String {
    let value = argument.get_value_names().map_or_else(
        || argument.get_id().as_str().to_uppercase(),
        |names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    );
    if argument.is_positional() {
        let repeated = argument.get_num_args().is_some_and(|count| count.max_values() > 1);
        let dots = if repeated { "..." } else { "" };
        return if argument.is_required_set() {
            format!("<{value}>{dots}")
        } else {
            format!("[{value}]{dots}")
        };
    }
    let names: Vec<String> = argument
        .get_short()
        .map(|short| format!("-{short}"))
        .into_iter()
        .chain(argument.get_long().map(|long| format!("--{long}")))
        .collect();
    let value = if takes_value(argument) {
        format!(" <{value}>")
    } else {
        String::new()
    };
    format!("{}{value}", names.join(", "))
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_num_args().is_some_and(|count| count.takes_values())
}
