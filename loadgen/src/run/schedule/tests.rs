use super::*;

fn count(schedule: &Schedule, kind: SlotKind) -> usize {
    schedule.clone().filter(|slot| slot.kind == kind).count()
}

#[test]
fn orders_are_evenly_spaced_and_cancels_lie_between_them() {
    let schedule = Schedule::new(1_000.0, 0.1, Duration::from_secs(2));
    assert_eq!((count(&schedule, SlotKind::Order), count(&schedule, SlotKind::Cancel)), (2_000, 200));
    let times: Vec<Duration> = schedule.clone().map(|slot| slot.after).collect();
    assert!(times.is_sorted());
    let orders: Vec<Slot> = schedule.filter(|slot| slot.kind == SlotKind::Order).collect();
    assert_eq!(orders[0].after, Duration::ZERO);
    assert_eq!(orders[1_500].after, Duration::from_millis(1_500));
}

#[test]
fn without_cancels_there_are_orders_alone() {
    let schedule = Schedule::new(3.0, 0.0, Duration::from_secs(1));
    assert_eq!((count(&schedule, SlotKind::Order), count(&schedule, SlotKind::Cancel)), (3, 0));
}

#[tokio::test]
async fn slots_are_handed_out_no_earlier_than_planned() {
    let start = Instant::now();
    let mut slots = Pacer::new(Schedule::new(200.0, 0.5, Duration::from_millis(100)), start).unwrap();
    let mut seen = Vec::new();
    while let Some(slot) = slots.next().await.unwrap() {
        assert!(start.elapsed() >= slot.after);
        seen.push(slot);
    }
    assert_eq!(seen, Schedule::new(200.0, 0.5, Duration::from_millis(100)).collect::<Vec<_>>());
}

#[tokio::test]
async fn slots_that_are_due_already_come_at_once() {
    let schedule = Schedule::new(1_000.0, 0.0, Duration::from_secs(1));
    let mut slots = Pacer::new(schedule, Instant::now() - Duration::from_secs(2)).unwrap();
    let began = Instant::now();
    let mut seen = 0;
    while slots.next().await.unwrap().is_some() {
        seen += 1;
    }
    assert_eq!(seen, 1_000);
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn whoever_takes_slots_that_are_due_leaves_time_to_others() {
    let schedule = Schedule::new(100_000.0, 0.0, Duration::from_secs(1));
    let mut slots = Pacer::new(schedule, Instant::now() - Duration::from_secs(2)).unwrap();
    let other = tokio::spawn(async { Instant::now() });
    while slots.next().await.unwrap().is_some() {}
    let ended = Instant::now();
    assert!(other.await.unwrap() < ended, "the other waited for the last slot");
}

#[tokio::test]
async fn a_wait_for_a_slot_that_is_given_up_loses_none() {
    let start = Instant::now();
    let mut slots = Pacer::new(Schedule::new(50.0, 0.0, Duration::from_millis(100)), start).unwrap();
    let mut seen = Vec::new();
    loop {
        // Another timer is always sooner.
        match tokio::time::timeout(Duration::from_millis(3), slots.next()).await {
            Ok(Ok(Some(slot))) => seen.push(slot.after),
            Ok(last) => break assert_eq!(last.unwrap(), None),
            Err(_) => {}
        }
    }
    assert_eq!(seen, [0, 20, 40, 60, 80].map(Duration::from_millis));
}
