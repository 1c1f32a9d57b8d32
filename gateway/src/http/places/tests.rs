use super::*;

const COUNT: usize = 16_384;

fn places() -> Arc<Places> {
    Arc::new(Places::new(COUNT, 1_024))
}

/// As many as it gets.
fn fill(places: &Arc<Places>, ip: &str) -> Vec<Place> {
    let ip = ip.parse().unwrap();
    let next = || {
        let place = places.take()?;
        place.is_admitted(ip).then_some(place)
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn an_address_has_its_share_and_gets_it_back() {
    let places = places();
    let first = fill(&places, "192.0.2.1");
    assert_eq!(first.len(), 1_024);
    assert_eq!(fill(&places, "192.0.2.2").len(), 1_024);
    drop(first);
    assert!(places.taken().is_empty(), "nobody is remembered who has none");
    assert_eq!(places.free(), COUNT);
    assert_eq!(fill(&places, "192.0.2.1").len(), 1_024);
}

#[test]
fn a_connection_is_one_clients_alone() {
    let places = places();
    let place = places.take().unwrap();
    assert!(place.is_nobodys());
    assert!(place.is_admitted("192.0.2.1".parse().unwrap()) && !place.is_nobodys());
    assert!(!place.is_admitted("192.0.2.2".parse().unwrap()), "it is another's");
    drop(place);
    assert!(places.taken().is_empty());
}

#[test]
fn a_newcomer_finds_a_place_whatever_a_thousand_others_hold() {
    type Name = fn(usize) -> String;
    let hostile: [(&str, Name); 5] = [
        ("addresses all over IPv4", |n| format!("10.{}.{}.1", n / 250, n % 250)),
        ("one network of IPv4", |n| format!("192.0.2.{}", n % 256)),
        ("networks of 64 bits in one of 48", |n| format!("2001:db8:0:{n:x}::1")),
        ("networks of 48 bits in one of 32", |n| format!("2001:db8:{n:x}::1")),
        ("addresses of one network of 64 bits", |n| format!("2001:db8::{n:x}")),
    ];
    for (who, name) in hostile {
        let places = places();
        let held: Vec<_> = (0..1_000).flat_map(|n| fill(&places, &name(n))).collect();
        for newcomer in ["198.51.100.7", "2001:db9::1", "198.51.100.8"] {
            assert!(!fill(&places, newcomer).is_empty(), "{newcomer} after {who}, who hold {}", held.len());
        }
    }
}

#[test]
fn the_reserved_part_is_for_those_that_have_few_and_its_last_quarter_for_those_that_have_none() {
    let places = places();
    let network = |n: usize| format!("10.{}.{}.1", n / 250, n % 250);
    let many: Vec<_> = (0..12).map(|n| fill(&places, &network(n))).collect();
    assert_eq!(places.free(), 4_096, "three quarters are taken");
    assert!(fill(&places, &network(0)).is_empty(), "who has many gets no more");
    let few: Vec<_> = (12..396).map(|n| fill(&places, &network(n))).collect();
    assert!(few.iter().all(|few| few.len() == 8), "one of 512 of the reserved ones");
    assert_eq!(places.free(), 1_024);
    assert!(fill(&places, &network(12)).is_empty());
    let last: Vec<_> = (396..1_420).map(|n| fill(&places, &network(n))).collect();
    assert!(last.iter().all(|last| last.len() == 1));
    assert_eq!(places.free(), 0);
    assert!(fill(&places, &network(1_420)).is_empty(), "so many hosts it takes");
    drop(many);
    assert_eq!(fill(&places, &network(1_420)).len(), 1_024);
}

#[test]
fn a_network_of_64_bits_is_one_client_and_those_around_it_have_four_times_as_many() {
    let places = Arc::new(Places::new(COUNT, 100));
    let mut held: Vec<_> = ["2001:db8::1", "2001:db8::2"].map(|ip| fill(&places, ip)).into();
    assert_eq!((held[0].len(), held[1].len()), (100, 0));
    held.extend((1..9).map(|n| fill(&places, &format!("2001:db8:0:{n}::1"))));
    assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 400, "of 48 bits");
    held.extend((1..32).map(|n| fill(&places, &format!("2001:db8:{n}::1"))));
    assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 1_600, "of 32 bits");
    held.extend((1..9).map(|n| fill(&places, &format!("192.0.2.{n}"))));
    assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 2_000, "of IPv4's 24 bits");
    held.clear();
    assert!(places.taken().is_empty());
}

#[test]
fn where_there_are_few_places_somebody_gets_the_last_one() {
    for count in [1, 2, 3, 8] {
        let places = Arc::new(Places::new(count, 1_024));
        let first = fill(&places, "192.0.2.1");
        assert!(!first.is_empty() && (count < 4 || first.len() < count), "{count}: {}", first.len());
        let second = fill(&places, "192.0.3.1");
        assert_eq!(second.is_empty(), first.len() == count, "{count}: {}", first.len());
    }
}

#[test]
fn a_place_is_one_clients() {
    let places = Arc::new(Places::new(8, 8));
    let place = places.take().unwrap();
    assert!(place.is_admitted("192.0.2.1".parse().unwrap()));
    assert!(!place.is_admitted("192.0.2.2".parse().unwrap()));
    drop(place);
    assert!(places.taken().is_empty());
}
