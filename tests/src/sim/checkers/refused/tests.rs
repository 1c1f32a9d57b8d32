use wire::{Sequence, SessionId};

use super::super::made;
use super::*;

const ORDER: &[u8] = b"an order";

fn executed(sequence: u64) -> Record {
    let origin = Origin { session: SessionId::new(1), sequence: Sequence::new(sequence) };
    Record { origin, payload: ORDER.to_vec(), ..made::record(sequence) }
}

fn asked_twice() -> Refused {
    let mut refused = Refused::default();
    refused.on_asked(ORDER);
    refused.on_asked(ORDER);
    refused
}

#[test]
fn what_was_told_not_to_be_executed_is_not_executed_afterwards() {
    let mut refused = asked_twice();
    assert!(refused.on_told(0, ORDER, Some(&ClusterError::Busy)).is_ok());
    assert!(refused.on_commit(&executed(1)).is_ok(), "one of the two was not refused");
    assert!(refused.on_commit(&executed(2)).is_err());
}

#[test]
fn what_was_executed_is_not_told_to_be_not() {
    let mut refused = asked_twice();
    assert!(refused.on_commit(&executed(1)).is_ok());
    assert!(refused.on_commit(&executed(2)).is_ok());
    assert!(refused.on_told(0, ORDER, Some(&ClusterError::Unavailable)).is_err());
}

#[test]
fn what_nobody_knows_may_be_executed() {
    let mut refused = asked_twice();
    assert!(refused.on_told(0, ORDER, Some(&ClusterError::OutcomeUnknown)).is_ok());
    assert!(refused.on_commit(&executed(1)).is_ok());
    assert!(refused.on_commit(&executed(2)).is_ok());
}
