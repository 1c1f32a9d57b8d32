//! Two ways to the same end, over random commands of every kind. They need no opinion on what is right.
//!
//! - A snapshot at any point, then the rest of the log, is the whole log.
//! - A market in a partition of its own tells what it tells beside the ledger.
//! - Accounts by other names do the same.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use engine::Limits;
use tests::model::flow::Flow;
use tests::model::layout::{Engine, Layout, Told};
use tests::model::pair::is_of_market;
use wire::command::{Credit, ListAsset, ListMarket, OpenAccount, Reply};
use wire::{
    AccountId, AccountName, Amount, AssetId, CancelCause, Command, Event, FeeRate, MarketRules, MarketStatus,
    RejectReason, Symbol, Timestamp,
};

const ACCOUNTS: u32 = 5;
const ASSETS: [&str; 3] = ["A", "B", "C"];
const MARKETS: [(u16, u16); 2] = [(1, 2), (3, 1)];
const STEPS: usize = 3_000;

/// `FULL=1` walks a hundred times as far.
fn seeds() -> std::ops::Range<u64> {
    let count = if std::env::var("FULL").is_ok_and(|full| full == "1") { 2_000 } else { 20 };
    0..count
}

fn rules() -> MarketRules {
    let notional_min = Amount::new(1_000).expect("an amount");
    MarketRules { notional_min, open_orders_max: 60, ..tests::model::rules() }
}

struct World {
    engine: Engine,
    now: Timestamp,
}

impl World {
    /// Accounts are opened in this order, so that the n-th of it gets id n.
    fn new(layout: Layout, order: &[u32]) -> World {
        let limits = Limits {
            accounts_max: 8,
            open_orders_max: 512,
            remembered_orders_max: 8_192,
            resting_orders_max: 512,
            ..Limits::default()
        };
        let mut world =
            World { engine: Engine::new(layout, limits), now: Timestamp::from_nanos(1_700_000_000_000_000_000) };
        let symbol = |text: &str| Symbol::new(text.as_bytes()).unwrap();
        for name in ASSETS {
            world.done(&Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: 6 }));
        }
        for (at, (base, quote)) in MARKETS.into_iter().enumerate() {
            world.done(&Command::ListMarket(Box::new(ListMarket {
                symbol: symbol(&format!("M{at}")),
                base: AssetId::new(base),
                quote: AssetId::new(quote),
                partition: layout.partition(at),
                price_decimals: 2,
                qty_decimals: 3,
                rules: rules(),
                status: MarketStatus::Trading,
            })));
        }
        for who in order {
            let name = AccountName::new(format!("account-{who}").as_bytes()).unwrap();
            // Fees differ by who it is, not by the id.
            let fee = |ppm| FeeRate::new(ppm).unwrap();
            let (maker_fee, taker_fee) = (fee(who * 100), fee(who * 333));
            world.done(&Command::OpenAccount(OpenAccount { name, maker_fee, taker_fee }));
        }
        for account in 1..=ACCOUNTS {
            for asset in 1..=ASSETS.len() as u16 {
                let amount = Amount::new(500_000_000).unwrap();
                let (account, asset) = (AccountId::new(account), AssetId::new(asset));
                world.done(&Command::Credit(Credit { account, asset, amount }));
            }
        }
        world
    }

    fn done(&mut self, command: &Command) {
        assert!(matches!(self.step(0, command).reply, Reply::Accepted { .. }), "{command:?}");
    }

    fn step(&mut self, pause: u64, command: &Command) -> Told {
        // What is due is done when it is, as by leaders who are in time: apart, its mail would else meet the command's.
        let (due, now) = self.engine.pass_time(self.now, self.now.plus_nanos(pause));
        self.now = now;
        let mut told = self.engine.apply(self.now, command);
        told.events.splice(0..0, due);
        assert!(self.engine.is_conserved(), "{command:?}");
        told
    }

    fn flow(&self, seed: u64) -> Flow {
        Flow::new(seed, ACCOUNTS, rules(), self.now)
    }
}

fn in_order() -> Vec<u32> {
    (1..=ACCOUNTS).collect()
}

