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
