use super::*;

const SECOND: u64 = 1_000_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * SECOND)
}

fn reached(committed: u64, seconds: u64) -> Reached {
    Reached { term: 1, committed, time: at(seconds) }
}

fn hear(following: &mut Following, said: Reached, now: Timestamp) {
    following.newest = Some((said, now));
    following.target.get_or_insert(said);
}

#[test]
fn who_has_applied_everything_lags_by_the_age_of_the_announcement_however_old_the_last_entry_is() {
    let mut following = Following::default();
    hear(&mut following, reached(10, 100), at(500));
    following.applied(10);
    assert_eq!(following.lag(10, at(3), at(500)), Lag { entries: 0, nanos: 0 });
    assert_eq!(following.lag(10, at(3), at(502)), Lag { entries: 0, nanos: 2 * SECOND }, "nothing is heard any more");
}

#[test]
fn who_misses_entries_lags_from_the_log_time_of_the_last_it_has() {
    let mut following = Following::default();
    hear(&mut following, reached(10, 100), at(100));
    following.applied(7);
    assert_eq!(following.lag(7, at(95), at(101)), Lag { entries: 3, nanos: 6 * SECOND });
}

#[test]
fn a_leader_that_runs_away_is_reached_where_it_was() {
    let mut following = Following::default();
    for second in 0..10 {
        hear(&mut following, reached(100 * second, 1_000 + second), at(second));
        following.applied(100 * second.saturating_sub(3));
    }
    // Entry 500 was committed four seconds ago and was to be reached; the log time of entries is older still.
    assert_eq!(following.lag(600, at(900), at(9)), Lag { entries: 300, nanos: 4 * SECOND });
    assert_eq!(following.lag(600, at(1_007), at(9)), Lag { entries: 300, nanos: 2 * SECOND }, "a later entry is here");
}

#[test]
fn before_an_announcement_the_own_clock_stands_for_the_leaders() {
    assert_eq!(Following::default().lag(7, at(95), at(101)), Lag { entries: 0, nanos: 6 * SECOND });
}
