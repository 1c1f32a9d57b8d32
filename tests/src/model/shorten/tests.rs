use super::shortened;

/// Of the numbers 0 to 299: it goes wrong at the first number that every earlier one of these has come before.
fn check(needed: &[u32]) {
    let goes_wrong_at = |steps: &[u32]| {
        let mut left = needed.iter();
        let mut next = left.next();
        for (at, step) in steps.iter().enumerate() {
            if Some(step) == next {
                next = left.next();
                if next.is_none() {
                    return Some(at);
                }
            }
        }
        None
    };
    assert_eq!(shortened((0..300).collect(), goes_wrong_at), needed);
}

#[test]
fn only_what_it_takes_to_go_wrong_is_left() {
    check(&[0]);
    check(&[299]);
    check(&[17, 18]);
    check(&[0, 150, 299]);
    check(&[3, 50, 51, 148, 149, 150, 151, 290]);
}

#[test]
fn what_does_not_go_wrong_has_no_shorter_story() {
    assert!(shortened((0..300).collect(), |_: &[u32]| None).is_empty());
}
