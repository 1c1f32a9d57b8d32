use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::*;
use crate::chain::ChainAsset;
use crate::deposits::mempool::{Coming, Look};
use crate::keys::AddressScheme;
use crate::ledger::Unanswered;
use crate::watch::Absence;
use crate::{BlockHash, DepositId, TxId};
use wire::command::SightDeposit;
use wire::event::{AddressBound, AddressRequested, ChainAssetListed};
use wire::{AccountId, Amount, AssetId, DepositStage, Event, LogPosition};

const XPUB: &str =
    "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V";
const CHAIN: ChainId = ChainId::new(1);
const COIN: AssetId = AssetId::new(1);

/// A ledger that has no room for a deposit of 13, seen or in a block, and none for the address of index 1. One of 11 it knows
/// already, and does not say so.
#[derive(Default)]
struct Narrow {
    events: VecDeque<Event>,
    reported: Vec<u128>,
    /// What was seen, or was not any more.
    sighted: Vec<(u128, bool)>,
    bound: Vec<u32>,
}

impl Ledger for Narrow {
    async fn propose(&mut self, command: &Command) -> Result<Reply, Unanswered> {
        let rejected = |reason| Ok(Reply::Rejected { reason, id: 0 });
        match command {
            Command::ReportDeposit(report) => {
                self.reported.push(report.amount);
                if report.amount == 13 {
                    return rejected(RejectReason::TableFull);
                }
                self.events.push_back(Event::DepositChanged(Box::new(as_reported(report))));
            }
            Command::SightDeposit(sight) => {
                self.sighted.push((sight.amount, sight.is_pooled));
                if sight.amount == 13 {
                    return rejected(RejectReason::TableFull);
                }
                if sight.amount != 11 {
                    self.events.push_back(Event::DepositChanged(Box::new(as_sighted(sight))));
                }
            }
            Command::BindAddress(bind) if bind.index == 1 => return rejected(RejectReason::AddressTaken),
            Command::BindAddress(bind) => {
                self.bound.push(bind.index);
                let account = AccountId::new(bind.index);
                let (index, address) = (bind.index, bind.address);
                let bound = AddressBound { account, chain: CHAIN, index, address };
                self.events.push_back(Event::AddressBound(Box::new(bound)));
            }
            _ => {}
        }
        Ok(Reply::Accepted { id: 1 })
    }

    async fn events(&mut self) -> Result<Vec<Event>, Unanswered> {
        Ok(self.events.drain(..).collect())
    }

    fn position(&self) -> LogPosition {
        LogPosition::new(self.reported.len() as u64)
    }
}

fn as_reported(report: &ReportDeposit) -> DepositChanged {
    let ReportDeposit { chain, tx, output, index, asset, amount, block, height, confirmations, .. } = *report;
    DepositChanged {
        account: AccountId::new(1),
        chain,
        tx,
        output,
        index,
        asset,
        amount,
        stage: DepositStage::Included,
        block,
        height,
        confirmations,
        required: 3,
        credited: Amount::ZERO,
        dust: 0,
        is_reverted: false,
    }
}

fn as_sighted(sight: &SightDeposit) -> DepositChanged {
    let SightDeposit { chain, fence, tx, output, index, asset, amount, is_pooled } = *sight;
    let (block, height) = (ChainHash::default(), 0);
    let (is_included, is_final, confirmations) = (true, false, 0);
    let of_block = ReportDeposit {
        chain,
        fence,
        tx,
        output,
        index,
        asset,
        amount,
        block,
        height,
        confirmations,
        is_included,
        is_final,
    };
    let stage = if is_pooled { DepositStage::Seen } else { DepositStage::Replaced };
    DepositChanged { stage, ..as_reported(&of_block) }
}

fn keys() -> AddressKeys {
    AddressKeys::new(XPUB, AddressScheme::Evm).unwrap()
}

/// A chain whose smallest deposit is 10, and addresses of indices 1 and 2 that were asked for.
async fn proposer() -> Proposer<Narrow> {
    let listed = ChainAssetListed {
        chain: CHAIN,
        asset: COIN,
        contract: wire::ChainAddress::EMPTY,
        chain_decimals: 8,
        deposit_min: 10,
        confirmations: 3,
        large_from: Amount::ZERO,
        large_confirmations: 0,
    };
    let requested = |index| AddressRequested { account: AccountId::new(index), chain: CHAIN, index };
    let mut ledger = Narrow::default();
    ledger.events.push_back(Event::ChainAssetListed(Box::new(listed)));
    ledger.events.extend([1, 2].map(|index| Event::AddressRequested(requested(index))));
    let mut proposer = Proposer::new(CHAIN, ledger, keys(), Trail::new(block(), &[]), 8);
    proposer.claim().await.unwrap();
    proposer.read().await.unwrap();
    proposer.bind_addresses().await.unwrap();
    proposer
}

