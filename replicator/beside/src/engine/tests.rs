//! What a driver says to destinations, by its own.

use super::*;

fn work_until(engine: &mut Engine, what: &str, mut is_so: impl FnMut(&mut Engine) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so(engine) {
        assert!(Instant::now() < end, "{what}");
        engine.work().unwrap();
    }
}

#[test]
fn destination_that_the_driver_refuses_is_told_again() {
    let directory = crate::room::directory(&format!("mainstay-test-{}-refused", std::process::id()));
    let mut engine = Engine::connect(&AeronDriver::Own(directory), None).unwrap();
    let at: SocketAddr = "127.0.0.1:40123".parse().unwrap();
    // A publication to one place has no others: whatever it is told, the driver refuses.
    let to = Stream { channel: Channel::CastAt(at), stream: 77 };
    engine.spread(to, [at].into());
    assert!(engine.publications.is_empty(), "it has none, and is told none");
    work_until(&mut engine, "no publication", |engine| {
        engine.offer(to, b"");
        matches!(engine.publication(to).state, Asked::There(_))
    });
    engine.publication(to).destinations = [at].into();
    for _ in 0..2 {
        engine.tell_destinations(to);
        assert_eq!(engine.publication(to).told, [at].into());
        work_until(&mut engine, "it is taken", |engine| engine.publication(to).told.is_empty());
        let told = Instant::now();
        work_until(&mut engine, "it is not told again", |engine| !engine.spreading.is_empty());
        assert!(told.elapsed() >= TELL_AGAIN_AFTER / 2, "at once");
        work_until(&mut engine, "it is taken", |engine| engine.publication(to).told.is_empty());
    }
    // Of what is wanted no more nothing is told.
    engine.publication(to).destinations.clear();
    let due = engine.publication(to).tell_due.expect("it is told again");
    work_until(&mut engine, "later", |_| Instant::now() > due + Duration::from_millis(10));
    assert!(engine.spreading.is_empty() && engine.publication(to).tell_due.is_none());
}
