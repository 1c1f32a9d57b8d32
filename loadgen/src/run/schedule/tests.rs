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
    let mut slots = pace(Schedule::new(200.0, 0.0, Duration::from_millis(100)), start).unwrap();
    let mut seen = 0;
    while let Some(slot) = slots.recv().await {
        assert!(start.elapsed() >= slot.after);
        seen += 1;
    }
    assert_eq!(seen, 20);
}