fn block() -> Head {
    Head { height: Height(5), hash: BlockHash([5; 32]) }
}

fn transfer(amount: u128) -> Transfer {
    let (_, to) = keys().derive(2).unwrap();
    let id = DepositId { tx: TxId([amount as u8; 32]), output: 0 };
    Transfer { id, to, asset: ChainAsset::Native, amount }
}

#[tokio::test]
async fn an_address_that_is_refused_keeps_nobody_else_from_theirs() {
    let proposer = proposer().await;
    assert_eq!(proposer.ledger.bound, [0, 2], "the wallet's own is one of them");
}

#[tokio::test]
async fn a_deposit_that_is_refused_keeps_no_other_from_its_turn_and_waits_for_its_own() {
    let mut proposer = proposer().await;
    for amount in [12, 13, 14] {
        assert!(proposer.find(block(), &transfer(amount)));
    }
    for key in proposer.keys() {
        let found = *proposer.about(key).unwrap().1.unwrap();
        proposer.say(key, Statement::Included { found, confirmations: 1, is_final: false }).await.unwrap();
    }
    assert_eq!(proposer.ledger.reported, [12, 13, 14]);
    let key = (ChainHash([13; 32]), 0);
    assert_eq!(proposer.found.keys().collect::<Vec<_>>(), [&key], "it is not forgotten");
    assert!(proposer.about(key).is_none(), "and not repeated at once");
    assert_eq!(proposer.needs_from(), Some(Height(5)), "nor may its block be");
}

#[tokio::test]
async fn less_than_the_smallest_deposit_is_no_deposit() {
    let mut proposer = proposer().await;
    assert!(!proposer.find(block(), &transfer(9)));
    assert!(proposer.find(block(), &transfer(10)));
}

#[tokio::test]
async fn what_a_reorganisation_takes_away_before_it_was_told_is_never_told() {
    let mut proposer = proposer().await;
    assert!(proposer.find(block(), &transfer(12)));
    let placed = crate::tree::Placed { head: block(), parent: BlockHash([4; 32]), time_s: 0, chain_work: 0, bits: 0 };
    let gone = [ConnectedBlock { placed, kept: Kept { transfers: vec![transfer(12)], ..Kept::default() } }];
    proposer.blocks_disconnected(Head { height: Height(4), hash: BlockHash([4; 32]) }, &gone).await.unwrap();
    assert!(proposer.keys().is_empty());
}

/// What a look has found: transfers of so much to the second address.
fn look(number: u64, amounts: &[u128]) -> Look {
    let coming = amounts.iter().map(|amount| {
        let Transfer { id, asset, amount, .. } = transfer(*amount);
        ((ChainHash(id.tx.0), id.output), Coming { index: 2, asset, amount })
    });
    let coming: std::collections::BTreeMap<_, _> = coming.collect();
    let names: HashSet<TxId> = coming.keys().map(|(tx, _)| TxId(tx.0)).collect();
    Look { number, coming, absent: Arc::new(Absence::AllBut(names.clone())), names: Arc::new(names) }
}

/// A payment that does not fit in the next block is in no block that nodes show, and is there all the same.
#[tokio::test]
async fn what_nodes_do_not_show_is_gone_when_most_of_them_have_said_so_five_times() {
    let mut proposer = proposer().await;
    let tx = TxId(ChainHash(transfer(12).id.tx.0).0);
    proposer.propose_sightings(&look(1, &[12])).await.unwrap();
    let shown = look(1, &[12]);
    let of = |number, names: &[TxId], absent: &[TxId]| Look {
        number,
        coming: Default::default(),
        names: Arc::new(names.iter().copied().collect()),
        absent: Arc::new(Absence::These(absent.iter().copied().collect())),
    };
    // Not shown, and nobody was asked or most did not answer.
    for number in 2..40 {
        proposer.propose_sightings(&of(number, &[], &[])).await.unwrap();
    }
    // Four times it is not there, twice it is; what is said twice of one look is said once.
    let mut number = 40;
    for _ in 0..2 {
        for _ in 0..4 {
            number += 1;
            proposer.propose_sightings(&of(number, &[], &[tx])).await.unwrap();
            proposer.propose_sightings(&of(number, &[], &[tx])).await.unwrap();
        }
        proposer.propose_sightings(&of(number + 1, &[tx], &[])).await.unwrap();
        number += 1;
    }
    assert_eq!(proposer.ledger.sighted, [(12, true)]);
    // Five times, with silence in between.
    for at in 0..5 {
        assert_eq!(proposer.ledger.sighted.len(), 1, "{at}");
        proposer.propose_sightings(&of(number + 1, &[], &[])).await.unwrap();
        proposer.propose_sightings(&of(number + 2, &[], &[tx])).await.unwrap();
        number += 2;
    }
    assert_eq!(proposer.ledger.sighted, [(12, true), (12, false)]);
    proposer.propose_sightings(&Look { number: number + 1, ..shown }).await.unwrap();
    assert_eq!(proposer.ledger.sighted.len(), 3, "it may come again");
}

