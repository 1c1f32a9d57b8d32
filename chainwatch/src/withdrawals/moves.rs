//! The hot wallet within its bounds: which money of the exchange is to move next, and which withdrawals must not leave.
//!
//! Deposits are swept into the hot wallet from the bound's `sweep_from` on: outputs of a Bitcoin-like chain together, as far as one
//! transaction takes them; where each address has an account, one after another, and one that holds tokens and no coins to pay
//! for their way gets gas first. What the hot wallet has above its upper bound goes to the cold address.

use wire::command::MoveFunds;
use wire::event::WithdrawalChanged;
use wire::{
    AssetId, ChainAddress, ChainId, HotWalletBounds, Timestamp, WithdrawalId, WithdrawalPurpose, WithdrawalStage,
};

use super::facts::{Account, Facts};
use super::funding::{self, Unfunded};
use super::view::View;
use super::{Executor, Step};
use crate::signer::bitcoin::own_script;
use crate::signer::evm::own_address;
use crate::signer::payment::Scheme;

/// A sweep keeps back what this many of its transactions may cost: it may have to be replaced.
const GAS_RESERVE: u128 = 2;
/// A move that came to nothing is not tried again for so long: each is a row of the ledger, and may have cost something.
const AGAIN_NS: u64 = 3_600 * 1_000_000_000;

/// What the hot wallet has of an asset, in the chain's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hot {
    /// Of which asset.
    pub asset: AssetId,
    /// How much that no transaction on its way takes.
    pub balance: u128,
    /// No withdrawal may leave less.
    pub low: u128,
    /// From here on the rest goes to the cold address; 0 for never.
    pub high: u128,
}

impl Hot {
    /// Whether it has less than it should.
    pub fn is_low(&self) -> bool {
        self.balance < self.low
    }

    /// Whether it has more than it should.
    pub fn is_high(&self) -> bool {
        self.high > 0 && self.balance >= self.high
    }
}

/// What the hot wallet has of each asset that has bounds, as far as that is known.
pub(super) fn hot(view: &View, scheme: &Scheme, facts: &Facts) -> Vec<Hot> {
    let of = |(asset, bounds): (AssetId, HotWalletBounds)| {
        let balance = balance(view, scheme, facts, asset)?;
        Some(Hot { asset, balance, low: view.units(asset, bounds.low)?, high: view.units(asset, bounds.high)? })
    };
    view.bounds().filter_map(of).collect()
}

/// What the hot wallet has that no transaction on its way takes. `None` when too few nodes say.
fn balance(view: &View, scheme: &Scheme, facts: &Facts, asset: AssetId) -> Option<u128> {
    match scheme {
        Scheme::Bitcoin(_) => Some(sum(&funding::spare(view, facts, None))),
        Scheme::Evm(_) => {
            let account = facts.accounts.get(&0)?;
            let contract = view.contract(asset)?;
            let outgoing = funding::outgoing(view, 0, account)?;
            let taken = outgoing.get(&contract).copied().unwrap_or(0);
            Some(has(account, contract).saturating_sub(taken))
        }
    }
}

fn sum(coins: &[wire::ChainInput]) -> u128 {
    coins.iter().map(|coin| u128::from(coin.amount)).sum()
}

fn has(account: &Account, contract: ChainAddress) -> u128 {
    account.funds.get(&contract).copied().unwrap_or(0)
}

/// Whether a withdrawal, and what it pays to its chain, would leave the hot wallet less than a lower bound.
pub(super) fn check_low(
    view: &View,
    scheme: &Scheme,
    row: &WithdrawalChanged,
    facts: &Facts,
    network_fee: u128,
) -> Result<(), Unfunded> {
    if row.purpose.is_internal() {
        return Ok(());
    }
    let coin = view.coin();
    for (asset, bounds) in view.bounds().filter(|(_, bounds)| !bounds.low.is_zero()) {
        let (_, amount) = view.chain_amount(row).ok_or(Unfunded::InTurn)?;
        let amount = if asset == row.asset { amount } else { 0 };
        let taken = amount.saturating_add(if Some(asset) == coin { network_fee } else { 0 });
        if taken == 0 {
            continue;
        }
        let low = view.units(asset, bounds.low).ok_or(Unfunded::InTurn)?;
        let balance = balance(view, scheme, facts, asset).ok_or(Unfunded::NobodySays)?;
        if balance < low.saturating_add(taken) {
            return Err(Unfunded::HotWalletAtBound);
        }
    }
    Ok(())
}

