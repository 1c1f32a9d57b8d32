use super::*;

#[test]
fn lengths_of_time_take_the_usual_units() {
    assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
    assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
    for wrong in ["", "s", "5 s", "5d", "-1s", "1.2.3"] {
        assert!(parse_duration(wrong).is_err(), "{wrong}");
    }
}
