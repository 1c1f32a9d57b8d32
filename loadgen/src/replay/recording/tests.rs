use std::io::Write;

use super::*;

fn depth(first: u64, last: u64, bids: &str, asks: &str) -> String {
    format!(
        r#"{}000 {{"stream":"x@depth@100ms","data":{{"e":"depthUpdate","E":1,"s":"ETHBTC","U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}}}"#,
        first
    )
}

fn trade(price: &str, qty: &str, buyer_is_maker: bool) -> String {
    format!(
        r#"5 {{"stream":"x@trade","data":{{"e":"trade","E":1,"s":"ETHBTC","t":1,"p":"{price}","q":"{qty}","T":1,"m":{buyer_is_maker},"M":true}}}}"#
    )
}

fn read(lines: &[String]) -> Result<Recording, RecordingError> {
    Recording::read(lines.join("\n").as_bytes(), None)
}

fn refusal(lines: &[String]) -> String {
    read(lines).unwrap_err().to_string()
}

#[test]
fn trades_belong_to_the_update_that_follows_and_decimals_to_the_whole_file() {
    let recording = read(&[
        trade("0.05012000", "1.50000000", true),
        r#"6 {"stream":"x@bookTicker","data":{"u":1,"s":"ETHBTC","b":"1","B":"1","a":"1","A":"1"}}"#.to_owned(),
        depth(7, 9, r#"["0.05","2"]"#, r#"["0.0502","0.00100000"]"#),
        depth(10, 10, r#"["0.05","0.00000000"]"#, ""),
        trade("0.05", "1", false),
    ])
    .unwrap();
    assert_eq!((recording.price_decimals, recording.qty_decimals, recording.finest), (5, 3, (1, 3)));
    assert_eq!(recording.symbol, "ETHBTC");
    assert_eq!(recording.updates.len(), 2);
    let first = &recording.updates[0];
    assert_eq!((first.line, first.at_ns), (3, 7_000));
    assert_eq!(first.trades, [Trade { price: 5_012, qty: 1_500, taker_buys: false }]);
    assert_eq!(first.levels[0], Level { side: Side::Bid, price: 5_000, qty: 2_000 });
    assert_eq!(recording.updates[1].levels[0].qty, 0);
    assert_eq!(recording.trailing_trades, 1);
    assert_eq!((recording.price_text(5_012), recording.qty_text(1_500)), ("0.05012".to_owned(), "1.5".to_owned()));
}

#[test]
fn a_gap_or_a_repetition_is_refused_with_its_line() {
    let gap = refusal(&[depth(1, 4, "", ""), trade("1", "1", true), depth(6, 7, "", "")]);
    assert!(gap.starts_with("line 3:") && gap.ends_with("U = 6 where 5 follows: the recording has a gap"), "{gap}");
    let repeated = refusal(&[depth(1, 4, "", ""), depth(4, 5, "", "")]);
    assert!(
        repeated.starts_with("line 2:") && repeated.ends_with("the recording repeats what it has told"),
        "{repeated}"
    );
    let backwards = refusal(&[depth(5, 4, "", "")]);
    assert!(backwards.starts_with("line 1:"), "{backwards}");
}

#[test]
fn a_malformed_line_is_refused_with_its_number() {
    let good = depth(1, 1, "", "");
    for bad in [
        "".to_owned(),
        "5".to_owned(),
        "five {}".to_owned(),
        "5 {\"data\":".to_owned(),
        "5 {\"stream\":\"x\"}".to_owned(),
        trade("1e5", "1", true),
        trade("-1", "1", true),
        trade("0", "1", true),
        trade("1", "0", true),
        trade("1", "99999999999999999999", true),
        trade("1.1234567890123", "1", true),
        trade("1", "1", true).replace("ETHBTC", "BTCUSDT"),
        depth(2, 2, r#"["1"]"#, ""),
        depth(2, 2, "", "").replace("\"U\":2,", ""),
    ] {
        let refused = refusal(&[good.clone(), bad.clone(), trade("1", "1", true)]);
        assert!(refused.starts_with("line 2:"), "{bad}: {refused}");
        assert!(!refused.contains("TooLarge") && !refused.contains("TooMany"), "{refused}");
    }
    let large = refusal(&[good, trade("1", "99999999999999999999", true)]);
    assert_eq!(large, r#"line 2: "99999999999999999999" is larger than an exchange can count"#);
}

#[test]
fn a_crossed_recording_is_refused_with_its_line() {
    let crossed = refusal(&[depth(1, 1, r#"["5","1"]"#, r#"["6","1"]"#), depth(2, 2, "", r#"["5","1"]"#)]);
    assert!(crossed.starts_with("line 2:") && crossed.contains("crossed"), "{crossed}");
}

#[test]
fn a_recording_without_updates_is_refused() {
    assert!(refusal(&[trade("1", "1", true)]).contains("no depth update in 1 lines"));
}

#[test]
fn gzip_and_plain_files_read_the_same_and_a_cut_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let text: String = (1..2_000).map(|n| depth(n, n, &format!(r#"["5","{n}"]"#), "") + "\n").collect();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, &text).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let gzip = directory.path().join("gzip");
    std::fs::write(&gzip, &packed).unwrap();
    assert_eq!(Recording::open(&plain, None).unwrap(), Recording::open(&gzip, None).unwrap());
    assert_eq!(Recording::open(&gzip, Some(3)).unwrap().updates.len(), 3);
    std::fs::write(&gzip, &packed[..packed.len() / 2]).unwrap();
    let cut = Recording::open(&gzip, None).unwrap_err().to_string();
    assert!(cut.starts_with("line "), "{cut}");
    let missing = Recording::open(&directory.path().join("missing"), None).unwrap_err().to_string();
    assert!(missing.contains("missing"), "{missing}");
}
