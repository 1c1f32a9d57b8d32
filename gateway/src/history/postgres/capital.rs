//! Deposits and withdrawals in the tables: what a batch of the log makes of them, what their rows mean, and who asks for them.

use std::collections::BTreeMap;

use wire::event::{ChainAssetListed, ChainListed, DepositChanged, WithdrawalChanged};
use wire::{
    AccountId, AssetId, ChainAddress, ChainHash, ChainId, DepositStage, LogPosition, Timestamp, WithdrawalCause,
    WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

use super::Postgres;
use super::fold::{At, Rows};
use super::meaning::Reader;
use super::reads::{of, unreadable};
use super::rows::*;
use super::schema::signed;
use crate::accounts::Deposit;
use crate::errors::ApiError;
use crate::history::{DepositsWanted, Seen, WithdrawalsWanted};
use crate::names;

/// Rows that one batch changes, each as it is in the end: a statement may not write a row twice.
#[derive(Default)]
pub(super) struct Changes {
    chains: BTreeMap<ChainId, ChainRow>,
    assets: BTreeMap<(ChainId, AssetId), ChainAssetRow>,
    deposits: BTreeMap<(ChainId, ChainHash, u32), DepositRow>,
    withdrawals: BTreeMap<WithdrawalId, WithdrawalRow>,
}

impl Changes {
    /// How many rows wait.
    pub(super) fn len(&self) -> usize {
        self.chains.len() + self.assets.len() + self.deposits.len() + self.withdrawals.len()
    }

    pub(super) fn list_chain(&mut self, listed: &ChainListed, position: LogPosition) {
        let (chain, symbol) = (listed.chain.get(), listed.symbol.as_str().to_owned());
        self.chains.insert(listed.chain, ChainRow { chain, symbol, position: position.get() });
    }

    pub(super) fn list_asset(&mut self, listed: &ChainAssetListed, position: LogPosition) {
        let row = ChainAssetRow {
            chain: listed.chain.get(),
            asset: listed.asset.get(),
            contract: listed.contract.as_str().to_owned(),
            chain_decimals: listed.chain_decimals,
            position: position.get(),
        };
        self.assets.insert((listed.chain, listed.asset), row);
    }

    /// `event` is its place among the events of its command.
    pub(super) fn deposit(&mut self, at: At, event: usize, changed: &DepositChanged) {
        let row = DepositRow::new(changed, at.position, at.now, event);
        let name = (changed.chain, changed.tx, changed.output);
        let (seen, position, event) = match self.deposits.get(&name) {
            Some(known) => (known.inserted_ns, known.inserted_position, known.inserted_event),
            // Where there is a row already, these three of it stay.
            None => (row.inserted_ns, row.inserted_position, row.inserted_event),
        };
        let row = DepositRow { inserted_ns: seen, inserted_position: position, inserted_event: event, ..row };
        self.deposits.insert(name, row);
    }

    pub(super) fn withdrawal(&mut self, position: LogPosition, changed: &WithdrawalChanged) {
        // What the exchange moves between its own addresses was asked for by nobody, and a batch is known by its members.
        if !changed.purpose.is_of_house() {
            self.withdrawals.insert(changed.withdrawal, WithdrawalRow::new(changed, position));
        }
    }

    pub(super) fn take(&mut self, rows: &mut Rows) {
        let Changes { chains, assets, deposits, withdrawals } = std::mem::take(self);
        rows.chains = chains.into_values().collect();
        rows.chain_assets = assets.into_values().collect();
        rows.deposits = deposits.into_values().collect();
        rows.withdrawals = withdrawals.into_values().collect();
    }
}

impl DepositRow {
    fn new(changed: &DepositChanged, position: LogPosition, now: Timestamp, event: usize) -> DepositRow {
        DepositRow {
            chain: changed.chain.get(),
            tx: hex::encode(changed.tx.0),
            output: changed.output,
            account: changed.account.get(),
            address_index: changed.index,
            asset: changed.asset.get(),
            amount: changed.amount,
            stage: names::deposit_stage(changed.stage).to_owned(),
            status: names::deposit_status(changed.stage),
            block: hex::encode(changed.block.0),
            height: changed.height,
            confirmations: changed.confirmations,
            required: changed.required,
            credited: changed.credited.units(),
            dust: changed.dust,
            is_reverted: changed.is_reverted,
            inserted_ns: now.nanos(),
            inserted_position: position.get(),
            inserted_event: event as u64,
            position: position.get(),
        }
    }

    fn deposit(&self) -> Result<Deposit, Unreadable> {
        let read = Reader(Self::TABLE);
        let changed = DepositChanged {
            account: AccountId::new(self.account),
            chain: ChainId::new(self.chain),
            tx: hash(&read, &self.tx, "tx")?,
            output: self.output,
            index: self.address_index,
            asset: AssetId::new(self.asset),
            amount: self.amount,
            stage: read.word(DepositStage::ALL, names::deposit_stage, &self.stage, "stage")?,
            block: hash(&read, &self.block, "block")?,
            height: self.height,
            confirmations: self.confirmations,
            required: self.required,
            credited: read.amount(self.credited)?,
            dust: self.dust,
            is_reverted: self.is_reverted,
        };
        Ok(Deposit { changed, inserted: Timestamp::from_nanos(self.inserted_ns) })
    }
}

impl WithdrawalRow {
    fn new(changed: &WithdrawalChanged, position: LogPosition) -> WithdrawalRow {
        WithdrawalRow {
            id: changed.withdrawal.get(),
            account: changed.account.get(),
            chain: changed.chain.get(),
            asset: changed.asset.get(),
            address: changed.address.as_str().to_owned(),
            withdraw_order_id: changed.name.as_str().to_owned(),
            amount: changed.amount.units(),
            fee: changed.fee.units(),
            stage: names::withdrawal_stage(changed.stage).to_owned(),
            cause: names::withdrawal_cause(changed.cause).to_owned(),
            status: names::withdrawal_status(changed.stage, changed.cause),
            requested_ns: changed.requested_at.nanos(),
            ready_ns: changed.ready_at.nanos(),
            changed_ns: changed.changed_at.nanos(),
            approvals_missing: changed.approvals_missing,
            attempts: changed.attempts,
            tx: hex::encode(changed.tx.0),
            block: hex::encode(changed.block.0),
            height: changed.height,
            confirmations: changed.confirmations,
            required: changed.required,
            network_fee: changed.network_fee,
            house_held: changed.house_held.units(),
            is_undone: changed.is_undone,
            is_reverted: changed.is_reverted,
            position: position.get(),
        }
    }

    fn withdrawal(&self) -> Result<WithdrawalChanged, Unreadable> {
        let read = Reader(Self::TABLE);
        Ok(WithdrawalChanged {
            withdrawal: WithdrawalId::new(self.id),
            account: AccountId::new(self.account),
            chain: ChainId::new(self.chain),
            asset: AssetId::new(self.asset),
            address: read.known(ChainAddress::new(self.address.as_bytes()).ok(), "address")?,
            name: read.name(&self.withdraw_order_id)?,
            amount: read.amount(self.amount)?,
            fee: read.amount(self.fee)?,
            stage: read.word(WithdrawalStage::ALL, names::withdrawal_stage, &self.stage, "stage")?,
            cause: read.word(WithdrawalCause::ALL, names::withdrawal_cause, &self.cause, "cause")?,
            requested_at: Timestamp::from_nanos(self.requested_ns),
            ready_at: Timestamp::from_nanos(self.ready_ns),
            changed_at: Timestamp::from_nanos(self.changed_ns),
            approvals_missing: self.approvals_missing,
            attempts: self.attempts,
            tx: hash(&read, &self.tx, "tx")?,
            block: hash(&read, &self.block, "block")?,
            height: self.height,
            confirmations: self.confirmations,
            required: self.required,
            network_fee: self.network_fee,
            house_held: read.amount(self.house_held)?,
            is_undone: self.is_undone,
            is_reverted: self.is_reverted,
            purpose: WithdrawalPurpose::Payment,
            key: 0,
            parent: WithdrawalId::default(),
            batch: WithdrawalId::default(),
        })
    }
}

fn hash(read: &Reader, text: &str, column: &str) -> Result<ChainHash, Unreadable> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    Ok(ChainHash(read.known(bytes, column)?))
}

