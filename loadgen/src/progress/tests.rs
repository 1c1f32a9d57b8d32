use super::*;

#[test]
fn a_line_is_told_every_few_seconds_and_says_how_long_it_will_take() {
    let start = Instant::now();
    let mut lines = Lines::new(400, "updates", start);
    assert_eq!(lines.due(start + Duration::from_secs(4)), None);
    assert_eq!(lines.due(start + Duration::from_secs(5)).unwrap(), "0/400 updates, 5 s gone");
    (lines.done, lines.message) = (100, "0 differ".to_owned());
    assert_eq!(lines.due(start + Duration::from_secs(9)), None);
    let line = lines.due(start + Duration::from_secs(10)).unwrap();
    assert_eq!(line, "100/400 updates, 10 s gone, about 30 s to go, 0 differ");
}