/// The next move, without claim and turn. What `is_left` alone for a while, because the ledger does not let it go, keeps none back.
pub(super) fn next(
    view: &View,
    scheme: &Scheme,
    facts: &Facts,
    gas: (u64, u64),
    now: Timestamp,
    is_left: impl Fn(WithdrawalId) -> bool,
) -> Option<MoveFunds> {
    let own = own_address_text(scheme)?;
    let may_be_tried = |it: &MoveFunds| may_be_tried(view, it, now) && !view.is_halted(it.asset);
    let is_sweeping = |bounds: &HotWalletBounds| !bounds.sweep_from.is_zero();
    let swept = match scheme {
        Scheme::Bitcoin(_) => view.bounds().find_map(|(asset, bounds)| {
            let is_free = is_sweeping(&bounds) && !is_wanted_by_clients(view, now, &is_left);
            is_free.then(|| sweep_outputs(view, facts, asset, bounds, own)).flatten().filter(may_be_tried)
        }),
        Scheme::Evm(_) => {
            let sweep = |(key, asset)| sweep_account(view, facts, gas, key, asset, own).filter(may_be_tried);
            view.deposited().find_map(sweep)
        }
    };
    let to_cold = |(asset, bounds)| to_cold(view, scheme, facts, asset, bounds).filter(may_be_tried);
    swept.or_else(|| view.bounds().find_map(to_cold))
}

/// Whether none of its kind has come to nothing a moment ago.
pub(super) fn may_be_tried(view: &View, wanted: &MoveFunds, now: Timestamp) -> bool {
    let failed_at = view.failed_at(wanted.purpose, wanted.asset);
    failed_at.is_none_or(|failed_at| now >= failed_at.plus_nanos(AGAIN_NS))
}

/// A child of what is stuck, which spends so much of its change; without claim and turn.
pub(super) fn child(view: &View, scheme: &Scheme, parent: &WithdrawalChanged, change: u64) -> Option<MoveFunds> {
    let own = own_address_text(scheme)?;
    let wanted = wanted(view, parent.asset, WithdrawalPurpose::Child, 0, own, change.into())?;
    Some(MoveFunds { parent: parent.withdrawal, ..wanted })
}

/// Whether a client's withdrawal may need the outputs that a sweep would spend: now, and not when its address' delay is over.
fn is_wanted_by_clients(view: &View, now: Timestamp, is_left: impl Fn(WithdrawalId) -> bool) -> bool {
    let is_due = |row: &WithdrawalChanged| {
        let is_held = row.purpose == WithdrawalPurpose::Payment && row.stage == WithdrawalStage::Held;
        is_held && now >= row.ready_at && !view.is_halted(row.asset) && !is_left(row.withdrawal)
    };
    view.all().any(|known| is_due(&known.row))
}

fn sweep_outputs(
    view: &View,
    facts: &Facts,
    asset: AssetId,
    bounds: HotWalletBounds,
    own: ChainAddress,
) -> Option<MoveFunds> {
    let mut coins = funding::deposits(view, facts);
    coins.truncate(wire::ChainInputs::MAX);
    let total = sum(&coins);
    let is_due =
        total >= view.units(asset, bounds.sweep_from)? && !view.is_moving(WithdrawalPurpose::Sweep, Some(asset), 0);
    is_due.then(|| wanted(view, asset, WithdrawalPurpose::Sweep, 0, own, total)).flatten()
}

impl Executor {
    /// Ends a sweep of outputs that waits although less is left to sweep than any sweep is made for: withdrawals have spent the
    /// rest meanwhile. When there is enough again, another is made. Before behaviour version 3 the ledger refuses it, and it waits.
    pub(super) fn end_sweep(&self, withdrawal: WithdrawalId, facts: &Facts, fence: u64) -> Option<Step> {
        let row = self.view.get(withdrawal)?.row;
        let is_waiting = (row.purpose, row.stage) == (WithdrawalPurpose::Sweep, WithdrawalStage::Held);
        if !is_waiting || !matches!(self.scheme, Scheme::Bitcoin(_)) {
            return None;
        }
        let (_, bounds) = self.view.bounds().find(|(asset, _)| *asset == row.asset)?;
        let left = sum(&funding::deposits(&self.view, facts));
        (left < self.view.units(row.asset, bounds.sweep_from)?.max(1)).then(|| self.release(withdrawal, fence))
    }
}

