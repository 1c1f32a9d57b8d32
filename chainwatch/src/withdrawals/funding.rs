//! What a transaction spends and pays: coins that no other withdrawal spends, or the next nonce, under the cap.

use std::collections::BTreeMap;

use wire::command::AllocateWithdrawal;
use wire::event::{WithdrawalAllocated, WithdrawalChanged};
use wire::{ChainAddress, ChainInput, ChainInputs, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use super::facts::{Account, Facts, Spend};
use super::fees::bumped;
use super::view::{Known, View};
use crate::signer::bitcoin::{BitcoinScheme, virtual_bytes};

/// One output to the address, one back to the wallet. Of a batch one for each of its members.
const OUTPUTS: usize = 2;

/// Why a withdrawal gets no inputs and no nonce now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfunded {
    /// The chain asks for more than the rules allow to pay.
    FeeAboveCap,
    /// The hot wallet does not have enough that is free.
    HotWalletTooLow,
    /// The hot wallet would have less than its lower bound.
    HotWalletAtBound,
    /// The chain has less of the asset than it should, or no operator has looked since.
    ReservesShort,
    /// Too few nodes say what is to be paid, or what the wallet has.
    NobodySays,
    /// Another one has to be signed first, or the ledger has not said yet what is to be sent.
    InTurn,
    /// It waits for others to go with.
    Gathers,
    /// The signer would not sign it yet: it would be more than may go out within a day.
    SignerWaits,
    /// The signer or the ledger did not take its last replacement or child, and another is made later.
    NotReplaced,
    /// Nodes take no replacement of it, and nothing or too little comes back of it that a child could pay with.
    NoChange,
}

impl Unfunded {
    /// Every reason.
    pub const ALL: [Unfunded; 10] = [
        Unfunded::FeeAboveCap,
        Unfunded::HotWalletTooLow,
        Unfunded::HotWalletAtBound,
        Unfunded::ReservesShort,
        Unfunded::NobodySays,
        Unfunded::InTurn,
        Unfunded::Gathers,
        Unfunded::SignerWaits,
        Unfunded::NotReplaced,
        Unfunded::NoChange,
    ];

    /// Whether it goes on by itself, and soon.
    pub fn passes(self) -> bool {
        matches!(self, Unfunded::InTurn | Unfunded::Gathers)
    }

    /// For logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Unfunded::FeeAboveCap => "fee_above_cap",
            Unfunded::HotWalletTooLow => "hot_wallet_too_low",
            Unfunded::HotWalletAtBound => "hot_wallet_at_bound",
            Unfunded::ReservesShort => "reserves_short",
            Unfunded::NobodySays => "nobody_says",
            Unfunded::InTurn => "in_turn",
            Unfunded::Gathers => "gathers",
            Unfunded::SignerWaits => "signer_waits",
            Unfunded::NotReplaced => "not_replaced",
            Unfunded::NoChange => "no_change",
        }
    }
}

pub(super) type Funded<T> = Result<T, Unfunded>;

/// Coins for a first transaction, the largest first.
pub(super) fn coins(view: &View, known: &Known, scheme: &BitcoinScheme, facts: &Facts) -> Funded<AllocateWithdrawal> {
    let rate = facts.fee_rate.ok_or(Unfunded::NobodySays)?;
    let outputs = outputs(view, known)?;
    let mut first = Vec::new();
    if known.row.purpose == WithdrawalPurpose::Sweep {
        first = deposits(view, facts);
        first.truncate(ChainInputs::MAX);
    }
    fund(view, &known.row, scheme, facts, first, |inputs| fee_of(inputs, outputs, rate))
        .map(|(inputs, network_fee)| AllocateWithdrawal { inputs, network_fee, ..blank(known) })
}

/// The coins of the last transaction, and more if they do not suffice, for more.
pub(super) fn more_coins(
    view: &View,
    known: &Known,
    scheme: &BitcoinScheme,
    facts: &Facts,
) -> Funded<AllocateWithdrawal> {
    let rate = facts.fee_rate.ok_or(Unfunded::NobodySays)?;
    let least = bumped(known.paid().ok_or(Unfunded::InTurn)?);
    let before = known.allocated.ok_or(Unfunded::InTurn)?.inputs.as_slice().to_vec();
    let outputs = outputs(view, known)?;
    let relay = |inputs: usize| fee_of(inputs, outputs, RELAY) + known.paid().unwrap_or(0);
    let fee = |inputs: usize| fee_of(inputs, outputs, rate).max(least).max(relay(inputs));
    fund(view, &known.row, scheme, facts, before, fee).map(|(inputs, network_fee)| AllocateWithdrawal {
        inputs,
        network_fee,
        ..blank(known)
    })
}

