//! The command lines there are, and those that are none.

use clap::{CommandFactory, Parser};

use super::Command;

/// As the binary has it.
#[derive(Debug, Parser)]
#[command(name = "weir")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn parse(line: &str) -> Result<String, String> {
    let words = std::iter::once("weir").chain(line.split(' ').filter(|word| !word.is_empty()));
    match Cli::try_parse_from(words) {
        Ok(cli) => Ok(format!("{:?}", cli.command)),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_command_line_of_the_documentation_is_one() {
    for line in [
        "topic create flights --partitions 4",
        "topic create clicks --durability written --retention-ms 7d --batch-bytes-max 4MiB",
        "topic list --output json",
        "topic describe flights",
        "topic alter flights --partitions 8 --retention-bytes none",
        "topic delete flights --server 127.0.0.1:1",
        "topic --server 127.0.0.1:1 list",
        "topic delete-records flights --partition 2 --before 1000",
        "topic delete-records flights --all-partitions --before latest --output json",
        "produce flights flights.ndjson --key-from /origin",
        "produce flights -",
        "produce flights --ack none",
        "consume flights --from earliest --count 20000",
        "consume flights --from 17 --partition 0 --partition 3 --follow --output json",
        "consume flights --from 2026-01-31T12:00:00Z",
        "consume flights --group billing --follow",
        "consume flights hotels --group billing",
        "group list --output json",
        "group describe billing",
        "group seek billing --topic flights --partition 2 --to 1000",
        "group seek billing --topic flights --to earliest --output json",
        "group delete billing --server 127.0.0.1:1",
        "live flights --from latest --http 127.0.0.1:1",
        "live flights --after abc --count 1",
        "bench produce --batch 1 --in-flight 1 --durability written --ack none",
        "bench produce --topic t --keep --output json --records 5 --size 1KiB --connections 2",
        "bench consume --stored",
        "bench latency --rate 5000 --seconds 3 --warm-up 0",
        "bench --topic t latency",
        "bench queue --size 100 --workers 1 --partitions 1 --credit 64 --in-flight 64 --records 9",
        "bench queue --rate 5000 --seconds 3 --warm-up 0 --output json --topic jobs",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn what_is_no_command_line_is_refused_with_what_would_be() {
    for (line, says) in [
        ("topic", "Usage"),
        ("topic create", "<NAME>"),
        ("topic create a --durability safe", "synced, written, ephemeral"),
        ("topic create a --partitions many", "invalid value 'many'"),
        ("topic create a --retention-ms soon", "no whole number"),
        ("topic alter a --retention-bytes 3kg", "use B, KiB, MiB, GiB, TiB"),
        ("topic delete-records a --before 5", "--partition <N>"),
        ("topic delete-records a --partition 1", "--before <PLACE>"),
        ("topic delete-records a --partition -1 --before 5", "unexpected argument '-1'"),
        ("topic delete-records a --partition 1 --before=-5", "is no place"),
        ("topic delete-records a --partition 1 --all-partitions --before 5", "cannot be used with"),
        ("produce", "<TOPIC>"),
        ("produce a --key-from origin", "begins with '/'"),
        ("produce a --ack all", "none, written, synced"),
        ("consume a --from then", "use earliest, latest"),
        ("consume a --output table", "value, json"),
        ("consume a --count many", "--count"),
        ("live a --from earliest --after b", "cannot be used with"),
        ("bench consume --stored --keep", "cannot be used with"),
        ("bench queue --rate 5 --records 9", "cannot be used with"),
        ("bench queue --seconds 9", "--rate <N>"),
        ("bench", "Usage"),
        ("bench fan", "unrecognized subcommand"),
    ] {
        let refused = parse(line).unwrap_err();
        assert!(refused.contains(says), "{line}: {refused}");
    }
}

#[test]
fn the_definition_of_the_commands_holds() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_help_with_examples() {
    fn check(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let subcommands: Vec<_> = command.get_subcommands().collect();
        assert!(command.get_about().is_some(), "{path} says nothing of itself");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
        }
        if subcommands.is_empty() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!(" {}", path.trim_start())), "{path}: {help}");
        }
        for subcommand in subcommands {
            check(subcommand, &path);
        }
    }
    for command in Cli::command().get_subcommands() {
        check(command, "weir");
    }
}