fn sweep_account(
    view: &View,
    facts: &Facts,
    gas: (u64, u64),
    key: u32,
    asset: AssetId,
    own: ChainAddress,
) -> Option<MoveFunds> {
    let account = facts.accounts.get(&key)?;
    if account.height < view.last_moved(key) {
        // It was asked for before the last move was on the chain.
        return None;
    }
    if view.is_moving(WithdrawalPurpose::Sweep, None, key) || view.is_moving(WithdrawalPurpose::Gas, None, key) {
        return None;
    }
    let (_, bounds) = view.bounds().find(|(of, _)| *of == asset)?;
    let contract = view.contract(asset)?;
    let gas_limit = if contract.is_empty() { gas.0 } else { gas.1 };
    let fee = facts.fee_rate?.checked_mul(gas_limit.into())?;
    let cap = view.network_fee_cap(asset).filter(|cap| fee <= *cap)?;
    let reserve = fee.saturating_mul(GAS_RESERVE).min(cap);
    // What may still be taken back is left where it is.
    let funds = account.settled.get(&contract).copied().unwrap_or(0).min(has(account, contract));
    if funds < view.units(asset, bounds.sweep_from)? {
        return None;
    }
    if contract.is_empty() {
        return wanted(view, asset, WithdrawalPurpose::Sweep, key, own, funds.checked_sub(reserve)?);
    }
    let coins = has(account, ChainAddress::EMPTY);
    if coins >= fee {
        return wanted(view, asset, WithdrawalPurpose::Sweep, key, own, funds);
    }
    let coin = view.coin()?;
    let unit = view.units(coin, wire::Amount::new(1)?)?.max(1);
    let lacks = (reserve - coins).checked_next_multiple_of(unit)?;
    wanted(view, coin, WithdrawalPurpose::Gas, key, view.address(key)?, lacks.min(view.network_fee_cap(coin)?))
}

fn to_cold(view: &View, scheme: &Scheme, facts: &Facts, asset: AssetId, bounds: HotWalletBounds) -> Option<MoveFunds> {
    let high = view.units(asset, bounds.high).filter(|high| *high > 0)?;
    let balance = balance(view, scheme, facts, asset)?;
    let is_due = balance >= high && !view.is_moving(WithdrawalPurpose::Cold, Some(asset), 0);
    let target = view.units(asset, bounds.target)?;
    // The chain's own coin pays for the way of the rest.
    let is_coin = view.contract(asset)?.is_empty();
    let kept = if is_coin { target.max(view.network_fee_cap(asset)?) } else { target };
    let excess = balance.checked_sub(kept)?;
    is_due.then(|| wanted(view, asset, WithdrawalPurpose::Cold, 0, bounds.cold, excess)).flatten()
}

fn wanted(
    view: &View,
    asset: AssetId,
    purpose: WithdrawalPurpose,
    key: u32,
    address: ChainAddress,
    units: u128,
) -> Option<MoveFunds> {
    let amount = view.amount(asset, units).filter(|amount| !amount.is_zero())?;
    let (chain, parent) = (ChainId::default(), WithdrawalId::default());
    Some(MoveFunds { chain, fence: 0, turn: 0, asset, purpose, key, parent, address, amount })
}

fn own_address_text(scheme: &Scheme) -> Option<ChainAddress> {
    let text = match scheme {
        Scheme::Bitcoin(scheme) => {
            use bitcoin::bech32::{Hrp, segwit};
            let script = own_script(scheme, 0)?;
            segwit::encode_v0(Hrp::parse(&scheme.prefix).ok()?, &script.as_bytes()[2..]).ok()?
        }
        Scheme::Evm(scheme) => own_address(scheme)?.to_checksum(None),
    };
    ChainAddress::new(text.as_bytes()).ok()
}