/// What nodes want for relaying a replacement, per 1,000 virtual bytes.
pub(super) const RELAY: u128 = 1_000;

/// Whether there are coins for a batch that would be of so many, and what it would pay to the chain.
pub(super) fn batch_fee(
    view: &View,
    batch: &WithdrawalChanged,
    members: usize,
    scheme: &BitcoinScheme,
    facts: &Facts,
) -> Funded<u128> {
    let rate = facts.fee_rate.ok_or(Unfunded::NobodySays)?;
    fund(view, batch, scheme, facts, Vec::new(), |inputs| fee_of(inputs, members + 1, rate)).map(|(_, fee)| fee)
}

fn outputs(view: &View, known: &Known) -> Funded<usize> {
    let given = view.given(&known.row).ok_or(Unfunded::InTurn)?;
    Ok((given + 1).max(OUTPUTS))
}

fn fee_of(inputs: usize, outputs: usize, rate: u128) -> u128 {
    (u128::from(virtual_bytes(inputs, outputs)).saturating_mul(rate)).div_ceil(1_000).max(1)
}

/// Outputs at deposit addresses that may be swept, the largest first.
pub(super) fn deposits(view: &View, facts: &Facts) -> Vec<ChainInput> {
    let mut coins = spare(view, facts, None);
    coins.retain(|coin| coin.key != 0);
    coins
}

/// Outputs that may be spent, the largest first: of none that another withdrawal than `by` spends.
pub(super) fn spare(view: &View, facts: &Facts, by: Option<WithdrawalId>) -> Vec<ChainInput> {
    let mut spare: Vec<ChainInput> = facts.coins.clone();
    spare.retain(|coin| view.is_settled(coin.tx));
    spare.retain(|coin| view.is_free(Spend::Output(coin.tx, coin.output), by));
    // The order decides which coins are spent, so it is the same everywhere.
    spare.sort_by_key(|coin| (std::cmp::Reverse(coin.amount), coin.tx, coin.output));
    spare
}

fn fund(
    view: &View,
    row: &WithdrawalChanged,
    scheme: &BitcoinScheme,
    facts: &Facts,
    mut chosen: Vec<ChainInput>,
    fee: impl Fn(usize) -> u128,
) -> Funded<(ChainInputs, u128)> {
    let (_, amount) = view.chain_amount(row).ok_or(Unfunded::InTurn)?;
    let cap = view.network_fee_max(row).ok_or(Unfunded::InTurn)?;
    let mut spare = spare(view, facts, Some(row.withdrawal));
    spare.retain(|coin| !chosen.iter().any(|input| (input.tx, input.output) == (coin.tx, coin.output)));
    let is_sweep = row.purpose == WithdrawalPurpose::Sweep;
    let mut spare = spare.into_iter();
    loop {
        let funds: u128 = chosen.iter().map(|input| u128::from(input.amount)).sum();
        let wanted = fee(chosen.len());
        if wanted > cap {
            return Err(Unfunded::FeeAboveCap);
        }
        if let Some(change) = funds.checked_sub(amount.saturating_add(wanted)).filter(|_| !chosen.is_empty()) {
            // Too little for an output is part of the fee, if the cap allows that.
            let is_dust = change < u128::from(scheme.dust);
            let fee = if is_dust { wanted + change } else { wanted };
            // What is swept is change: there has to be some.
            if fee <= cap && !(is_sweep && is_dust) {
                let inputs = ChainInputs::new(&chosen).ok_or(Unfunded::HotWalletTooLow)?;
                return Ok((inputs, fee));
            }
        }
        if is_sweep || chosen.len() >= ChainInputs::MAX {
            return Err(Unfunded::HotWalletTooLow);
        }
        chosen.push(spare.next().ok_or(Unfunded::HotWalletTooLow)?);
    }
}

