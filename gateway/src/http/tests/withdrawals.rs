//! Withdrawals, as `/sapi/v1/capital` takes and shows them.

use cluster_client::ClusterError;
use wire::command::{ApiKeyKind, Permissions, Reply, RequestWithdrawal};
use wire::event::*;
use wire::{
    Amount, ApiKeyText, ChainFreeze, ChainHash, ChainId, Command, Event, LogPosition, Networks, RejectReason,
    ReservesStanding, WithdrawalCause, WithdrawalRules, WithdrawalStage,
};

use super::*;
use crate::testing::capital::{ADDRESS, CHAIN, address, listed, withdrawal as row, withdrawal_told as told};

/// A key that may withdraw, from here alone.
pub(super) const KEY: &str = "WithdrawWithdrawWithdrawWithdrawWithdrawWithdrawWithdrawWithdraw";
const APPLY: &str = "/sapi/v1/capital/withdraw/apply";
const HISTORY: &str = "/sapi/v1/capital/withdraw/history";
const COINS: &str = "/sapi/v1/capital/config/getall";
const LOOPBACK: &str = "127.0.0.1";

fn key(permissions: Permissions, from: &[&str]) -> Vec<Event> {
    let text = ApiKeyText::new(KEY.as_bytes()).unwrap();
    let networks: Vec<_> = from.iter().map(|network| network.parse().unwrap()).collect();
    let added = ApiKeyAdded {
        account: ALICE,
        key: text,
        kind: ApiKeyKind::Hmac,
        permissions,
        secret: cluster_client::envelope::seal(&ENVELOPE_KEY, KEY, ALICE_SECRET.as_bytes()).unwrap(),
        id: Default::default(),
    };
    let networks = Networks::new(&networks).unwrap();
    let restricted = ApiKeyRestricted { account: ALICE, key: text, networks };
    vec![Event::ApiKeyAdded(Box::new(added)), Event::ApiKeyRestricted(Box::new(restricted))]
}

/// A fee of 0.001, from 0.01 to 2 BTC to arrive, in units of ten decimals.
fn rules() -> WithdrawalRules {
    WithdrawalRules {
        is_enabled: true,
        amount_min: amount(100_000_000),
        amount_max: amount(20_000_000_000),
        fee: amount(10_000_000),
        account_day_max: Amount::ZERO,
        day_max: Amount::ZERO,
        review_from: Amount::ZERO,
        approvals: 0,
        address_delay_s: 0,
        confirmations: 6,
        network_fee_max: 100_000,
        house: BOB,
    }
}

fn ruled(rules: WithdrawalRules) -> Event {
    Event::WithdrawalRulesChanged(Box::new(WithdrawalRulesChanged { chain: CHAIN, asset: BTC, rules }))
}

fn frozen(reason: ChainFreeze) -> Event {
    Event::ChainFrozen(ChainFrozen { chain: CHAIN, reason })
}

/// A key, rules and a withdrawal, on a chain that is known.
pub(super) fn events(now_us: u64) -> Vec<Event> {
    let mut all = key(Permissions(5), &[LOOPBACK]);
    all.extend([ruled(rules()), told(row(1, "rent", WithdrawalStage::Mined, now_us))]);
    all
}

async fn ready() -> Server {
    let server = server().await;
    server.ledger.feed(&listed());
    server.ledger.feed(&key(Permissions(5), &[LOOPBACK]));
    server.ledger.feed(&[ruled(rules())]);
    server
}

/// A request for 1.001 BTC with one parameter replaced or left out.
pub(super) fn apply(change: &str) -> String {
    let (name, value) = change.split_once('=').unwrap_or((change, ""));
    let usual = [("coin", "BTC"), ("network", "BTC"), ("address", ADDRESS), ("amount", "1.001")];
    let mut pairs: Vec<String> =
        usual.iter().filter(|(known, _)| *known != name).map(|(name, value)| format!("{name}={value}")).collect();
    if change.contains('=') {
        pairs.push(format!("{name}={value}"));
    }
    pairs.join("&")
}

impl Server {
    async fn apply(&self, change: &str) -> Answer {
        self.signed_by(KEY, "POST", APPLY, &apply(change)).await
    }

