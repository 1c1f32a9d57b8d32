use super::*;

fn untold(progress: &Progress, asked: Moment, timeout_ns: u64, came_to_lead: bool) -> Verdict {
    progress.on_untold(asked, timeout_ns, came_to_lead, || "an order".to_owned())
}

#[test]
fn who_asks_a_world_that_is_whole_is_told() {
    let mut progress = Progress::default();
    assert_eq!(untold(&progress, 100 * SECOND, SECOND, false), Ok(()), "everything may be broken");
    progress.healed(10 * SECOND);
    assert_eq!(untold(&progress, 11 * SECOND, SECOND, false), Ok(()), "it has been whole for too short a time");
    assert!(untold(&progress, 11 * SECOND + 1, SECOND, false).is_err());
    assert_eq!(untold(&progress, 11 * SECOND + 1, SECOND - 1, false), Ok(()), "an impatient user");
    assert_eq!(untold(&progress, 11 * SECOND + 1, SECOND, true), Ok(()), "another leader");
}

#[test]
fn a_healed_world_comes_to_rest_in_time() {
    let mut progress = Progress::default();
    let unrest = |progress: &Progress, now| progress.on_unrest(now, || "a node is down".to_owned());
    assert_eq!(unrest(&progress, 100 * SECOND), Ok(()), "nothing is healed");
    progress.healed(10 * SECOND);
    assert_eq!(unrest(&progress, 10 * SECOND + BOUND), Ok(()));
    assert!(unrest(&progress, 10 * SECOND + BOUND + 1).is_err());
}
