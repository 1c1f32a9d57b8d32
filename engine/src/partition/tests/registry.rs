//! What operators make known.

use wire::command::{
    AddApiKey, ApiKeyKind, Credit, Debit, ExtendApiKey, ListAsset, ListMarket, OpenAccount, Permissions, Reply,
    RestrictApiKey, RevokeApiKey, Tick,
};
use wire::{
    AccountId, AccountName, Amount, ApiKeyText, AssetId, Command, FeeRate, MarketRules, Networks, PartitionId,
    RejectReason, Secret,
};

use super::world::{BASE, LEDGER, Layout, QUOTE, World, amount, price, reason, rules, symbol};

pub(super) fn list(text: &str, base: AssetId, quote: AssetId, rules: MarketRules) -> Command {
    Command::ListMarket(Box::new(ListMarket {
        symbol: symbol(text),
        base,
        quote,
        partition: LEDGER,
        price_decimals: 0,
        qty_decimals: 0,
        rules,
        status: wire::MarketStatus::Trading,
    }))
}

#[test]
fn assets_accounts_and_markets_are_unique_and_the_reply_names_the_one_that_exists() {
    let mut world = World::new(Layout::Joint);
    let asset = |text: &str, ledger_decimals| Command::ListAsset(ListAsset { symbol: symbol(text), ledger_decimals });
    let exists = |reason, id| Reply::Rejected { reason, id };
    assert_eq!(world.ask(asset("QUOTE", 3)), exists(RejectReason::AssetExists, 2));
    assert_eq!(reason(world.ask(asset("", 3))), RejectReason::BadAsset);
    assert_eq!(reason(world.ask(asset("NEW", 19))), RejectReason::BadAsset);
    assert_eq!(world.ask(asset("NEW", 18)), Reply::Accepted { id: 4 });
    assert_eq!(reason(world.ask(asset("NEWER", 18))), RejectReason::TableFull);

    let open = |name: &[u8]| {
        let (maker_fee, taker_fee) = (FeeRate::ZERO, FeeRate::ZERO);
        Command::OpenAccount(OpenAccount { name: AccountName::new(name).unwrap(), maker_fee, taker_fee })
    };
    assert_eq!(world.ask(open(b"bob")), exists(RejectReason::AccountExists, 2));
    for id in 4..=8 {
        assert_eq!(world.ask(open(format!("n{id}").as_bytes())), Reply::Accepted { id });
    }
    assert_eq!(reason(world.ask(open(b"one-more"))), RejectReason::TableFull);

    assert_eq!(world.ask(list("BASEQUOTE", BASE, QUOTE, rules())), exists(RejectReason::MarketExists, 1));
    assert_eq!(reason(world.ask(list("X", BASE, AssetId::new(9), rules()))), RejectReason::UnknownAsset);
    assert_eq!(reason(world.ask(list("X", BASE, BASE, rules()))), RejectReason::BadMarketRules);
    let crooked = MarketRules { price_min: price(3), ..rules() };
    assert_eq!(reason(world.ask(list("X", BASE, QUOTE, crooked))), RejectReason::BadMarketRules);
    let too_fine = Command::ListMarket(Box::new(ListMarket {
        symbol: symbol("X"),
        base: BASE,
        quote: QUOTE,
        partition: LEDGER,
        price_decimals: 1,
        qty_decimals: 0,
        rules: rules(),
        status: wire::MarketStatus::Trading,
    }));
    assert_eq!(reason(world.ask(too_fine)), RejectReason::BadMarketScale);
    assert_eq!(world.ask(list("X", BASE, QUOTE, rules())), Reply::Accepted { id: 3 });
}

#[test]
fn deposits_and_withdrawals_move_free_alone() {
    let mut world = World::new(Layout::Joint);
    let account = World::account("alice");
    let credit = |account, asset, amount| Command::Credit(Credit { account, asset, amount });
    let debit = |account, asset, amount| Command::Debit(Debit { account, asset, amount });
    let nobody = AccountId::new(99);
    assert_eq!(reason(world.ask(credit(nobody, BASE, amount(1)))), RejectReason::UnknownAccount);
    assert_eq!(reason(world.ask(credit(account, AssetId::new(0), amount(1)))), RejectReason::UnknownAsset);
    assert_eq!(reason(world.ask(credit(account, BASE, Amount::ZERO))), RejectReason::ZeroAmount);
    assert_eq!(reason(world.ask(credit(account, BASE, Amount::MAX))), RejectReason::BalanceTooLarge);
    let rest = amount(i64::MAX / 2 - 3_000);
    assert_eq!(reason(world.ask(credit(account, BASE, amount(rest.units() + 1)))), RejectReason::BalanceTooLarge);
    assert_eq!(world.ask(credit(account, BASE, rest)), Reply::Accepted { id: 0 });
    assert_eq!(world.ask(debit(account, BASE, rest)), Reply::Accepted { id: 0 });
    world.play("alice sell 400 @ 100");
    assert_eq!(reason(world.ask(debit(account, BASE, amount(601)))), RejectReason::InsufficientBalance);
    assert_eq!(world.ask(debit(account, BASE, amount(600))), Reply::Accepted { id: 0 });
    assert_eq!(world.play("alice has"), "0+400 base, 100000+0 quote");
    world.assert_settled();
}