    /// The ledger accepts the next requests, each as a withdrawal of its own, and remembers what it was asked.
    fn accepting(&self) -> Arc<std::sync::Mutex<Vec<RequestWithdrawal>>> {
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let of_script = Arc::clone(&asked);
        self.ledger.script(Box::new(move |_, command| {
            let Command::RequestWithdrawal(request) = command else { panic!("{command:?}") };
            let mut asked = of_script.lock().unwrap();
            asked.push(**request);
            Ok((Reply::Accepted { id: asked.len() as u64 }, vec![]))
        }));
        asked
    }

    fn refusing(&self, reason: RejectReason) {
        self.ledger.script(Box::new(move |_, _| Ok((Reply::Rejected { reason, id: 7 }, vec![]))));
    }
}

#[tokio::test]
async fn what_is_asked_for_includes_the_fee_and_less_arrives() {
    let server = ready().await;
    let asked = server.accepting();
    let answer = server.apply("withdrawOrderId=rent").await;
    assert_eq!((answer.status, answer.body), (200, json!({ "id": "1" })));
    let followed = server.apply("traceId=my-1").await;
    assert!(followed.head.contains("x-trace-log: 1/"), "{}", followed.head);
    let asked = asked.lock().unwrap();
    let wanted = RequestWithdrawal {
        account: ALICE,
        chain: CHAIN,
        asset: BTC,
        address: address(ADDRESS),
        amount: amount(10_000_000_000),
        name: client_id("rent"),
    };
    assert_eq!(asked[0], wanted);
    assert!(asked[1].name.as_str().starts_with("auto:"), "{:?}", asked[1].name);
}

