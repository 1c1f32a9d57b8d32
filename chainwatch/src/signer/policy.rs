//! What the signer lets through, whatever the ledger says: its own file, its own word.

use std::collections::BTreeSet;

use wire::{ChainAddress, Symbol, WithdrawalPurpose};

use super::bitcoin::{own_script, script_of};
use super::evm;
use super::payment::{Payment, Scheme};

/// One asset of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetPolicy {
    /// A token's contract; empty for the chain's own coin.
    pub contract: ChainAddress,
    /// The most of one withdrawal, in the chain's units.
    pub amount_max: u128,
    /// The most of all withdrawals within 24 hours of the signer's clock, in the chain's units.
    pub day_max: u128,
}

/// One chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainPolicy {
    /// The ledger's name of it.
    pub chain: Symbol,
    /// How its transactions are made.
    pub scheme: Scheme,
    /// The account whose keys spend, `m/84'/2'/0'`.
    pub account: String,
    /// The most that one transaction pays to the chain, in units of the chain's coin.
    pub network_fee_max: u128,
    /// The most that all transactions within 24 hours of the signer's clock pay to the chain, in units of the chain's coin.
    pub network_fee_day_max: u128,
    /// Where the hot wallet's excess may go: addresses of the exchange whose keys are elsewhere.
    pub cold: BTreeSet<ChainAddress>,
    /// The only addresses that are paid to; everyone when there are none.
    pub allow_list: BTreeSet<ChainAddress>,
    /// What may go out.
    pub assets: Vec<AssetPolicy>,
}

impl ChainPolicy {
    /// Why a payment is never signed. A fee that is too high is the replacement's fault, not the withdrawal's.
    pub fn refuse(&self, payment: &Payment) -> Option<&'static str> {
        if payment.network_fee > self.network_fee_max {
            return Some("the network fee is above its cap");
        }
        if payment.purpose.is_internal() {
            return self.refuse_move(payment);
        }
        let Some(asset) = self.assets.iter().find(|asset| asset.contract == payment.contract) else {
            return Some("nothing of this asset goes out");
        };
        if payment.amount > asset.day_max {
            return Some("the amount is more than may ever go out within a day");
        }
        if payment.purpose != WithdrawalPurpose::Batch {
            return self.refuse_output(asset, &payment.address, payment.amount);
        }
        if matches!(self.scheme, Scheme::Evm(_)) {
            return Some("a transaction of this chain pays one withdrawal");
        }
        payment.outputs.iter().find_map(|output| self.refuse_output(asset, &output.address, output.amount))
    }

    /// Why so much is never sent there.
    fn refuse_output(&self, asset: &AssetPolicy, address: &ChainAddress, amount: u128) -> Option<&'static str> {
        if amount == 0 || amount > asset.amount_max {
            return Some("the amount is more than one withdrawal may be");
        }
        // The ledger refuses it first. Signed, it would leave the books and stay ours.
        if self.is_own(0, address) || self.is_among(&self.cold, address) {
            return Some("the address is the exchange's own");
        }
        let is_allowed = self.allow_list.is_empty() || self.is_among(&self.allow_list, address);
        (!is_allowed).then_some("the address is not on the list")
    }

    /// Why a move between our own addresses is never signed. What stays ours counts for no limit of an asset.
    fn refuse_move(&self, payment: &Payment) -> Option<&'static str> {
        // A call to any other contract may do anything, and costs a fee in any case.
        let is_listed = self.assets.iter().any(|asset| asset.contract == payment.contract);
        if !is_listed && payment.purpose != WithdrawalPurpose::Gas {
            return Some("nothing of this asset moves");
        }
        match payment.purpose {
            WithdrawalPurpose::Payment | WithdrawalPurpose::Batch => Some("this is no move"),
            WithdrawalPurpose::Sweep if self.is_own(0, &payment.address) => None,
            WithdrawalPurpose::Sweep => Some("a sweep goes to the wallet's own address alone"),
            WithdrawalPurpose::Child if self.is_own(0, &payment.address) => None,
            WithdrawalPurpose::Child => Some("a child goes to the wallet's own address alone"),
            WithdrawalPurpose::Cold if self.is_among(&self.cold, &payment.address) => None,
            WithdrawalPurpose::Cold => Some("the address is none of the cold ones"),
            WithdrawalPurpose::Gas if payment.key == 0 || !self.is_own(payment.key, &payment.address) => {
                Some("gas goes to deposit addresses alone")
            }
            WithdrawalPurpose::Gas if !payment.contract.is_empty() || payment.amount > self.network_fee_max => {
                Some("this is more than gas costs")
            }
            WithdrawalPurpose::Gas => None,
        }
    }

    /// Whether an address is that of a key of ours.
    fn is_own(&self, key: u32, address: &ChainAddress) -> bool {
        match &self.scheme {
            Scheme::Evm(scheme) => {
                evm::recipient(address.as_str()).is_some_and(|it| evm::address_at(scheme, key) == Some(it))
            }
            Scheme::Bitcoin(scheme) => {
                let script = script_of(scheme, address.as_str());
                script.is_some() && script == own_script(scheme, key)
            }
        }
    }

    /// Whether a list has this address, however either is spelled. Of an EVM address' checksum nothing is said here.
    fn is_among(&self, list: &BTreeSet<ChainAddress>, address: &ChainAddress) -> bool {
        let mut listed = list.iter();
        match &self.scheme {
            Scheme::Evm(_) => listed.any(|it| it.as_str().eq_ignore_ascii_case(address.as_str())),
            Scheme::Bitcoin(scheme) => {
                let wanted = script_of(scheme, address.as_str());
                wanted.is_some() && listed.any(|it| script_of(scheme, it.as_str()) == wanted)
            }
        }
    }

    /// The most of an asset within a day.
    pub fn day_max(&self, payment: &Payment) -> u128 {
        self.assets.iter().find(|asset| asset.contract == payment.contract).map_or(0, |asset| asset.day_max)
    }
}
