use super::*;

#[test]
fn frames_are_taken_apart_only_when_they_are_whole() {
    let mut bytes = vec![0x81, 3];
    bytes.extend_from_slice(b"abc");
    bytes.extend_from_slice(&[0x89, 1, b'p', 0x81, 126, 1, 0]);
    bytes.extend_from_slice(&[b'x'; 256]);
    let first = Frame::first(&bytes).unwrap();
    assert_eq!((first.opcode, first.payload, first.size), (OPCODE_TEXT, &b"abc"[..], 5));
    let ping = Frame::first(&bytes[5..]).unwrap();
    assert_eq!((ping.opcode, ping.pong()), (OPCODE_PING, vec![0x8a, 0x81, 0, 0, 0, 0, b'p']));
    let long = Frame::first(&bytes[8..]).unwrap();
    assert_eq!((long.payload.len(), long.size), (256, 260));
    for short in [&bytes[..0], &bytes[..1], &bytes[..4], &bytes[8..11], &bytes[8..200]] {
        assert!(Frame::first(short).is_none());
    }
}

#[test]
fn the_time_of_a_trade_is_read_from_its_event() {
    let event = br#"{"e":"trade","E":5,"s":"BTCUSDT","t":7,"T":1793491200123,"m":true}"#;
    assert_eq!(number(event, b"\"T\":"), Some(1_793_491_200_123));
    assert_eq!(number(br#"{"result":null,"id":1}"#, b"\"T\":"), None);
}

#[test]
fn events_are_heard_however_they_are_cut() {
    let event = |traded_ms: u64| format!(r#"{{"e":"trade","T":{traded_ms},"m":true}}"#);
    let now_ms = timestamp_ms();
    let mut bytes = Vec::new();
    for text in [event(now_ms), event(now_ms - 60_000)] {
        bytes.extend_from_slice(&[0x81, text.len() as u8]);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(&[0x89, 1, b'p']);
    for cut in 1..bytes.len() {
        let is_measuring = Arc::new(AtomicBool::new(true));
        let desk = Desk { heard: RefCell::default(), buffer: RefCell::default(), is_measuring };
        let (mut begun, mut pongs) = (Vec::new(), Vec::new());
        assert!(bytes.chunks(cut).all(|chunk| desk.hear(&mut begun, chunk, &mut pongs)));
        let heard = desk.heard.take();
        assert_eq!((heard.delays.len(), heard.delays.max() / 60_000, pongs.len()), (2, 1, 7), "cut into {cut}");
        assert!(begun.is_empty() && !desk.hear(&mut begun, &[0x88, 0], &mut pongs));
    }
}