#[test]
fn snapshot_at_any_point_and_the_rest_of_the_log_are_the_whole_log() {
    for seed in seeds() {
        let layout = [Layout::Joint, Layout::Mixed, Layout::Split][seed as usize % 3];
        let (mut straight, mut restarted) = (World::new(layout, &in_order()), World::new(layout, &in_order()));
        let mut flow = straight.flow(seed);
        for step in 0..STEPS {
            let (pause, command) = flow.draw();
            let (a, b) = (straight.step(pause, &command), restarted.step(pause, &command));
            assert_eq!((a.reply, a.events), (b.reply, b.events), "seed {seed} step {step}: {command:?}");
            if (step as u64 + seed).is_multiple_of(37) {
                restarted.engine.restart();
            }
        }
        assert_eq!(straight.engine.digests(), restarted.engine.digests(), "seed {seed}");
    }
}

/// What one cell tells of one market, in order: those of several markets may come between each other. The ledger's
/// balances are compared where they end. Positions are those of commands, whose steps they are replaced by: mail takes
/// positions, too.
fn by_cell(events: &[Event], steps: &BTreeMap<u64, usize>) -> BTreeMap<(bool, Option<String>), Vec<String>> {
    let mut cells = BTreeMap::<(bool, Option<String>), Vec<String>>::new();
    for event in events.iter().filter(|event| !matches!(event, Event::BalanceChanged(_))) {
        let is_public = is_of_market(event);
        let step = |position: u64| steps.get(&position).map_or("none".to_owned(), |step| format!("step {step}"));
        let text = replace(&format!("{event:?}"), "LogPosition", step);
        // The ledger notices silence by itself, before or after it hears from a market that something was due there.
        let is_silence = matches!(event, Event::LeaseChanged(_) | Event::CountdownChanged(_));
        let after = text.split_once("MarketId(").filter(|_| !is_silence);
        let market = after.and_then(|(_, rest)| rest.split_once(')')).map(|(id, _)| id.to_owned());
        cells.entry((is_public, market)).or_default().push(text);
    }
    cells
}

/// What everybody owns, as it was told last.
fn note_balances(balances: &mut BTreeMap<(AccountId, AssetId), (Amount, Amount)>, events: &[Event]) {
    for event in events {
        if let Event::BalanceChanged(e) = event {
            balances.insert((e.account, e.asset), (e.free, e.held));
        }
    }
}

#[test]
fn markets_apart_tell_what_they_tell_beside_the_ledger() {
    for seed in seeds() {
        let apart = [Layout::Mixed, Layout::Split][seed as usize % 2];
        let (mut joint, mut split) = (World::new(Layout::Joint, &in_order()), World::new(apart, &in_order()));
        let mut flow = joint.flow(seed);
        let mut balances = [BTreeMap::new(), BTreeMap::new()];
        let mut steps = [BTreeMap::new(), BTreeMap::new()];
        for step in 0..STEPS {
            let (pause, command) = flow.draw();
            let (a, b) = (joint.step(pause, &command), split.step(pause, &command));
            assert_eq!(a.reply, b.reply, "seed {seed} step {step}: {command:?}");
            steps[0].insert(a.position.get(), step);
            steps[1].insert(b.position.get(), step);
            let (left, right) = (by_cell(&a.events, &steps[0]), by_cell(&b.events, &steps[1]));
            assert_eq!(left, right, "seed {seed} step {step} {apart:?}: {command:?}");
            note_balances(&mut balances[0], &a.events);
            note_balances(&mut balances[1], &b.events);
            assert_eq!(balances[0], balances[1], "seed {seed} step {step}: {command:?}");
        }
    }
}

fn refusal(reply: Reply) -> Option<RejectReason> {
    match reply {
        Reply::Accepted { .. } => None,
        Reply::Rejected { reason, .. } => Some(reason),
    }
}

