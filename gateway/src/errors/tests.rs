use wire::RejectReason;

use super::*;

#[test]
fn every_reject_reason_has_a_code_below_zero_and_a_text() {
    for reason in RejectReason::ALL {
        let error = ApiError::from(*reason);
        assert!(error.code < 0 && !error.message.is_empty(), "{reason:?}");
        assert!((400..600).contains(&error.status), "{reason:?}");
    }
}

#[test]
fn an_error_is_written_as_binance_writes_it() {
    assert_eq!(INVALID_SYMBOL.to_json(), r#"{"code":-1121,"msg":"Invalid symbol."}"#);
}
