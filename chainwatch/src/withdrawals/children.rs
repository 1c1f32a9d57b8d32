//! Children: what a stuck transaction's change pays for, where nodes take no replacement of it. Whoever mines the child gets both
//! fees, and has to mine the parent first.

use bitcoin::Transaction;
use bitcoin::consensus::deserialize;
use wire::command::AllocateWithdrawal;
use wire::{ChainHash, ChainInput, ChainInputs, WithdrawalPurpose, WithdrawalStage};

use super::facts::Facts;
use super::fees::bumped;
use super::funding::{Funded, RELAY, Unfunded, blank};
use super::view::{Known, View};
use crate::signer::Signed;
use crate::signer::bitcoin::{BitcoinScheme, change_at, virtual_bytes};

/// What a child spends and pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Help {
    pub(super) input: ChainInput,
    pub(super) network_fee: u128,
}

/// Which of a withdrawal's transactions nodes have among what they would mine: the last of those.
pub(super) fn pooled(known: &Known, facts: &Facts) -> Option<ChainHash> {
    known.signed.iter().rev().map(|(_, signed)| signed.tx).find(|tx| facts.pooled.contains(tx))
}

/// A child of one of a withdrawal's transactions that brings both to what is to be paid. `None` while that pays enough itself.
pub(super) fn help(
    view: &View,
    parent: &Known,
    tx: ChainHash,
    scheme: &BitcoinScheme,
    facts: &Facts,
) -> Funded<Option<Help>> {
    let rate = facts.fee_rate.ok_or(Unfunded::NobodySays)?;
    let above = Above::of(view, parent, tx, facts).ok_or(Unfunded::InTurn)?;
    if above.paid >= fee_of(above.virtual_bytes, rate) {
        return Ok(None);
    }
    let input = change(view, parent, tx, scheme).ok_or(Unfunded::NoChange)?;
    let network_fee = above.missing(rate);
    check(view, parent, &input, parent.paid_with_helped(tx), network_fee, scheme)?;
    Ok(Some(Help { input, network_fee }))
}

/// What a child's first transaction spends and pays.
pub(super) fn first(view: &View, child: &Known, scheme: &BitcoinScheme, facts: &Facts) -> Funded<AllocateWithdrawal> {
    let parent = view.get(child.row.parent).filter(|parent| parent.row.stage == WithdrawalStage::Stuck);
    let parent = parent.ok_or(Unfunded::InTurn)?;
    let tx = pooled(parent, facts).ok_or(Unfunded::InTurn)?;
    let Help { input, network_fee } = help(view, parent, tx, scheme, facts)?.ok_or(Unfunded::InTurn)?;
    let inputs = ChainInputs::new(&[input]).ok_or(Unfunded::InTurn)?;
    Ok(AllocateWithdrawal { inputs, network_fee, ..blank(child) })
}

/// The same for more.
pub(super) fn more(view: &View, child: &Known, scheme: &BitcoinScheme, facts: &Facts) -> Funded<AllocateWithdrawal> {
    let rate = facts.fee_rate.ok_or(Unfunded::NobodySays)?;
    let inputs = child.allocated.ok_or(Unfunded::InTurn)?.inputs;
    let input = *inputs.as_slice().first().ok_or(Unfunded::InTurn)?;
    let paid = child.paid().ok_or(Unfunded::InTurn)?;
    let above = match view.get(child.row.parent) {
        Some(parent) => Above::of(view, parent, input.tx, facts).ok_or(Unfunded::InTurn)?,
        None => Above::default(),
    };
    let network_fee = above.missing(rate).max(bumped(paid)).max(paid + fee_of(OWN_BYTES, RELAY));
    check(view, child, &input, child.helped_fee, network_fee, scheme)?;
    Ok(AllocateWithdrawal { inputs, network_fee, ..blank(child) })
}

/// Of a child: it spends one output, and has one.
const OWN_BYTES: u64 = virtual_bytes(1, 1);

fn fee_of(bytes: u64, rate: u128) -> u128 {
    u128::from(bytes).saturating_mul(rate).div_ceil(1_000).max(1)
}

/// Whether a child may pay that: together with what it helps no more than one transaction may, and not all that it spends.
fn check(
    view: &View,
    of: &Known,
    input: &ChainInput,
    helped_fee: u128,
    network_fee: u128,
    scheme: &BitcoinScheme,
) -> Funded<()> {
    let cap = view.network_fee_max(&of.row).ok_or(Unfunded::InTurn)?;
    if network_fee.saturating_add(helped_fee) > cap {
        return Err(Unfunded::FeeAboveCap);
    }
    let is_left = u128::from(input.amount).checked_sub(network_fee).is_some_and(|left| left >= scheme.dust.into());
    if is_left { Ok(()) } else { Err(Unfunded::NoChange) }
}

/// What comes back of a withdrawal's transaction, as something to be spent.
fn change(view: &View, known: &Known, tx: ChainHash, scheme: &BitcoinScheme) -> Option<ChainInput> {
    let (_, signed) = known.signed.iter().find(|(_, signed)| signed.tx == tx)?;
    let (output, amount) = change_at(scheme, view.given(&known.row)?, signed)?;
    Some(ChainInput { tx, output, amount, key: 0 })
}

/// A transaction and what it spends that is on no block either: what whoever mines a child of it has to mine.
#[derive(Debug, Clone, Copy, Default)]
struct Above {
    virtual_bytes: u64,
    paid: u128,
}

impl Above {
    fn of(view: &View, known: &Known, tx: ChainHash, facts: &Facts) -> Option<Above> {
        if facts.included.contains_key(&tx) || known.row.stage == WithdrawalStage::Settled {
            return Some(Above::default());
        }
        let (allocated, signed) = known.signed.iter().find(|(_, signed)| signed.tx == tx)?;
        let own = Above { virtual_bytes: virtual_bytes_of(signed)?, paid: allocated.network_fee };
        let parent = view.get(known.row.parent).filter(|_| known.row.purpose == WithdrawalPurpose::Child);
        let Some(parent) = parent else { return Some(own) };
        let above = Above::of(view, parent, allocated.inputs.as_slice().first()?.tx, facts)?;
        Some(Above {
            virtual_bytes: own.virtual_bytes + above.virtual_bytes,
            paid: own.paid.saturating_add(above.paid),
        })
    }

    /// What a child pays so that all of it pays so much, and itself at least as much.
    fn missing(&self, rate: u128) -> u128 {
        let own = fee_of(OWN_BYTES, rate.max(RELAY));
        fee_of(self.virtual_bytes + OWN_BYTES, rate).saturating_sub(self.paid).max(own)
    }
}

fn virtual_bytes_of(signed: &Signed) -> Option<u64> {
    let tx: Transaction = deserialize(signed.bytes.as_bytes()).ok()?;
    u64::try_from(tx.vsize()).ok()
}
