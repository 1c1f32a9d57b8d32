//! What a transaction spends and pays: coins that no other withdrawal spends, or the next nonce, under the cap.

use wire::command::AllocateWithdrawal;
use wire::event::WithdrawalAllocated;
use wire::{ChainInput, ChainInputs, WithdrawalStage};

use super::facts::{Facts, Spend};
use super::fees::bumped;
use super::view::{Known, View};
use crate::signer::bitcoin::{BitcoinScheme, virtual_bytes};

/// One output to the address, one back to the wallet.
const OUTPUTS: usize = 2;

/// Coins for a first transaction, the largest first. `None` when they do not suffice, or the fee is above the cap.
pub(super) fn coins(view: &View, known: &Known, scheme: &BitcoinScheme, facts: &Facts) -> Option<AllocateWithdrawal> {
    let rate = facts.fee_rate?;
    fund(view, known, scheme, facts, Vec::new(), |inputs| fee_of(inputs, rate))
        .map(|(inputs, network_fee)| AllocateWithdrawal { inputs, network_fee, ..blank(known) })
}

/// The coins of the last transaction, and more if they do not suffice, for more.
pub(super) fn more_coins(
    view: &View,
    known: &Known,
    scheme: &BitcoinScheme,
    facts: &Facts,
) -> Option<AllocateWithdrawal> {
    let rate = facts.fee_rate?;
    let least = bumped(known.paid()?);
    let before = known.allocated?.inputs.as_slice().to_vec();
    let fee = |inputs: usize| fee_of(inputs, rate).max(least).max(fee_of(inputs, RELAY) + known.paid().unwrap_or(0));
    fund(view, known, scheme, facts, before, fee).map(|(inputs, network_fee)| AllocateWithdrawal {
        inputs,
        network_fee,
        ..blank(known)
    })
}

/// What nodes want for relaying a replacement, per 1,000 virtual bytes.
const RELAY: u128 = 1_000;

fn fee_of(inputs: usize, rate: u128) -> u128 {
    (u128::from(virtual_bytes(inputs, OUTPUTS)).saturating_mul(rate)).div_ceil(1_000).max(1)
}

fn fund(
    view: &View,
    known: &Known,
    scheme: &BitcoinScheme,
    facts: &Facts,
    mut chosen: Vec<ChainInput>,
    fee: impl Fn(usize) -> u128,
) -> Option<(ChainInputs, u128)> {
    let (_, amount) = view.chain_amount(&known.row)?;
    let cap = view.network_fee_max(&known.row)?;
    let mut spare: Vec<ChainInput> = facts.coins.clone();
    spare.retain(|coin| view.is_settled(coin.tx));
    spare.retain(|coin| view.is_free(Spend::Output(coin.tx, coin.output), known.row.withdrawal));
    spare.retain(|coin| !chosen.iter().any(|input| (input.tx, input.output) == (coin.tx, coin.output)));
    // The order decides which coins are spent, so it is the same everywhere.
    spare.sort_by_key(|coin| (std::cmp::Reverse(coin.amount), coin.tx, coin.output));
    let mut spare = spare.into_iter();
    loop {
        let funds: u128 = chosen.iter().map(|input| u128::from(input.amount)).sum();
        let wanted = fee(chosen.len());
        if wanted > cap {
            return None;
        }
        if let Some(change) = funds.checked_sub(amount.checked_add(wanted)?).filter(|_| !chosen.is_empty()) {
            // Too little for an output is part of the fee, if the cap allows that.
            let fee = if change < u128::from(scheme.dust) { wanted + change } else { wanted };
            if fee <= cap {
                return Some((ChainInputs::new(&chosen)?, fee));
            }
        }
        if chosen.len() >= ChainInputs::MAX {
            return None;
        }
        chosen.push(spare.next()?);
    }
}

/// The lowest nonce that nobody has. One withdrawal at a time waits for its signature, so that a refusal leaves no gap below
/// a nonce that was given away.
pub(super) fn nonce(view: &View, known: &Known, facts: &Facts, gas: (u64, u64)) -> Option<AllocateWithdrawal> {
    if view.all().any(|other| other.row.stage == WithdrawalStage::Allocated) {
        return None;
    }
    let (contract, _) = view.chain_amount(&known.row)?;
    let gas_limit = if contract.is_empty() { gas.0 } else { gas.1 };
    let network_fee = facts.fee_rate?.checked_mul(gas_limit.into())?;
    let nonce = (facts.next_nonce..).find(|nonce| view.is_free(Spend::Nonce(*nonce), known.row.withdrawal))?;
    let tip_per_gas = facts.tip.min(facts.fee_rate?);
    (network_fee <= view.network_fee_max(&known.row)?).then(|| AllocateWithdrawal {
        nonce,
        network_fee,
        gas_limit,
        tip_per_gas,
        ..blank(known)
    })
}

/// The same nonce, for more per unit of gas and more of it to whoever mines: nodes ask for both.
pub(super) fn more_gas(view: &View, known: &Known, facts: &Facts) -> Option<AllocateWithdrawal> {
    let WithdrawalAllocated { nonce, gas_limit, tip_per_gas, .. } = known.allocated?;
    let before = known.paid()? / u128::from(gas_limit);
    let fee_per_gas = bumped(before).max(facts.fee_rate?);
    let network_fee = fee_per_gas.checked_mul(gas_limit.into())?;
    let tip_per_gas = bumped(tip_per_gas).max(facts.tip).min(fee_per_gas);
    (network_fee <= view.network_fee_max(&known.row)?).then(|| AllocateWithdrawal {
        nonce,
        network_fee,
        gas_limit,
        tip_per_gas,
        ..blank(known)
    })
}

fn blank(known: &Known) -> AllocateWithdrawal {
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
