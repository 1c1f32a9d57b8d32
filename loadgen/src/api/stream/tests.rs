use super::*;

#[test]
fn depth_and_trades_are_told_apart_and_other_messages_ignored() {
    let depth =
        r#"{"stream":"x@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"X","U":3,"u":5,"b":[["1.5","2"]],"a":[]}}"#;
    let Some(StreamItem::Depth(update)) = parse(depth) else { panic!("no depth") };
    assert_eq!((update.first, update.last, update.bids.len()), (3, 5, 1));
    let trade =
        r#"{"stream":"x@trade","data":{"e":"trade","E":1,"s":"X","t":9,"p":"1","q":"2","T":1,"m":true,"M":true}}"#;
    assert!(matches!(parse(trade), Some(StreamItem::Trade(Trade { id: 9, buyer_is_maker: true, .. }))));
    assert_eq!(parse(r#"{"stream":"x@bookTicker","data":{"u":1}}"#), None);
    assert_eq!(parse(r#"{"result":null,"id":1}"#), None);
}
