//! How it ends.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    args: Args,
}

fn failed(flags: &str) -> Failed {
    let flags = Flags::try_parse_from(["loadgen"].into_iter().chain(flags.split_whitespace()));
    main(flags.unwrap().args).unwrap_err()
}

#[test]
fn wrong_arguments_are_told_apart_from_work_that_cannot_be_done() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let state = r#"{"rest":"http://127.0.0.1:9","ws":"ws://127.0.0.1:9","ws_api":"ws://127.0.0.1:9","accounts":[]}"#;
    std::fs::write(file.path(), state).unwrap();
    let state = file.path().display();
    for flags in [
        format!("run --state {state} --duration 0"),
        "run".to_owned(),
        "run --rest ftp://127.0.0.1:9".to_owned(),
        "replay nothing --makers 0".to_owned(),
        "cluster --duration 0".to_owned(),
        "cluster".to_owned(),
        format!("fanout --state {state} --subscribers 0 --slow 0"),
        format!("fanout --state {state} --duration 0"),
        "gateway".to_owned(),
        format!("bots --state {state} --rate 0"),
    ] {
        let failed = failed(&flags);
        assert!(matches!(failed, Failed::Arguments(_)), "{flags}: {failed:?}");
    }
    for flags in [
        "run --state /nonexistent/demo.json".to_owned(),
        "cluster --state /nonexistent/demo.json".to_owned(),
        "fanout --state /nonexistent/demo.json".to_owned(),
        "gateway --state /nonexistent/demo.json".to_owned(),
        "bots --state /nonexistent/demo.json".to_owned(),
        format!("replay /nonexistent/recording --state {state}"),
    ] {
        let failed = failed(&flags);
        assert!(matches!(failed, Failed::Work(_)), "{flags}: {failed:?}");
    }
}
