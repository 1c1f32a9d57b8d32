//! What a client was told not to exist does not come any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wire::Command;
use wire::command::SealName;

use super::*;

/// A ledger in which the name of every order is sealed since `asked_us` until the seal is lifted.
fn sealed(asked_us: u64) -> (Script, Arc<AtomicUsize>) {
    let lifted = Arc::new(AtomicUsize::new(0));
    let (count, mut rests) = (Arc::clone(&lifted), resting_script());
    let script: Script = Box::new(move |position, command| match command {
        Command::SealName(seal) => {
            assert!(seal.is_lifted && seal.asked_us == asked_us && seal.client_order_id == client_id("x"), "{seal:?}");
            count.fetch_add(1, Ordering::Relaxed);
            Ok((Reply::Accepted { id: 0 }, Vec::new()))
        }
        _ if count.load(Ordering::Relaxed) == 0 => {
            let id = SealName::no_order(asked_us).get();
            Ok((Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id }, Vec::new()))
        }
        _ => rests(position, command),
    });
    (script, lifted)
}

#[tokio::test]
async fn an_order_that_was_asked_for_before_the_question_is_refused() {
    for asked_us in [alice().asked_us, alice().asked_us + 1] {
        let (gateway, ledger) = gateway();
        let (script, lifted) = sealed(asked_us);
        ledger.script(script);
        for text in ["newClientOrderId=x", "newClientOrderId=x&identicalRetry=true"] {
            let refused = place(&gateway, alice(), params(&format!("{BUY}&{text}"))).await.unwrap_err();
            assert_eq!((refused.code, &*refused.message), (-2010, "Duplicate order sent."));
        }
        assert_eq!(lifted.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn an_order_that_was_asked_for_after_the_question_is_taken() {
    let (gateway, ledger) = gateway();
    let (script, lifted) = sealed(alice().asked_us - 1);
    ledger.script(script);
    let answer = json(place(&gateway, alice(), params(&format!("{BUY}&newClientOrderId=x"))).await);
    assert_eq!((&answer["status"], lifted.load(Ordering::Relaxed)), (&json!("NEW"), 1));
}
