use super::report::Taken;
use super::*;
use wire::RejectReason;

fn refused(status: u16, code: i32, message: &str) -> Failure {
    let retry_after = (status != 400).then_some(Duration::from_secs(34));
    Failure::Api(ApiError::Refused { status, code, message: message.to_owned(), retry_after })
}

fn taken(times_us: &[u64]) -> Taken {
    let mut taken = Taken::default();
    times_us.iter().for_each(|us| taken.succeeded(Some(Duration::from_micros(*us))));
    taken
}

#[test]
fn what_was_not_measured_adds_nothing_and_says_why() {
    let mut measured = Measured { nodes: taken(&[2_409]), ..Measured::default() };
    let failure = refused(429, -1003, "Too much request weight used.");
    (0..4_545).for_each(|_| measured.web_socket.failures.note(&failure, Instant::now()));
    let text = measured.to_string();
    assert!(!text.contains("adds"), "{text}");
    assert!(text.contains("WebSocket        0 orders, 4545 failed: nothing was measured"), "{text}");
    assert!(
        text.contains("4545 failed: the exchange answered -1003: Too much request weight used. (HTTP 429)"),
        "{text}"
    );
    assert_eq!(measured.failed(), 4_545);
}

#[test]
fn what_was_measured_is_told_against_the_nodes_and_without_those_against_nothing() {
    let both = Measured { nodes: taken(&[1_000]), rest: taken(&[1_400]), ..Measured::default() };
    assert!(both.to_string().contains("; adds +400 us p50, +400 us p99"), "{both}");
    let alone = Measured { rest: taken(&[1_400]), ..Measured::default() };
    assert!(!alone.to_string().contains("adds"), "{alone}");
}

#[test]
fn a_limit_ends_it_at_once_and_says_when_to_try_again() {
    let now = Instant::now();
    let end = Taken::default().end(refused(418, -1003, "IP banned."), now).expect("a ban is the end");
    let error = end.error().unwrap_err().to_string();
    assert!(error.contains("the exchange answered -1003: IP banned. (HTTP 418)"), "{error}");
    assert!(error.contains("try again in 34 s"), "{error}");
    assert!(Taken::default().end(refused(400, -2010, "no"), now).is_none());
}

#[test]
fn failures_alone_end_it_after_a_while() {
    let (mut taken, began) = (Taken::default(), Instant::now());
    let busy = Failure::Ledger(RejectReason::Busy);
    (0..10).for_each(|_| taken.failures.note(&busy, began));
    assert!(taken.end(busy.clone(), began + Duration::from_secs(1)).is_none());
    let end = taken.end(busy, began + Duration::from_secs(4)).expect("nothing succeeds");
    let error = end.error().unwrap_err().to_string();
    assert!(error.contains("every order fails: the ledger refused: Busy (no room"), "{error}");
}
