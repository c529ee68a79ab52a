//! The help texts of all commands.

use crate::support::TestEnv;

/// Collects the words of each command and subcommand, as the command line defines them.
fn commands(command: &clap::Command, words: &[&str], found: &mut Vec<Vec<String>>) {
    found.push(words.iter().map(|word| (*word).to_owned()).collect());
    for subcommand in command.get_subcommands() {
        commands(subcommand, &[words, &[subcommand.get_name()]].concat(), found);
    }
}

#[test]
fn each_command_shows_its_help() {
    let mut env = TestEnv::new();
    env.set("COLUMNS", "100");
    // The help works without `HOME`.
    env.unset("HOME");
    let mut all = Vec::new();
    commands(&matenv::cli::definition(), &[], &mut all);
    assert!(all.len() > 20, "{all:?}");
    for words in all {
        let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
        let ran = env.matenv(&arguments).exits(0);
        let name = [&["matenv"][..], &arguments[..words.len()]].concat().join("-");
        insta::assert_snapshot!(name, ran.stdout);
    }
}