impl Postgres {
    pub(in crate::history) async fn deposits(
        &self,
        seen: Seen,
        account: AccountId,
        wanted: &DepositsWanted,
    ) -> Result<Vec<Deposit>, ApiError> {
        let rest = "WHERE account = $1 AND inserted_ns >= $2 AND inserted_ns <= $3 \
                    AND ($4::bigint IS NULL OR asset = $4) AND ($5::bigint IS NULL OR status = $5) \
                    AND ($6::text IS NULL OR tx = $6) \
                    ORDER BY inserted_position DESC, inserted_event DESC OFFSET $7 LIMIT $8";
        let DepositsWanted { asset, status, tx, page, offset } = wanted;
        let ([start, end], tx) = (page.nanos(), tx.map(|tx| hex::encode(tx.0)));
        let (asset, status) = (asset.map(|asset| i64::from(asset.get())), status.map(signed));
        let mut reader = self.reader(seen).await?;
        let rows: Vec<DepositRow> = reader
            .rows(rest, &[&of(account), &start, &end, &asset, &status, &tx, &signed(*offset), &page.limit()])
            .await?;
        rows.iter().map(|row| row.deposit().map_err(unreadable)).collect()
    }

    pub(in crate::history) async fn withdrawals(
        &self,
        seen: Seen,
        account: AccountId,
        wanted: &WithdrawalsWanted,
    ) -> Result<Vec<WithdrawalChanged>, ApiError> {
        let rest = "WHERE account = $1 AND requested_ns >= $2 AND requested_ns <= $3 \
                    AND ($4::bigint IS NULL OR asset = $4) AND ($5::bigint IS NULL OR status = $5) \
                    AND ($6::text IS NULL OR withdraw_order_id = $6) AND ($7::bigint[] IS NULL OR id = ANY($7)) \
                    ORDER BY id DESC OFFSET $8 LIMIT $9";
        let WithdrawalsWanted { asset, status, name, ids, page, offset } = wanted;
        let (asset, status) = (asset.map(|asset| i64::from(asset.get())), status.map(signed));
        let (name, [start, end]) = (name.as_ref().map(wire::ClientOrderId::as_str), page.nanos());
        let ids: Option<Vec<i64>> = ids.as_ref().map(|ids| ids.iter().map(|id| signed(id.get())).collect());
        let mut reader = self.reader(seen).await?;
        let rows: Vec<WithdrawalRow> = reader
            .rows(rest, &[&of(account), &start, &end, &asset, &status, &name, &ids, &signed(*offset), &page.limit()])
            .await?;
        rows.iter().map(|row| row.withdrawal().map_err(unreadable)).collect()
    }
}
