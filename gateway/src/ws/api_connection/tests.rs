use super::*;

#[test]
fn limits_are_told_unless_the_client_says_otherwise() {
    assert!(Wanted::parse("").unwrap().returns_rate_limits);
    assert!(Wanted::parse("returnRateLimits=true").unwrap().returns_rate_limits);
    assert!(!Wanted::parse("timeUnit=microsecond&returnRateLimits=false").unwrap().returns_rate_limits);
    assert_eq!(Wanted::parse("timeUnit=x").unwrap_err().code, -1194);
}