/// After a restart most of what is there is read again, and not all of it at once.
#[tokio::test]
async fn what_is_there_and_was_not_read_yet_is_not_gone() {
    let mut proposer = proposer().await;
    proposer.propose_sightings(&look(1, &[12])).await.unwrap();
    for number in 2..20 {
        let unread = Look { coming: Default::default(), ..look(number, &[12]) };
        proposer.propose_sightings(&unread).await.unwrap();
    }
    assert_eq!(proposer.ledger.sighted, [(12, true)]);
}

#[tokio::test]
async fn what_the_ledger_takes_and_does_not_show_is_told_once() {
    let mut proposer = proposer().await;
    for number in 1..9 {
        proposer.propose_sightings(&look(number, &[11, 12])).await.unwrap();
    }
    assert_eq!(proposer.ledger.sighted, [(11, true), (12, true)]);
}

#[tokio::test]
async fn what_is_seen_is_told_once_and_is_gone_when_four_looks_in_a_row_miss_it() {
    let mut proposer = proposer().await;
    for number in 1..3 {
        proposer.propose_sightings(&look(number, &[12])).await.unwrap();
    }
    assert_eq!(proposer.ledger.sighted, [(12, true)]);
    for number in [3, 3, 4, 5, 6] {
        proposer.propose_sightings(&look(number, &[])).await.unwrap();
    }
    assert_eq!(proposer.ledger.sighted.len(), 1, "a look that is held against twice is one");
    // One that has it again begins anew.
    proposer.propose_sightings(&look(7, &[12])).await.unwrap();
    for number in 8..12 {
        proposer.propose_sightings(&look(number, &[])).await.unwrap();
    }
    assert_eq!(proposer.ledger.sighted.len(), 1);
    for number in 12..14 {
        proposer.propose_sightings(&look(number, &[])).await.unwrap();
    }
    assert_eq!(proposer.ledger.sighted, [(12, true), (12, false)]);
}

#[tokio::test]
async fn before_the_first_look_nothing_is_gone_and_what_a_block_has_is_not_gone_either() {
    let mut proposer = proposer().await;
    proposer.propose_sightings(&look(1, &[12, 14])).await.unwrap();
    for _ in 0..9 {
        proposer.propose_sightings(&look(0, &[])).await.unwrap();
    }
    assert!(proposer.find(block(), &transfer(12)));
    for number in 2..9 {
        proposer.propose_sightings(&look(number, &[])).await.unwrap();
    }
    assert_eq!(proposer.ledger.sighted, [(12, true), (14, true), (14, false)]);
}

#[tokio::test]
async fn an_address_of_which_the_ledger_shows_no_more_is_left_alone_and_its_deposits_are_not() {
    let mut proposer = proposer().await;
    proposer.propose_sightings(&look(1, &[12])).await.unwrap();
    for number in 2..5 {
        proposer.propose_sightings(&look(number, &[12, 13, 14, 15])).await.unwrap();
    }
    assert_eq!(proposer.ledger.sighted, [(12, true), (13, true)]);
    assert!(proposer.find(block(), &transfer(14)));
    let key = (ChainHash([14; 32]), 0);
    let found = *proposer.about(key).unwrap().1.unwrap();
    proposer.say(key, Statement::Included { found, confirmations: 1, is_final: false }).await.unwrap();
    assert_eq!(proposer.ledger.reported, [14]);
}

/// An instance without the claim reads all that ever was, and keeps what may still change.
#[tokio::test]
async fn what_lies_too_deep_is_forgotten_while_it_is_read_and_not_found_again() {
    let mut proposer = proposer().await;
    proposer.close_below(99_900);
    let credited = |height: u64| {
        let mut tx = [3; 32];
        tx[..8].copy_from_slice(&height.to_le_bytes());
        let key = (ChainHash(tx), 0);
        let report = ReportDeposit {
            chain: CHAIN,
            fence: 1,
            tx: key.0,
            output: key.1,
            index: 2,
            asset: COIN,
            amount: 12,
            is_included: true,
            block: ChainHash([9; 32]),
            height,
            confirmations: 3,
            is_final: true,
        };
        Event::DepositChanged(Box::new(DepositChanged { stage: DepositStage::Credited, ..as_reported(&report) }))
    };
    proposer.ledger.events.extend((1..=100_000).map(credited));
    proposer.read().await.unwrap();
    assert!(proposer.view.open_deposits().count() < 101 + CLOSE_EVERY);
    proposer.close_below(99_900);
    assert_eq!(proposer.view.open_deposits().count(), 101);
    // A block that is remembered from an earlier life.
    let deep = Head { height: crate::Height(5), hash: BlockHash([9; 32]) };
    assert!(proposer.find(deep, &transfer(12)), "it is ours");
    assert!(proposer.found.is_empty(), "and the ledger has it");
}
