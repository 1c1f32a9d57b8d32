//! Withdrawals as they lie in a snapshot: what is said of them and what follows from nothing else.

use wire::codec::{CodecError, Reader, Writer};
use wire::event::{WithdrawalChanged, WithdrawalsRestricted};
use wire::{AssetId, ChainId, WithdrawalCause, WithdrawalId, WithdrawalStage};

use super::super::blockchains::Blockchains;
use super::super::registry::Registry;
use super::destinations::Destinations;
use super::gifts::Gifts;
use super::{Attempt, Open, Withdrawals};
use crate::limits::Limits;

impl Withdrawals {
    pub(in crate::ledger) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.next);
        to.put(&(self.rules.len() as u32));
        for ((chain, asset), rules) in &self.rules {
            to.put(chain);
            to.put(asset);
            to.put(rules);
        }
        to.put(&(self.restrictions.len() as u32));
        self.restrictions.values().for_each(|restricted| to.put(restricted));
        self.destinations.save(to);
        to.put(&(self.hot.len() as u32));
        for ((chain, asset), bounds) in &self.hot {
            to.put(chain);
            to.put(asset);
            to.put(bounds);
        }
        self.gifts.save(to);
        to.put(&(self.turns.len() as u32));
        for (chain, turn) in &self.turns {
            to.put(chain);
            to.put(turn);
        }
        to.put(&(self.prepaid.len() as u32));
        for (chain, prepaid) in &self.prepaid {
            to.put(chain);
            to.put(prepaid);
        }
        to.put(&(self.rows.len() as u32));
        for (id, row) in &self.rows {
            to.put(row);
            if let Some(open) = self.open.get(id) {
                save_open(open, to);
            }
            if let Some(txs) = self.failed.get(id) {
                to.put(&(txs.len() as u8));
                txs.iter().for_each(|tx| to.put(tx));
            }
        }
    }

    /// Refuses withdrawals of chains, assets and accounts that are not known, and more of them than may be.
    pub(in crate::ledger) fn load(
        limits: &Limits,
        registry: &Registry,
        chains: &Blockchains,
        from: &mut Reader<'_>,
    ) -> Result<Withdrawals, CodecError> {
        let bad = |_| CodecError::OutOfRange;
        let mut all = Withdrawals::new(limits);
        all.next = from.get()?;
        for _ in 0..from.get::<u32>()? {
            let (chain, asset): (ChainId, AssetId) = (from.get()?, from.get()?);
            chains.get(chain).and_then(|chain| chain.asset(asset)).map_err(bad)?;
            all.rules.insert((chain, asset), from.get()?);
        }
        for _ in 0..from.get::<u32>()? {
            let restricted: WithdrawalsRestricted = from.get()?;
            registry.account(restricted.account).map_err(bad)?;
            all.restrictions.insert(restricted.account, restricted);
        }
        all.destinations = Destinations::load(from)?;
        for _ in 0..from.get::<u32>()? {
            let (chain, asset): (ChainId, AssetId) = (from.get()?, from.get()?);
            chains.get(chain).and_then(|chain| chain.asset(asset)).map_err(bad)?;
            all.hot.insert((chain, asset), from.get()?);
        }
        all.gifts = Gifts::load(chains, from)?;
        for _ in 0..from.get::<u32>()? {
            let chain = from.get()?;
            chains.get(chain).map_err(bad)?;
            all.turns.insert(chain, from.get()?);
        }
        for _ in 0..from.get::<u32>()? {
            let chain = from.get()?;
            chains.get(chain).map_err(bad)?;
            all.prepaid.insert(chain, from.get()?);
        }
        for _ in 0..from.get::<u32>()? {
            let row: WithdrawalChanged = from.get()?;
            let id = row.withdrawal;
            registry.account(row.account).map_err(bad)?;
            chains.get(row.chain).and_then(|chain| chain.asset(row.asset)).map_err(bad)?;
            if id.get() == 0 || id.get() >= all.next || !all.has_room(row.purpose) {
                return Err(CodecError::OutOfRange);
            }
            if !row.stage.is_final() {
                let open = load_open(row.sender(), from)?;
                registry.account(open.house).map_err(bad)?;
                let spends = open.allocation.iter().flat_map(|allocation| Open::spends(open.sender, allocation));
                all.spent.extend(spends.map(|spent| ((row.chain, spent), id)));
                all.open.insert(id, open);
            }
            let is_alone = row.batch == WithdrawalId::default();
            if is_alone && (row.stage, row.cause) == (WithdrawalStage::Failed, WithdrawalCause::Operator) {
                let txs = (0..from.get::<u8>()?).map(|_| from.get()).collect::<Result<_, _>>()?;
                all.failed.insert(id, txs);
            }
            if !row.purpose.is_of_house() {
                all.names.insert((row.account, row.name), id);
                all.velocity.add(&row);
            }
            all.put(row);
        }
        all.check_members()?;
        Ok(all)
    }
}

fn save_open(open: &Open, to: &mut Writer<'_>) {
    to.put(&open.house);
    to.put(&(open.approvers.len() as u8));
    open.approvers.iter().for_each(|approver| to.put(approver));
    to.put(&open.allocation.is_some());
    open.allocation.iter().for_each(|allocation| to.put(allocation));
    to.put(&(open.attempts.len() as u8));
    for attempt in &open.attempts {
        to.put(&attempt.tx);
        to.put(&attempt.network_fee);
        to.put(&attempt.change);
    }
    to.put(&open.helped_fee);
}

fn load_open(sender: u32, from: &mut Reader<'_>) -> Result<Open, CodecError> {
    let mut open = Open::new(from.get()?, sender);
    for _ in 0..from.get::<u8>()? {
        open.approvers.push(from.get()?);
    }
    if from.get::<bool>()? {
        open.allocation = Some(from.get()?);
    }
    for _ in 0..from.get::<u8>()? {
        open.attempts.push(Attempt { tx: from.get()?, network_fee: from.get()?, change: from.get()? });
    }
    open.helped_fee = from.get()?;
    Ok(open)
}