#[tokio::test]
async fn only_a_key_that_may_withdraw_and_is_bound_to_networks_withdraws() {
    let server = ready().await;
    let asked = server.accepting();
    let refused = "Invalid API-key, IP, or permissions for action.";
    server.signed_by(ALICE_KEY, "POST", APPLY, &apply("")).await.refused(401, -2015, refused);
    for (permissions, from) in [(Permissions(3), LOOPBACK), (Permissions(7), ""), (Permissions(7), "192.0.2.7")] {
        let from: Vec<&str> = from.split_terminator(',').collect();
        server.ledger.feed(&key(permissions, &from));
        server.apply("").await.refused(401, -2015, refused);
    }
    server.ledger.feed(&key(Permissions(4), &[LOOPBACK]));
    assert_eq!(server.apply("").await.status, 200);
    server.signed_by(KEY, "GET", HISTORY, "").await.refused(401, -2015, refused);
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_requests_have_binances_codes_and_do_not_reach_the_ledger() {
    let server = ready().await;
    server.ledger.script(Box::new(|_, command| panic!("{command:?}")));
    let mandatory = |name| format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
    let malformed =
        "Illegal characters found in parameter 'amount'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.";
    let not_open = "Current asset is not open for withdrawal.";
    let too_much = "Within 24 hours, the withdrawal exceeds the maximum amount.";
    let multiple = "Asset withdrawal must be an integer multiple of 0.00000001.";
    let other = ADDRESS.replace('q', "p");
    for (change, code, text) in [
        ("coin", -1102, mandatory("coin").as_str()),
        ("address", -1102, mandatory("address").as_str()),
        ("amount", -1102, mandatory("amount").as_str()),
        ("coin=XYZ", -4018, "We don't have this asset."),
        ("coin=USDT", -4019, not_open),
        ("network=TRX", -4019, not_open),
        ("amount=", -1105, "Parameter 'amount' was empty."),
        ("amount=-1", -1100, malformed),
        ("amount=1e2", -1100, malformed),
        ("amount=abc", -1100, malformed),
        ("amount=0.000000001", -4021, multiple),
        ("amount=1.0010000001", -4021, multiple),
        ("amount=0", -4028, "The amount of withdrawal must be greater than the Commission."),
        ("amount=0.001", -4028, "The amount of withdrawal must be greater than the Commission."),
        ("amount=0.01099999", -4022, "Not less than the minimum pick-up quantity 0.011."),
        ("amount=2.00100001", -4023, too_much),
        ("amount=99999999999999999999", -4023, too_much),
        (&format!("address={other}"), -4033, "Illegal address."),
        ("address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", -4033, "Illegal address."),
        ("address=0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", -4033, "Illegal address."),
        ("addressTag=7", -4106, "This network does not support an address tag."),
        ("walletType=1", -1130, "Data sent for parameter 'walletType' is not valid."),
        ("withdrawOrderId=auto:x", -1130, "Data sent for parameter 'withdrawOrderId' is not valid."),
        ("transactionFeeFlag=perhaps", -1130, "Data sent for parameter 'transactionFeeFlag' is not valid."),
        ("colour=red", -1104, "Not all sent parameters were read; read '6' parameter(s) but was sent '7'."),
    ] {
        let answer = server.apply(change).await;
        assert_eq!((answer.status, answer.body), (400, json!({ "code": code, "msg": text })), "{change}");
    }
    let long = format!("withdrawOrderId={}", "x".repeat(37));
    assert_eq!(server.apply(&long).await.body["code"], -1100);
}

#[tokio::test]
async fn amounts_at_the_edges_are_taken() {
    let server = ready().await;
    let asked = server.accepting();
    for edge in
        ["amount=0.011", "amount=2.001", "amount=1.00100000000", "walletType=0", "name=home", "transactionFeeFlag=true"]
    {
        assert_eq!(server.apply(edge).await.status, 200, "{edge}");
    }
    let upper = format!("address={}", ADDRESS.to_uppercase());
    assert_eq!(server.apply(&upper).await.status, 200);
    assert_eq!(server.apply("network").await.status, 200);
    let asked = asked.lock().unwrap();
    assert_eq!((asked[0].amount, asked[1].amount), (rules().amount_min, rules().amount_max));
    assert!(asked.iter().all(|request| request.address == address(ADDRESS)), "one text for one address");
}

#[tokio::test]
async fn what_the_ledger_refuses_is_told_in_binances_words() {
    let server = ready().await;
    for (reason, code, text) in [
        (RejectReason::InsufficientBalance, -4026, "You have insufficient balance."),
        (RejectReason::WithdrawalLimitReached, -4023, "Within 24 hours, the withdrawal exceeds the maximum amount."),
        (RejectReason::WithdrawalTooLarge, -4023, "Within 24 hours, the withdrawal exceeds the maximum amount."),
        (RejectReason::WithdrawalTooSmall, -4022, "Not less than the minimum pick-up quantity 0.011."),
        (RejectReason::BadWithdrawalAmount, -4021, "Asset withdrawal must be an integer multiple of 0.00000001."),
        (RejectReason::WithdrawalsDisabled, -4019, "Current asset is not open for withdrawal."),
        (RejectReason::WithdrawalsBlocked, -4015, "Withdraw is limited."),
        (RejectReason::AccountKilled, -4015, "Withdraw is limited."),
        (RejectReason::AddressNotAllowed, -4035, "This address is not on the whitelist. Please join and try again."),
        (RejectReason::AddressOfExchange, -4033, "Illegal address."),
        (RejectReason::WithdrawalExists, -4001, "The withdrawOrderId is taken by another withdrawal."),
    ] {
        server.refusing(reason);
        server.apply("withdrawOrderId=rent").await.refused(400, code, text);
    }
    server.refusing(RejectReason::TableFull);
    assert_eq!(server.apply("").await.status, 503);
    server.ledger.script(Box::new(|_, _| Err(ClusterError::Timeout)));
    assert_eq!(server.apply("").await.body["code"], -1007);
}

#[tokio::test]
async fn one_name_is_one_withdrawal_even_when_it_could_not_be_asked_for_any_more() {
    let server = ready().await;
    let now_us = server.gateway.now_us();
    server.ledger.feed(&[told(row(17, "rent", WithdrawalStage::Held, now_us))]);
    server.ledger.script(Box::new(|_, command| panic!("{command:?}")));
    let taken = "The withdrawOrderId is taken by another withdrawal.";
    for state in [
        frozen(ChainFreeze::Stalled),
        ruled(WithdrawalRules { is_enabled: false, ..rules() }),
        ruled(WithdrawalRules { fee: amount(30_000_000), ..rules() }),
        told(row(17, "rent", WithdrawalStage::Settled, now_us)),
    ] {
        server.ledger.feed(&[state]);
        assert_eq!(server.apply("withdrawOrderId=rent").await.body, json!({ "id": "17" }));
        for other in ["amount=1.002", "address=mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"] {
            server.apply(&format!("{other}&withdrawOrderId=rent")).await.refused(400, -4001, taken);
        }
    }
}

#[tokio::test]
async fn a_frozen_chain_says_so_and_takes_no_request() {
    let server = ready().await;
    let network = async || server.signed("GET", COINS, "").await.body[0]["networkList"][0].clone();
    let open = network().await;
    for (name, value) in [
        ("withdrawEnable", json!(true)),
        ("withdrawDesc", json!("")),
        ("withdrawFee", json!("0.001")),
        ("withdrawMin", json!("0.011")),
        ("withdrawMax", json!("2.001")),
        ("withdrawIntegerMultiple", json!("0.00000001")),
        ("withdrawTag", json!(false)),
    ] {
        assert_eq!(open[name], value, "{name}");
    }
    let closed = "Current asset is not open for withdrawal.";
    for (state, why) in [
        (frozen(ChainFreeze::Stalled), "The network is frozen: it does not grow."),
        (frozen(ChainFreeze::CreditReverted), "The network is frozen: it has undone a deposit."),
        (ruled(WithdrawalRules { is_enabled: false, ..rules() }), "Withdrawals are suspended on this network."),
    ] {
        server.ledger.feed(&[state]);
        let network = network().await;
        assert_eq!((&network["withdrawEnable"], &network["withdrawDesc"]), (&json!(false), &json!(why)));
        server.apply("").await.refused(400, -4019, closed);
    }
    let coin = server.signed("GET", COINS, "").await.body[0].clone();
    assert_eq!((&coin["depositAllEnable"], &coin["withdrawAllEnable"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn an_asset_whose_reserves_are_not_whole_says_so_and_takes_no_request() {
    let server = ready().await;
    let network = async || server.signed("GET", COINS, "").await.body[0]["networkList"][0].clone();
    let halted = "Withdrawals are halted: what the network has of the asset is checked.";
    for (standing, is_open, why) in [
        (ReservesStanding::Short, false, halted),
        (ReservesStanding::Found, false, halted),
        (ReservesStanding::Whole, true, ""),
    ] {
        server.ledger.feed(&[reserves(standing)]);
        let network = network().await;
        assert_eq!((&network["withdrawEnable"], &network["withdrawDesc"]), (&json!(is_open), &json!(why)));
        assert_eq!(network["depositEnable"], true, "what comes in is welcome");
        if !is_open {
            server.apply("").await.refused(400, -4019, "Current asset is not open for withdrawal.");
        }
    }
}

fn reserves(standing: ReservesStanding) -> Event {
    Event::ReservesChanged(Box::new(ReservesChanged {
        chain: CHAIN,
        asset: BTC,
        standing,
        position: LogPosition::new(7),
        block: ChainHash::default(),
        height: 7,
        held: 1,
        due: 2,
        brought: 0,
        since: 0,
    }))
}

#[tokio::test]
async fn what_is_on_its_way_out_is_told_apart_from_what_orders_hold() {
    let server = ready().await;
    let now_us = server.gateway.now_us();
    server.ledger.feed(&[balance(ALICE, BTC, 0, 15_010_000_000), told(row(1, "rent", WithdrawalStage::Held, now_us))]);
    for (verb, path) in [("GET", COINS), ("POST", "/sapi/v3/asset/getUserAsset")] {
        let coin = server.signed(verb, path, "").await.body[0].clone();
        let told = (coin["locked"].as_str().unwrap(), coin["withdrawing"].as_str().unwrap());
        assert_eq!(told, ("0.50000000", "1.00100000"), "{path}");
    }
    server.ledger.feed(&[told(row(1, "rent", WithdrawalStage::Settled, now_us))]);
    assert_eq!(server.signed("GET", COINS, "").await.body[0]["withdrawing"], "0.00000000");
}

#[tokio::test]
async fn history_tells_where_a_withdrawal_stands_in_binances_numbers() {
    let server = ready().await;
    // 2026-11-21 16:20:09 UTC, and the gateway's own time for what is asked without times.
    let asked_us = 1_795_278_009_000_000;
    let mut hash = [0; 32];
    hash[0] = 0xab;
    let mined = WithdrawalChanged {
        stage: WithdrawalStage::Mined,
        tx: ChainHash(hash),
        confirmations: 2,
        ..row(1, "rent", WithdrawalStage::Mined, asked_us)
    };
    server.ledger.feed(&[told(mined)]);
    let window = format!("startTime={}&endTime={}", asked_us / 1_000, asked_us / 1_000);
    let shown = server.signed("GET", HISTORY, &window).await.body;
    let wanted = json!([{
        "id": "1", "amount": "1", "transactionFee": "0.001", "coin": "BTC", "status": 4, "address": ADDRESS,
        "addressTag": "", "txId": format!("{}ab", "00".repeat(31)), "applyTime": "2026-11-21 16:20:09",
        "network": "BTC", "transferType": 0, "withdrawOrderId": "rent", "info": "", "confirmNo": 2, "walletType": 0,
        "txKey": "",
    }]);
    assert_eq!(shown, wanted);
    for (stage, cause, status) in [
        (WithdrawalStage::Review, WithdrawalCause::None, 2),
        (WithdrawalStage::Held, WithdrawalCause::None, 4),
        (WithdrawalStage::Conflicted, WithdrawalCause::None, 4),
        (WithdrawalStage::Canceled, WithdrawalCause::Client, 1),
        (WithdrawalStage::Canceled, WithdrawalCause::Operator, 3),
        (WithdrawalStage::Failed, WithdrawalCause::SignerRefused, 5),
        (WithdrawalStage::Settled, WithdrawalCause::None, 6),
    ] {
        server.ledger.feed(&[told(WithdrawalChanged { stage, cause, ..mined })]);
        let shown = &server.signed("GET", HISTORY, &format!("{window}&status={status}")).await.body[0];
        assert_eq!(shown["status"], status, "{stage:?}");
        assert_eq!(shown["completeTime"].is_string(), stage.is_final(), "{stage:?}");
        assert_eq!(shown["info"].as_str().unwrap().is_empty(), cause == WithdrawalCause::None, "{stage:?}");
    }
}

#[tokio::test]
async fn of_many_withdrawals_the_oldest_that_are_over_are_forgotten_and_none_that_is_under_way() {
    let server = ready().await;
    let now_us = server.gateway.now_us();
    let under_way = [1, 2, 500];
    let events: Vec<Event> = (1..=1_005)
        .map(|id| {
            let stage = if under_way.contains(&id) { WithdrawalStage::Held } else { WithdrawalStage::Settled };
            told(row(id, &format!("w{id}"), stage, now_us))
        })
        .collect();
    server.ledger.feed(&events);
    let accounts = server.gateway.exchange.accounts();
    let kept: Vec<u64> = accounts.withdrawals().of(ALICE).map(|row| row.withdrawal.get()).collect();
    assert_eq!(kept.len(), 1_000);
    assert!(under_way.iter().all(|id| kept.contains(id)));
    assert_eq!(kept.iter().rev().take(4).collect::<Vec<_>>(), [&1, &2, &8, &9]);
    assert_eq!(accounts.withdrawals().pending(ALICE, BTC), amount(3 * 10_010_000_000));
}

#[tokio::test]
async fn history_is_asked_for_by_time_name_id_and_page() {
    let server = ready().await;
    let now_us = server.gateway.now_us();
    let day_us = 24 * 3_600 * 1_000_000;
    for (id, name, days) in [(1, "old", 91), (2, "auto:x", 8), (3, "week", 8), (4, "rent", 0)] {
        server.ledger.feed(&[told(row(id, name, WithdrawalStage::Held, now_us - days * day_us))]);
    }
    let ids = async |params: &str| -> Vec<u64> {
        let rows = server.signed("GET", HISTORY, params).await.body;
        rows.as_array().expect("rows").iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(ids("").await, [4, 3, 2]);
    assert_eq!(ids("offset=1&limit=1").await, [3]);
    assert_eq!(ids("idList=2,4,99").await, [4, 2]);
    assert!(ids("coin=USDT").await.is_empty());
    assert_eq!(ids("withdrawOrderId=rent").await, [4]);
    assert!(ids("withdrawOrderId=week").await.is_empty(), "seven days when it is asked for by name");
    let (start, end) = ((now_us - 92 * day_us) / 1_000, (now_us - 2 * day_us) / 1_000);
    assert_eq!(ids(&format!("startTime={start}&endTime={end}")).await, [3, 2, 1], "ninety days, no more");
    assert_eq!(ids(&format!("startTime={start}")).await, [3, 2, 1]);
    assert_eq!(ids(&format!("endTime={end}")).await, [3, 2, 1]);
    assert_eq!(ids(&format!("startTime={start}000&endTime={end}000")).await, [3, 2, 1], "in microseconds");
    assert_eq!(ids(&format!("endTime={end}000")).await, [3, 2, 1]);
    let rows = server.signed("GET", HISTORY, "idList=2").await.body;
    assert!(rows[0].get("withdrawOrderId").is_none(), "its client gave it none");
    let interval = |days: u64| format!("Time interval must be within 0-{days} days");
    let longer = format!("startTime={}&endTime={end}", start - 1);
    server.signed("GET", HISTORY, &longer).await.refused(400, -4047, &interval(90));
    server.signed("GET", HISTORY, &format!("startTime={end}&endTime={start}")).await.refused(400, -4047, &interval(90));
    let named = format!("withdrawOrderId=rent&startTime={}&endTime={end}", end - 7 * day_us / 1_000 - 1);
    server.signed("GET", HISTORY, &named).await.refused(400, -4047, &interval(7));
    let bad = |name| format!("Data sent for parameter '{name}' is not valid.");
    server.signed("GET", HISTORY, "status=7").await.refused(400, -1130, &bad("status"));
    let many = format!("idList={}", vec!["1"; 51].join(","));
    server.signed("GET", HISTORY, &many).await.refused(400, -1130, &bad("idList"));
    server.signed("GET", HISTORY, "coin=XYZ").await.refused(400, -4018, "We don't have this asset.");
    assert_eq!(server.signed_by(BOB_KEY, "GET", HISTORY, "").await.body, json!([]), "its account's alone");
}

#[tokio::test]
async fn a_token_is_not_sent_to_a_contract_of_ours() {
    let server = ready().await;
    let contract = "0xdac17f958d2ee523a2206206994597c13d831ec7";
    let chain = ChainId::new(2);
    let token = ChainAssetListed {
        chain,
        asset: USDT,
        contract: address(contract),
        chain_decimals: 6,
        deposit_min: 1,
        confirmations: 0,
        large_from: Amount::ZERO,
        large_confirmations: 0,
    };
    let network = ChainListed { chain, symbol: symbol("ETH"), lease_ms: 1_500, addresses: wire::AddressFormat::Evm };
    let usdt = WithdrawalRulesChanged { chain, asset: USDT, rules: WithdrawalRules { fee: Amount::ZERO, ..rules() } };
    server.ledger.feed(&[
        Event::ChainListed(network),
        Event::ChainAssetListed(Box::new(token)),
        Event::ChainFrozen(ChainFrozen { chain, reason: ChainFreeze::Thawed }),
        Event::WithdrawalRulesChanged(Box::new(usdt)),
    ]);
    let asked = server.accepting();
    let send = |to: &str, amount: &str| format!("coin=USDT&network=ETH&address={to}&amount={amount}");
    server.signed_by(KEY, "POST", APPLY, &send(contract, "5")).await.refused(400, -4033, "Illegal address.");
    let wanted = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    // The chain has six decimals where the ledger has eight.
    let finer = server.signed_by(KEY, "POST", APPLY, &send(wanted, "5.0000001")).await;
    finer.refused(400, -4021, "Asset withdrawal must be an integer multiple of 0.000001.");
    assert_eq!(server.signed_by(KEY, "POST", APPLY, &send(&wanted.to_lowercase(), "5.000001")).await.status, 200);
    let asked = asked.lock().unwrap();
    assert_eq!((asked[0].address, asked[0].amount), (address(wanted), amount(500_000_100)));
}
