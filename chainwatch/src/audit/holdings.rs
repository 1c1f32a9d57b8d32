//! What a majority of nodes says is there after a final block: outputs that nothing has spent, or accounts.
//!
//! Outputs are asked for as of a node's own head: one that is spent above the final block, by a transaction of a verified block,
//! was there after it. Accounts are asked for as of the final block. What was said of a block is asked once.

use std::collections::{BTreeMap, BTreeSet};

use wire::event::ChainAssetListed;

use super::books::{Expected, OutPoint, Place};
use crate::keys::AddressKeys;
use crate::watch::{AccountState, Unspent, Watch};
use crate::withdrawals::{Spend, Trail};
use crate::{DepositId, Head, TxId};

/// Outputs in one request.
const OUTPUTS_AT_ONCE: usize = 200;
/// Accounts that are asked for at once.
const ACCOUNTS_AT_ONCE: usize = 8;
/// Requests of one look: the rest is asked for in the next.
const ASKS_MAX: usize = 32;

/// What is known after one block.
pub(super) struct Holdings {
    keys: AddressKeys,
    block: Option<Head>,
    outputs: BTreeMap<OutPoint, bool>,
    accounts: BTreeMap<Place, AccountState>,
    /// The tokens of `accounts`, in their order.
    tokens: Vec<[u8; 20]>,
}

impl Holdings {
    pub(super) fn new(keys: AddressKeys) -> Holdings {
        Holdings { keys, block: None, outputs: BTreeMap::new(), accounts: BTreeMap::new(), tokens: Vec::new() }
    }

    /// Asks for what is not known yet. Whether everything is known now.
    pub(super) async fn ask(
        &mut self,
        watch: &Watch,
        trail: &Trail,
        block: Head,
        expected: &Expected,
        assets: &[ChainAssetListed],
    ) -> bool {
        let tokens: Vec<[u8; 20]> = assets.iter().filter_map(token_of).collect();
        if self.block != Some(block) || self.tokens != tokens {
            (self.block, self.tokens) = (Some(block), tokens);
            self.outputs.clear();
            self.accounts.clear();
        }
        self.ask_outputs(watch, trail, block, expected).await && self.ask_accounts(watch, block, expected).await
    }

    async fn ask_outputs(&mut self, watch: &Watch, trail: &Trail, block: Head, expected: &Expected) -> bool {
        let unknown = expected.coins.keys().filter(|point| !self.outputs.contains_key(point));
        let unknown: Vec<OutPoint> = unknown.copied().take(OUTPUTS_AT_ONCE * ASKS_MAX).collect();
        for points in unknown.chunks(OUTPUTS_AT_ONCE) {
            let asked: Vec<DepositId> =
                points.iter().map(|(tx, output)| DepositId { tx: TxId(tx.0), output: *output }).collect();
            let said = watch.unspent(&asked).await;
            // Only of what was followed to the node's head is it known what was spent on the way.
            let (followed, spent_later) = trail.look(|blocks| {
                let later = blocks.spendings().filter(|(head, _)| head.height > block.height);
                let spent: BTreeSet<Spend> = later.flat_map(|(_, spending)| spending.spent()).collect();
                (blocks.head(), spent)
            });
            let said: Vec<Unspent> = watch.with_pool(|pool| {
                let tree = pool.tree();
                let is_of_use = |said: &Unspent| {
                    tree.get(said.head).is_some_and(|placed| {
                        placed.head.height >= block.height && tree.contains(followed.hash, placed.head)
                    })
                };
                said.into_iter().filter(is_of_use).collect()
            });
            let majority = watch.with_pool(|pool| pool.config().majority());
            for (at, point) in points.iter().enumerate() {
                let there = said.iter().filter(|said| said.are_there.get(at) == Some(&true)).count();
                if there >= majority {
                    self.outputs.insert(*point, true);
                } else if said.len() - there >= majority {
                    self.outputs.insert(*point, spent_later.contains(&Spend::Output(point.0, point.1)));
                }
            }
        }
        expected.coins.keys().all(|point| self.outputs.contains_key(point))
    }

    async fn ask_accounts(&mut self, watch: &Watch, block: Head, expected: &Expected) -> bool {
        let wanted = |(place, assets): (&Place, &BTreeMap<_, i128>)| {
            let is_wanted = *place == Place::Key(0) || assets.values().any(|units| *units > 0);
            is_wanted.then_some(*place)
        };
        let wanted: Vec<Place> = expected.places.iter().filter_map(wanted).collect();
        let unknown = wanted.iter().filter(|place| !self.accounts.contains_key(place));
        let unknown: Vec<Place> = unknown.copied().take(ACCOUNTS_AT_ONCE * ASKS_MAX).collect();
        for places in unknown.chunks(ACCOUNTS_AT_ONCE) {
            let asked = places.iter().map(async |place| {
                let address = self.address(place)?;
                let state = watch.account(address, &self.tokens, block.height.0).await?;
                Some((*place, state))
            });
            let states = futures_util::future::join_all(asked).await;
            self.accounts.extend(states.into_iter().flatten());
        }
        wanted.iter().all(|place| self.accounts.contains_key(place))
    }

    fn address(&self, place: &Place) -> Option<[u8; 20]> {
        match place {
            Place::Key(0) => self.keys.wallet()?.1.0.try_into().ok(),
            Place::Key(key) => self.keys.derive(*key)?.1.0.try_into().ok(),
            Place::Cold(address) => bytes_of(address.as_str()),
        }
    }

    /// What is there of an asset, once everything is known.
    pub(super) fn of(&self, listed: &ChainAssetListed, expected: &Expected) -> u128 {
        if listed.contract.is_empty() && !expected.coins.is_empty() {
            let there = expected.coins.iter().filter(|(point, _)| self.outputs.get(point) == Some(&true));
            return there.map(|(_, value)| u128::from(*value)).sum();
        }
        let at = match token_of(listed) {
            None => 0,
            Some(token) => match self.tokens.iter().position(|known| *known == token) {
                Some(at) => at + 1,
                None => return 0,
            },
        };
        let funds = self.accounts.values().filter_map(|state| state.funds.get(at));
        funds.fold(0, |sum: u128, units| sum.saturating_add(*units))
    }
}

fn token_of(listed: &ChainAssetListed) -> Option<[u8; 20]> {
    bytes_of(listed.contract.as_str())
}

fn bytes_of(text: &str) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
    Some(bytes)
}