#[test]
fn api_keys_are_added_once_and_can_be_revoked() {
    let mut world = World::new(Layout::Joint);
    let key = |text: &[u8]| ApiKeyText::new(text).unwrap();
    let add = |account, text: &[u8]| {
        let (kind, permissions) = (ApiKeyKind::Hmac, Permissions::READ_AND_TRADE);
        let secret = Secret::new(b"sealed").unwrap();
        Command::AddApiKey(Box::new(AddApiKey { account, key: key(text), kind, permissions, secret }))
    };
    let account = World::account("alice");
    assert_eq!(world.ask(add(account, b"k1")), Reply::Accepted { id: 1 });
    assert_eq!(reason(world.ask(add(account, b"k1"))), RejectReason::ApiKeyExists);
    assert_eq!(reason(world.ask(add(AccountId::new(0), b"k2"))), RejectReason::UnknownAccount);
    assert_eq!(world.ask(add(account, b"k2")), Reply::Accepted { id: 2 });
    assert_eq!(reason(world.ask(add(account, b"k3"))), RejectReason::TableFull);
    world.restart(0);
    assert_eq!(world.ask(Command::RevokeApiKey(RevokeApiKey { key: key(b"k1") })), Reply::Accepted { id: 0 });
    let unknown = world.ask(Command::RevokeApiKey(RevokeApiKey { key: key(b"k1") }));
    assert_eq!(reason(unknown), RejectReason::UnknownApiKey);
    assert_eq!(world.ask(add(account, b"k1")), Reply::Accepted { id: 3 }, "an id is never used again");
}

#[test]
fn the_parts_of_a_long_key_come_in_order_and_also_after_a_restart() {
    let mut world = World::new(Layout::Joint);
    let key = |text: &[u8]| ApiKeyText::new(text).unwrap();
    let add = |text: &[u8], kind| {
        let (account, permissions) = (World::account("alice"), Permissions::READ);
        let secret = Secret::new(b"m").unwrap();
        Command::AddApiKey(Box::new(AddApiKey { account, key: key(text), kind, permissions, secret }))
    };
    let extend = |text: &[u8], part, material: &[u8]| {
        Command::ExtendApiKey(Box::new(ExtendApiKey { key: key(text), part, material: Secret::new(material).unwrap() }))
    };
    assert_eq!(reason(world.ask(extend(b"long", 1, b"x"))), RejectReason::UnknownApiKey);
    assert_eq!(world.ask(add(b"long", ApiKeyKind::Rsa)), Reply::Accepted { id: 1 });
    assert_eq!(world.ask(add(b"short", ApiKeyKind::Hmac)), Reply::Accepted { id: 2 });
    assert_eq!(reason(world.ask(extend(b"short", 1, b"x"))), RejectReason::BadKeyMaterial);
    assert_eq!(reason(world.ask(extend(b"long", 2, b"x"))), RejectReason::BadKeyMaterial);
    assert_eq!(reason(world.ask(extend(b"long", 1, b""))), RejectReason::BadKeyMaterial);
    assert_eq!(world.ask(extend(b"long", 1, b"x")), Reply::Accepted { id: 0 });
    world.restart(0);
    assert_eq!(reason(world.ask(extend(b"long", 1, b"x"))), RejectReason::BadKeyMaterial);
    for part in 2..=ExtendApiKey::PARTS_MAX {
        assert_eq!(world.ask(extend(b"long", part, b"x")), Reply::Accepted { id: 0 });
    }
    let beyond = ExtendApiKey::PARTS_MAX + 1;
    assert_eq!(reason(world.ask(extend(b"long", beyond, b"x"))), RejectReason::BadKeyMaterial);
}

#[test]
fn a_key_is_restricted_as_often_as_one_likes() {
    let mut world = World::new(Layout::Joint);
    let key = ApiKeyText::new(b"k").unwrap();
    let restrict = |text: &[&str]| {
        let networks: Vec<_> = text.iter().map(|text| text.parse().unwrap()).collect();
        Command::RestrictApiKey(Box::new(RestrictApiKey { key, networks: Networks::new(&networks).unwrap() }))
    };
    assert_eq!(reason(world.ask(restrict(&["192.0.2.0/24"]))), RejectReason::UnknownApiKey);
    let (kind, permissions) = (ApiKeyKind::Hmac, Permissions::READ);
    let secret = Secret::new(b"sealed").unwrap();
    let account = World::account("alice");
    assert_eq!(
        world.ask(Command::AddApiKey(Box::new(AddApiKey { account, key, kind, permissions, secret }))),
        Reply::Accepted { id: 1 }
    );
    assert_eq!(world.ask(restrict(&["192.0.2.0/24"])), Reply::Accepted { id: 0 });
    assert_eq!(world.ask(restrict(&[])), Reply::Accepted { id: 0 });
}

#[test]
fn a_partition_without_a_ledger_takes_mail_and_ticks_alone() {
    let mut world = World::new(Layout::Split);
    let account = World::account("alice");
    let credit = Command::Credit(Credit { account, asset: BASE, amount: amount(1) });
    assert_eq!(reason(world.apply(1, &credit)), RejectReason::WrongPartition);
    assert_eq!(world.apply(1, &Command::Tick(Tick)), Reply::Accepted { id: 0 });
    assert_eq!(world.partitions[1].audit(), []);
    assert_eq!(world.partitions[0].outboxes().map(|o| o.to()).collect::<Vec<_>>(), [2, 3].map(PartitionId::new));
}
