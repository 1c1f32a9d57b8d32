use super::*;

#[test]
fn a_refusal_is_told_in_words_with_its_name_and_what_it_speaks_of() {
    assert_eq!(refusal(RejectReason::ZeroAmount, 0), "the amount is zero (ZeroAmount)");
    assert_eq!(
        refusal(RejectReason::AccountExists, 1171),
        "there is an account of this name already (AccountExists: 1171)"
    );
    assert_eq!(refusal(RejectReason::UnknownAccount, 0), "unknown account (UnknownAccount)");
}
