//! Mistakes in arguments are found before anybody is asked, and end the process with 2.

use clap::Parser;

use super::*;
use crate::report;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn parse(line: &[&str]) -> Result<Args, clap::Error> {
    Line::try_parse_from(["ctl"].iter().chain(line)).map(|line| line.args)
}

#[test]
fn what_cannot_be_meant_so_is_refused_where_it_is_read() {
    for line in [
        &["fees", "tiers", "USDT", "x"][..],
        &["fees", "tiers", "USDT", "0:1:100001"],
        &["fees", "set", "--account", "alice", "--maker", "1000000000", "--taker", "1"],
        &["fees", "set", "--account", "alice", "--maker", "1", "--taker", "1000000000"],
        &["log", "inspect", "node-1", "--entries", "x"],
        &["log", "inspect", "node-1", "--entries", "5..4"],
        &["log", "replay", "node-1", "--at", "foo"],
        &["backup", "restore", "--from", "b", "--at", "foo"],
        &["account", "open", "../root"],
        &["account", "open", "--", "-x"],
        &["account", "open", "erin", "--maker-fee", "100001"],
        &["operator", "add", "../operator-2"],
        &["market", "reopen", "BTCUSDT", "--auction", "0s"],
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line:?}");
    }
    for line in [
        &["fees", "tiers", "USDT", "0:1000:1000", "1000000.5:-50:500"][..],
        &["fees", "set", "--account", "alice", "--maker", "-50", "--taker", "100000"],
        &["log", "inspect", "node-1", "--entries", "3.."],
        &["backup", "restore", "--from", "b", "--at", "-90s"],
        &["log", "replay", "node-1", "--at", "2026-11-21T16:00:00Z"],
        &["operator", "add", "operator-2", "--replace"],
    ] {
        assert!(parse(line).is_ok(), "{line:?}");
    }
}

#[tokio::test]
async fn a_command_that_is_told_nothing_to_do_says_so_before_it_looks_for_an_exchange() {
    let place = Place { args_data_dir: Some("/nonexistent".into()), args_state: None, args_operator: None };
    for line in [&["capacity", "raise"][..], &["upgrade"], &["backup", "restore", "--from", "/tmp"]] {
        let done = match parse(line).unwrap().command {
            Command::Capacity(args) => capacity::run(&place, args).await,
            Command::Upgrade(args) => upgrade::run(&place, args).await,
            Command::Backup(command) => backup::run(None, command).await,
            other => panic!("{other:?}"),
        };
        assert_eq!(report::exit_code(&done.unwrap_err()), 2, "{line:?}");
    }
    let looked = capacity::run(&place, capacity::Args::default()).await;
    assert_eq!(report::exit_code(&looked.unwrap_err()), 1, "there is no exchange");
}

#[test]
fn an_amount_that_is_none_is_a_mistake_in_the_arguments_whatever_is_said_around_it() {
    for wrong in ["x", "1.123456789", "99999999999999999999"] {
        let why = crate::demo::bootstrap::parse_amount(wrong, 8).unwrap_err();
        assert_eq!(report::exit_code(&why.wrap_err("cannot credit it")), 2, "{wrong}");
    }
}