/// The lowest nonce that nobody has. One withdrawal at a time waits for its signature, so that a refusal leaves no gap below
/// a nonce that was given away; and none gets a nonce that the wallet cannot pay for, or all behind it would wait.
pub(super) fn nonce(view: &View, known: &Known, facts: &Facts, gas: (u64, u64)) -> Funded<AllocateWithdrawal> {
    let sender = known.row.sender();
    if view.all().any(|other| other.row.stage == WithdrawalStage::Allocated && other.row.sender() == sender) {
        return Err(Unfunded::InTurn);
    }
    let (contract, amount) = view.chain_amount(&known.row).ok_or(Unfunded::InTurn)?;
    let gas_limit = if contract.is_empty() { gas.0 } else { gas.1 };
    let fee_rate = facts.fee_rate.ok_or(Unfunded::NobodySays)?;
    let network_fee = fee_rate.checked_mul(gas_limit.into()).ok_or(Unfunded::FeeAboveCap)?;
    check_cap(view, known, network_fee)?;
    let account = facts.accounts.get(&sender).ok_or(Unfunded::NobodySays)?;
    let mut needed = outgoing(view, sender, account).ok_or(Unfunded::InTurn)?;
    add(&mut needed, ChainAddress::EMPTY, network_fee);
    add(&mut needed, contract, amount);
    if [ChainAddress::EMPTY, contract].iter().any(|of| account.funds.get(of).copied().unwrap_or(0) < needed[of]) {
        return Err(Unfunded::HotWalletTooLow);
    }
    let is_free = |nonce: &u64| view.is_free(Spend::Nonce(sender, *nonce), Some(known.row.withdrawal));
    let nonce = (account.next_nonce..).find(is_free).ok_or(Unfunded::InTurn)?;
    let tip_per_gas = facts.tip.min(fee_rate);
    Ok(AllocateWithdrawal { nonce, network_fee, gas_limit, tip_per_gas, ..blank(known) })
}

/// What transactions take from an account that have a nonce and are not on the chain yet, by contract.
pub(super) fn outgoing(view: &View, sender: u32, account: &Account) -> Option<BTreeMap<ChainAddress, u128>> {
    let is_new = |other: &&Known| {
        let nonce = other.allocated.map(|allocated| allocated.nonce);
        // One may be booked since the account was asked for.
        let is_out = !other.row.stage.is_final() || other.row.height > account.height;
        is_out && other.row.sender() == sender && nonce.is_some_and(|nonce| nonce >= account.next_nonce)
    };
    let mut all = BTreeMap::new();
    for other in view.all().filter(is_new) {
        let (contract, amount) = view.chain_amount(&other.row)?;
        add(&mut all, contract, amount);
        add(&mut all, ChainAddress::EMPTY, other.allocated.map_or(0, |allocated| allocated.network_fee));
    }
    Some(all)
}

fn add(to: &mut BTreeMap<ChainAddress, u128>, contract: ChainAddress, amount: u128) {
    let sum = to.entry(contract).or_default();
    *sum = sum.saturating_add(amount);
}

/// The same nonce, for more per unit of gas and more of it to whoever mines: nodes ask for both.
pub(super) fn more_gas(view: &View, known: &Known, facts: &Facts) -> Funded<AllocateWithdrawal> {
    let WithdrawalAllocated { nonce, gas_limit, tip_per_gas, .. } = known.allocated.ok_or(Unfunded::InTurn)?;
    let before = known.paid().ok_or(Unfunded::InTurn)? / u128::from(gas_limit);
    let fee_per_gas = bumped(before).max(facts.fee_rate.ok_or(Unfunded::NobodySays)?);
    let network_fee = fee_per_gas.checked_mul(gas_limit.into()).ok_or(Unfunded::FeeAboveCap)?;
    check_cap(view, known, network_fee)?;
    let tip_per_gas = bumped(tip_per_gas).max(facts.tip).min(fee_per_gas);
    Ok(AllocateWithdrawal { nonce, network_fee, gas_limit, tip_per_gas, ..blank(known) })
}

fn check_cap(view: &View, known: &Known, network_fee: u128) -> Funded<()> {
    let cap = view.network_fee_max(&known.row).ok_or(Unfunded::InTurn)?;
    if network_fee <= cap { Ok(()) } else { Err(Unfunded::FeeAboveCap) }
}

pub(super) fn blank(known: &Known) -> AllocateWithdrawal {
    AllocateWithdrawal {
        chain: known.row.chain,
        fence: 0,
        withdrawal: known.row.withdrawal,
        attempt: known.row.attempts + 1,
        inputs: ChainInputs::EMPTY,
        nonce: 0,
        network_fee: 0,
        gas_limit: 0,
        tip_per_gas: 0,
    }
}
