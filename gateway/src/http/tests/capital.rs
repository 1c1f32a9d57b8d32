//! Deposits, as `/sapi/v1/capital` shows them.

use wire::command::Reply;
use wire::event::{AddressBound, ChainAssetListed, ChainFrozen, ChainListed, DepositChanged};
use wire::{AddressFormat, Amount, ChainAddress, ChainFreeze, ChainHash, ChainId, Command, DepositStage, Event};

use super::*;

pub(super) const CHAIN: ChainId = ChainId::new(1);
pub(super) const ADDRESS: &str = "rltc1qnjg0jd8228aq7egyzacy8cys3knf9xvr0pw77v";

pub(super) fn address(text: &str) -> ChainAddress {
    ChainAddress::new(text.as_bytes()).unwrap()
}

fn bound() -> Event {
    Event::AddressBound(Box::new(AddressBound { account: ALICE, chain: CHAIN, index: 1, address: address(ADDRESS) }))
}

/// A chain of eight decimals on which BTC is deposited with three confirmations.
pub(super) fn listed() -> Vec<Event> {
    let asset = ChainAssetListed {
        chain: CHAIN,
        asset: BTC,
        contract: ChainAddress::EMPTY,
        chain_decimals: 8,
        deposit_min: 10_000,
        confirmations: 3,
        large_from: Amount::ZERO,
        large_confirmations: 0,
    };
    vec![
        Event::ChainListed(ChainListed {
            chain: CHAIN,
            symbol: symbol("BTC"),
            lease_ms: 1_500,
            addresses: AddressFormat::litecoin_regtest(),
        }),
        Event::ChainAssetListed(Box::new(asset)),
        Event::ChainFrozen(ChainFrozen { chain: CHAIN, reason: ChainFreeze::Thawed }),
    ]
}

fn deposit(tx: u8, stage: DepositStage, confirmations: u32) -> Event {
    let mut hash = [0; 32];
    hash[0] = tx;
    Event::DepositChanged(Box::new(DepositChanged {
        account: ALICE,
        chain: CHAIN,
        tx: ChainHash(hash),
        output: 1,
        index: 1,
        asset: BTC,
        amount: 150_000_000,
        stage,
        block: ChainHash([9; 32]),
        height: 7,
        confirmations,
        required: 3,
        credited: Amount::ZERO,
        dust: 0,
        is_reverted: false,
    }))
}

/// A chain, Alice's address on it, and a deposit of hers.
pub(super) fn events() -> Vec<Event> {
    listed().into_iter().chain([bound(), deposit(1, DepositStage::Included, 1)]).collect()
}

#[tokio::test]
async fn an_address_is_made_at_the_first_call_and_stays_the_same() {
    let server = server().await;
    let path = "/sapi/v1/capital/deposit/address";
    server.ledger.feed(&listed());
    server.ledger.script(Box::new(|_, command| {
        assert!(matches!(command, Command::RequestAddress(request) if request.account == ALICE));
        Ok((Reply::Accepted { id: 1 }, vec![bound()]))
    }));
    let wanted = json!({ "address": ADDRESS, "coin": "BTC", "tag": "", "url": "" });
    assert_eq!(server.signed("GET", path, "coin=BTC").await.body, wanted);
    server.ledger.script(Box::new(|_, _| panic!("it is known")));
    assert_eq!(server.signed("GET", path, "coin=BTC&network=BTC").await.body, wanted);
}

#[tokio::test]
async fn what_has_no_network_has_no_address() {
    let server = server().await;
    let path = "/sapi/v1/capital/deposit/address";
    server.ledger.feed(&listed());
    let no_network = "The current asset is not open for deposit on this network.";
    server.signed("GET", path, "coin=USDT").await.refused(400, -4019, no_network);
    server.signed("GET", path, "coin=BTC&network=TRX").await.refused(400, -4019, no_network);
    server.signed("GET", path, "coin=XYZ").await.refused(400, -4018, "We don't have this asset.");
    server.signed("GET", path, "").await.refused(
        400,
        -1102,
        "Mandatory parameter 'coin' was not sent, was empty/null, or malformed.",
    );
}

#[tokio::test]
async fn deposits_are_told_with_where_they_stand_the_newest_first() {
    let server = server().await;
    let path = "/sapi/v1/capital/deposit/hisrec";
    server.ledger.feed(&events());
    server.ledger.feed(&[deposit(2, DepositStage::Credited, 3), deposit(1, DepositStage::Orphaned, 0)]);
    let all = server.signed("GET", path, "").await.body;
    let told = |row: &Value| (row["status"].clone(), row["confirmTimes"].clone(), row["amount"].clone());
    assert_eq!(told(&all[0]), (json!(1), json!("3/3"), json!("1.5")));
    assert_eq!(told(&all[1]), (json!(0), json!("0/3"), json!("1.5")));
    // Bitcoin-like chains print hashes backwards.
    assert_eq!(all[0]["txId"], format!("{}02", "00".repeat(31)));
    assert_eq!(
        (&all[0]["coin"], &all[0]["network"], &all[0]["address"]),
        (&json!("BTC"), &json!("BTC"), &json!(ADDRESS))
    );
    assert_eq!(server.signed("GET", path, "status=1").await.body.as_array().unwrap().len(), 1);
    assert_eq!(server.signed("GET", path, "coin=USDT").await.body, json!([]));
    assert_eq!(server.signed("GET", path, "offset=1&limit=1").await.body[0], all[1]);
    assert_eq!(server.signed("GET", path, "startTime=99999999999999").await.body, json!([]));
}

#[tokio::test]
async fn a_coin_can_be_deposited_while_its_chain_is_not_frozen() {
    let server = server().await;
    let path = "/sapi/v1/capital/config/getall";
    server.ledger.feed(&listed());
    let coins = server.signed("GET", path, "").await.body;
    assert_eq!((&coins[0]["depositAllEnable"], &coins[1]["depositAllEnable"]), (&json!(true), &json!(false)));
    let network = &coins[0]["networkList"][0];
    assert_eq!(
        (&network["network"], &network["minConfirm"], &network["depositDust"]),
        (&json!("BTC"), &json!(3), &json!("0.0001"))
    );
    server.ledger.feed(&[Event::ChainFrozen(ChainFrozen { chain: CHAIN, reason: ChainFreeze::Stalled })]);
    let coins = server.signed("GET", path, "").await.body;
    assert_eq!(coins[0]["networkList"][0]["depositEnable"], json!(false));
}
