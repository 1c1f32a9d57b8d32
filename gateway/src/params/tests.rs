use proptest::prelude::*;

use super::*;

#[test]
fn names_and_values_are_percent_decoded() {
    let mut params = Params::from_urlencoded("a=%5B%22x%22%5D&b=1+2&&c=%2B&d").unwrap();
    assert_eq!(params.take("a"), Ok(Some("[\"x\"]".into())));
    assert_eq!(params.take("b"), Ok(Some("1 2".into())));
    assert_eq!(params.take("c"), Ok(Some("+".into())));
    assert_eq!(params.take("d").unwrap_err().code, -1105);
    assert_eq!(params.take("e"), Ok(None));
    assert_eq!(params.finish(), Ok(()));
}

#[test]
fn what_was_not_read_is_counted() {
    let mut params = Params::from_urlencoded("a=1&b=2&c=3").unwrap();
    params.take("b").unwrap();
    assert_eq!(params.finish(), Err(ApiError::unread(1, 3)));
}

#[test]
fn a_name_twice_and_too_many_names_are_refused() {
    assert_eq!(Params::from_urlencoded("a=1&%61=1").unwrap_err(), errors::DUPLICATE_PARAMETER);
    let many: String = (0..65).map(|index| format!("p{index}=1&")).collect();
    assert_eq!(Params::from_urlencoded(&many).unwrap_err(), errors::TOO_MANY_PARAMETERS);
}

#[test]
fn a_body_does_not_overrule_the_query() {
    let mut params = Params::from_urlencoded("a=1").unwrap();
    params.extend_unless_known("a=2&b=3").unwrap();
    assert_eq!((params.get("a"), params.get("b")), (Some("1"), Some("3")));
}

#[test]
fn limits_are_cut_to_the_maximum_and_zero_is_refused() {
    let limit = |text: &str| Params::from_urlencoded(text).unwrap().limit(500, 1_000);
    assert_eq!(limit(""), Ok(500));
    assert_eq!(limit("limit=7"), Ok(7));
    assert_eq!(limit("limit=5000"), Ok(1_000));
    assert_eq!(limit("limit=0").unwrap_err().code, -1130);
    assert_eq!(limit("limit=-1").unwrap_err().code, -1100);
    assert_eq!(limit("limit=99999999999999999999").unwrap_err().code, -1108);
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}") {
        if let Ok(mut params) = Params::from_urlencoded(&text) {
            let _ = params.integer("a");
            let _ = params.finish();
        }
    }
}
