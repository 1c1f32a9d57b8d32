use serde_json::Value;

use super::*;
use crate::fake::{Fake, Fault, SYMBOL};

#[test]
fn lengths_of_time_take_the_usual_units() {
    assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
    assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
    for wrong in ["", "s", "5 s", "5d", "-1s", "1.2.3"] {
        assert!(parse_duration(wrong).is_err(), "{wrong}");
    }
}

/// Runs a short load against an exchange with this fault and returns what is reported.
async fn report(fault: Fault) -> (Verdict, Value) {
    let fake = Fake::start(fault, &["alice", "bob", "carol"]).await;
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("report.json");
    let verdict = run(args(&fake, &json)).await.unwrap();
    (verdict, serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap())
}

fn args(fake: &Fake, json: &Path) -> Args {
    Args {
        target: fake.target.clone(),
        rate: 400.0,
        duration: Duration::from_millis(1_500),
        accounts: 3,
        symbols: vec![SYMBOL.to_owned()],
        connections: 2,
        cancel_ratio: 0.2,
        timeout: Duration::from_secs(2),
        drain: Duration::from_secs(10),
        seed: 7,
        response: mix::Response::Each,
        read_every: 40_000,
        json: Some(json.to_owned()),
        pauses: None,
    }
}

#[tokio::test]
async fn a_sound_exchange_is_reconciled_without_findings() {
    let (verdict, report) = report(Fault::None).await;
    assert_eq!(verdict, Verdict::Sound, "{report:#}");
    assert_eq!(report["offered"], 600);
    assert_eq!(report["acked"].as_u64().unwrap() + report["rejected"].as_u64().unwrap(), 600);
    for field in ["offered_per_s", "acked_per_s", "rejected", "lost", "duplicated", "longest_pause_ms"] {
        assert!(report[field].is_number(), "{field} is missing: {report:#}");
    }
    for field in ["p50", "p99", "p999", "max"] {
        assert!(report["ack_us"][field].as_u64().unwrap() > 0, "{field} is missing: {report:#}");
    }
    assert!(report["fills"].as_u64().unwrap() > 100, "{report:#}");
}

#[tokio::test]
async fn a_lost_order_is_reported() {
    let (verdict, report) = report(Fault::LoseOrder(200)).await;
    assert_eq!(verdict, Verdict::Unsound);
    assert_eq!(report["lost"], 1, "{report:#}");
}

#[tokio::test]
async fn a_doubled_order_is_reported() {
    let (verdict, report) = report(Fault::DoubleOrder(200)).await;
    assert_eq!(verdict, Verdict::Unsound);
    assert_eq!(report["duplicated"], 1, "{report:#}");
}

#[tokio::test]
async fn money_out_of_nowhere_is_reported() {
    let (verdict, report) = report(Fault::WrongBalance).await;
    assert_eq!(verdict, Verdict::Unsound);
    assert_eq!(report["unbalanced"], 1, "{report:#}");
}

#[tokio::test]
async fn orders_whose_answers_are_lost_are_looked_up_and_nothing_is_lost_or_doubled() {
    let (verdict, report) = report(Fault::HangUpEvery(50)).await;
    assert_eq!(verdict, Verdict::Sound, "{report:#}");
    assert!(report["retried"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(report["unresolved"], 0, "{report:#}");
}

/// What was open at one reading is asked for at the next: after that one it may be forgotten.
#[tokio::test]
async fn an_exchange_that_forgets_what_was_closed_is_reconciled() {
    let fake = Fake::start(Fault::ForgetClosed, &["alice", "bob", "carol"]).await;
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("report.json");
    let args = Args { duration: Duration::from_millis(3_500), read_every: 20, ..args(&fake, &json) };
    assert_eq!(run(args).await.unwrap(), Verdict::Sound);
    assert!(fake.forgotten() > 100, "{}", fake.forgotten());
}

#[tokio::test]
async fn flags_that_prove_nothing_or_cannot_be_kept_are_refused_before_the_load() {
    let fake = Fake::start(Fault::None, &["alice", "bob", "carol"]).await;
    let directory = tempfile::tempdir().unwrap();
    let (json, nowhere) = (directory.path().join("report.json"), directory.path().join("none").join("x"));
    let good = args(&fake, &json);
    let refused = [
        (Args { timeout: Duration::ZERO, ..good.clone() }, "--timeout"),
        (Args { duration: Duration::ZERO, ..good.clone() }, "--duration"),
        (Args { symbols: vec![String::new(), String::new()], ..good.clone() }, "--symbols"),
        (Args { json: Some(nowhere.clone()), ..good.clone() }, "cannot write"),
        (Args { pauses: Some(nowhere), ..good }, "cannot write"),
    ];
    for (args, why) in refused {
        let error = run(args).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(fake.orders(), 0);
    assert!(!json.exists(), "looking whether it can be written leaves nothing behind");
}

#[tokio::test]
async fn an_exchange_that_is_gone_at_the_end_is_told_with_the_figures_up_to_then() {
    let fake = Fake::start(Fault::GoneAfter(150), &["alice", "bob", "carol"]).await;
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("report.json");
    let brief = Duration::from_millis(200);
    let error = run(Args { timeout: brief, drain: brief, ..args(&fake, &json) }).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot list the open orders"), "{error}");
    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!((&report["reconciled"], &report["sound"]), (&false.into(), &false.into()));
    assert_eq!(report["offered"], 600, "{report:#}");
    let (acked, unresolved) = (report["acked"].as_u64().unwrap(), report["unresolved"].as_u64().unwrap());
    assert!(acked > 0 && acked <= 150 && unresolved >= 600 - 150, "{report:#}");
}
