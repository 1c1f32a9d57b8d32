use super::*;

const SECOND_NS: u64 = 1_000_000_000;
const OF: Asked = Asked::Withdrawal(WithdrawalId::new(1));
const BLOCKED: Hindrance = Hindrance::LedgerRefuses(RejectReason::WithdrawalsBlocked);

/// Seconds at which something that is always refused is tried; blocks come at `blocks`.
fn tries(refusals: &mut Refusals, seconds: std::ops::Range<u64>, blocks: &[u64]) -> Vec<u64> {
    let mut tried = Vec::new();
    for second in seconds {
        let now = Timestamp::from_nanos(second * SECOND_NS);
        if blocks.contains(&second) {
            refusals.look(BlockHash([second as u8; 32]));
        }
        if !refusals.is_paused(OF, now) {
            tried.push(second);
            refusals.note(OF, BLOCKED, now);
        }
    }
    tried
}

#[test]
fn what_is_refused_is_tried_less_and_less_often_and_soon_after_a_block() {
    let mut refusals = Refusals::new(5 * SECOND_NS);
    assert_eq!(tries(&mut refusals, 0..260, &[]), [0, 5, 15, 35, 75, 135, 195, 255]);
    assert_eq!(tries(&mut refusals, 260..300, &[261]), [261, 271, 291], "a pause after the last try is over");
    assert_eq!(
        tries(&mut refusals, 300..310, &[301, 302]),
        [301, 306],
        "more blocks make no more tries than one in a pause"
    );
}

#[test]
fn a_reason_is_told_once_until_it_is_another_or_something_has_changed() {
    let mut refusals = Refusals::new(5 * SECOND_NS);
    let waits = || Hindrance::SignerWaits("tomorrow".into());
    let mut note = |of, why| refusals.note(of, why, Timestamp::ZERO);
    let told = [BLOCKED, BLOCKED, waits(), waits(), BLOCKED].map(|why| note(OF, why));
    assert_eq!(told, [true, false, true, false, true]);
    assert!(note(Asked::Move, BLOCKED), "of each by itself");
    assert!(!note(Asked::Move, BLOCKED));
    refusals.look(BlockHash([1; 32]));
    assert!(!refusals.note(OF, BLOCKED, Timestamp::ZERO), "a block is no news of it");
    assert_eq!(refusals.of_withdrawals().collect::<Vec<_>>(), [(WithdrawalId::new(1), &BLOCKED)]);
}