/// A text with the numbers in `Kind(number)` replaced.
fn replace(text: &str, kind: &str, name: impl Fn(u64) -> String) -> String {
    let opening = format!("{kind}(");
    let (mut renamed, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(&opening) {
        let (before, after) = rest.split_at(at + opening.len());
        let end = after.find(')').expect("a closed bracket");
        renamed += before;
        renamed += &name(after[..end].parse().expect("a number"));
        rest = &after[end..];
    }
    renamed + rest
}

/// The order in which one command tells balances is that of the ids; so is the one in which a market ends the orders of
/// all accounts.
fn as_lines(events: &[Event], names: &[u32]) -> Vec<String> {
    let is_purge = events.iter().any(|event| match event {
        Event::OrderCanceled(e) => matches!(
            e.cause,
            CancelCause::MarketClosed | CancelCause::RulesChanged | CancelCause::Expired | CancelCause::Delisted
        ),
        _ => false,
    });
    // A fee schedule moves the tiers of all accounts, by their ids.
    let is_schedule = events.iter().any(|event| matches!(event, Event::FeeScheduleChanged(_)));
    let is_balance = |event: &&Event| {
        is_purge
            || matches!(event, Event::BalanceChanged(_))
            || (is_schedule && matches!(event, Event::FeeTierChanged(_)))
    };
    let name = |id: u64| names.get(id as usize).copied().unwrap_or(id as u32).to_string();
    let text = |event: &Event| {
        let text = replace(&format!("{event:?}"), "AccountId", name);
        if is_purge { replace(&text, "BookSequence", |_| "any".to_owned()) } else { text }
    };
    let mut lines: Vec<String> = events.iter().filter(|event| !is_balance(event)).map(text).collect();
    let mut balances: Vec<String> = events.iter().filter(is_balance).map(text).collect();
    balances.sort_unstable();
    lines.append(&mut balances);
    lines
}

#[test]
fn accounts_by_other_names_do_the_same() {
    for seed in seeds() {
        // The account that is `n` in one world is `other[n]` in the other.
        let other: Vec<u32> =
            (0..=ACCOUNTS).map(|n| if n == 0 { 0 } else { (n + seed as u32) % ACCOUNTS + 1 }).collect();
        let mut opened = vec![0; ACCOUNTS as usize];
        (1..=ACCOUNTS).for_each(|n| opened[other[n as usize] as usize - 1] = n);
        let (mut one, mut two) = (World::new(Layout::Joint, &in_order()), World::new(Layout::Joint, &opened));
        let mut flow = one.flow(seed);
        let identity: Vec<u32> = (0..=ACCOUNTS).collect();
        for step in 0..STEPS {
            let (pause, command) = flow.draw();
            let renamed = with_accounts(&command, &other);
            let (a, b) = (one.step(pause, &command), two.step(pause, &renamed));
            // The id that an operator's command names may be the account's.
            assert_eq!(refusal(a.reply), refusal(b.reply), "seed {seed} step {step}: {command:?}");
            let (left, right) = (as_lines(&a.events, &other), as_lines(&b.events, &identity));
            assert_eq!(left, right, "seed {seed} step {step}: {command:?}");
        }
    }
}

/// The same command by other accounts.
fn with_accounts(command: &Command, names: &[u32]) -> Command {
    let mut command = command.clone();
    let rename = |account: &mut AccountId| *account = AccountId::new(names[account.get() as usize]);
    match &mut command {
        Command::NewOrder(c) => rename(&mut c.account),
        Command::CancelOrder(c) => rename(&mut c.account),
        Command::CancelAll(c) => rename(&mut c.account),
        Command::NewOrderOnTerms(c) => rename(&mut c.order.account),
        Command::NewOrderList(c) => c.legs.iter_mut().for_each(|leg| rename(&mut leg.order.account)),
        Command::CancelOrderList(c) => rename(&mut c.account),
        Command::AmendOrder(c) => rename(&mut c.account),
        Command::ReplaceOrder(c) => {
            rename(&mut c.cancel.account);
            rename(&mut c.order.account);
        }
        Command::AddApiKey(c) => rename(&mut c.account),
        Command::AssignAccount(c) => rename(&mut c.account),
        Command::SetAccountLimits(c) => rename(&mut c.account),
        Command::SetOrderLimits(c) => rename(&mut c.account),
        Command::SetAssetLimit(c) => rename(&mut c.account),
        Command::MassCancel(c) => rename(&mut c.account),
        Command::SetKillSwitch(c) => rename(&mut c.account),
        Command::SetFees(c) => rename(&mut c.account),
        Command::RenewLease(c) => rename(&mut c.account),
        Command::EndLease(c) => rename(&mut c.account),
        Command::CountdownCancel(c) => rename(&mut c.account),
        Command::Credit(c) => rename(&mut c.account),
        Command::Debit(c) => rename(&mut c.account),
        Command::SealName(c) => rename(&mut c.account),
        _ => {}
    }
    command
}
