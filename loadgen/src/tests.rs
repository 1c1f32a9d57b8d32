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

/// A gateway that lists one market, for as long as the test runs.
fn listing() -> String {
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fake = crate::fake::Fake::start(crate::fake::Fault::None, &[]).await;
            said.send(fake.target.rest.clone().unwrap()).unwrap();
            std::future::pending::<()>().await
        });
    });
    heard.recv().unwrap()
}

#[test]
fn a_market_that_is_not_listed_is_a_wrong_argument() {
    let (rest, key) = (listing(), "k".repeat(64));
    let recorded = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(recorded.path(), replay::tests::RECORDING).unwrap();
    let recording = recorded.path().display();
    for flags in [
        format!("run --rest {rest} --account a:{key}:s --accounts 1 --symbols NOSUCH"),
        format!("bots --rest {rest} --account bot-a:{key}:s --account bot-b:{key}:s --symbols NOSUCH"),
        format!("replay {recording} --rest {rest} --account a:{key}:s --account b:{key}:s --symbol NOSUCH"),
    ] {
        let failed = failed(&flags);
        assert!(matches!(&failed, Failed::Arguments(why) if why.contains("NOSUCH")), "{flags}: {failed:?}");
    }
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
