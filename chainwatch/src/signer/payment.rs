//! What a signer is asked: one transaction of one withdrawal, completely determined.

use wire::codec::{CodecError, Reader, Writer};
use wire::event::{WithdrawalAllocated, WithdrawalChanged};
use wire::{BatchMembers, ChainAddress, ChainInputs, Symbol, WithdrawalId, WithdrawalPurpose};

use super::{Signed, bitcoin, evm};

/// Which rules the transactions of a chain follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Outputs and inputs, P2WPKH.
    Bitcoin(bitcoin::BitcoinScheme),
    /// Accounts and nonces, EIP-1559.
    Evm(evm::EvmScheme),
}

/// What one member of a batch gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Of which withdrawal.
    pub withdrawal: WithdrawalId,
    /// To whom.
    pub address: ChainAddress,
    /// How much arrives, in the chain's units.
    pub amount: u128,
}

/// One transaction of one withdrawal or batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// On which chain.
    pub chain: Symbol,
    /// Of which withdrawal.
    pub withdrawal: WithdrawalId,
    /// A token's contract; empty for the chain's own coin.
    pub contract: ChainAddress,
    /// To whom; empty of a batch.
    pub address: ChainAddress,
    /// How much arrives, in the chain's units; of a batch, at all its outputs.
    pub amount: u128,
    /// Of a batch, in the order of their withdrawals: at most [`BatchMembers::MAX`]. Else none.
    pub outputs: Vec<Output>,
    /// What it spends.
    pub inputs: ChainInputs,
    /// The sender's nonce.
    pub nonce: u64,
    /// What it pays to the chain: exactly, where there are inputs; at most, where there is gas.
    pub network_fee: u128,
    /// The most gas that it uses.
    pub gas_limit: u64,
    /// The most that it pays for gas to whoever mines it, per unit.
    pub tip_per_gas: u128,
    /// Whether it leaves, or moves between addresses of the exchange.
    pub purpose: WithdrawalPurpose,
    /// Of a sweep, whose account sends; of gas, whose gets it: the index of a deposit address, or 0.
    pub key: u32,
}

/// Why no transaction can be made of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Not an address of this chain, or of a kind that is not paid to.
    #[error("the address is none of this chain")]
    Address,
    /// The contract is none.
    #[error("the contract is none of this chain")]
    Contract,
    /// More than the chain can count, or than the inputs hold.
    #[error("the inputs do not cover amount and fee")]
    Amount,
    /// What is left is too little for an output: it has to be part of the fee.
    #[error("the change is dust")]
    Dust,
    /// The fee is no whole number per unit of gas.
    #[error("the fee is no whole number per unit of gas")]
    Fee,
    /// Several are paid, and not by a batch of one for each; or by one to whom there is nothing to pay.
    #[error("its outputs are not those of a batch")]
    Outputs,
    /// It spends nothing of the kind that this chain spends.
    #[error("it spends neither inputs nor a nonce, or both")]
    Spends,
}

impl Payment {
    /// What the ledger has decided, as a question. The amount is in the chain's units, and so are those of a batch's outputs.
    pub fn of(
        chain: Symbol,
        contract: ChainAddress,
        amount: u128,
        outputs: Vec<Output>,
        row: &WithdrawalChanged,
        allocated: &WithdrawalAllocated,
    ) -> Payment {
        let WithdrawalAllocated { withdrawal, inputs, nonce, network_fee, gas_limit, tip_per_gas, .. } = *allocated;
        let WithdrawalChanged { address, purpose, key, .. } = *row;
        Payment {
            chain,
            withdrawal,
            contract,
            address,
            amount,
            outputs,
            inputs,
            nonce,
            network_fee,
            gas_limit,
            tip_per_gas,
            purpose,
            key,
        }
    }

    /// How many outputs it gives, before what comes back.
    pub fn given(&self) -> usize {
        if self.purpose == WithdrawalPurpose::Batch {
            self.outputs.len()
        } else {
            usize::from(!self.purpose.comes_back())
        }
    }

    /// Whose nonce orders it: the index of a deposit address, or 0 for the wallet's own.
    pub fn sender(&self) -> u32 {
        if self.purpose == WithdrawalPurpose::Sweep { self.key } else { 0 }
    }

    /// Whether this is the same payment by a transaction that can only be mined in place of `before`, and pays more.
    pub fn replaces(&self, before: &Payment) -> bool {
        let (old, new) = (before.inputs.as_slice(), self.inputs.as_slice());
        let is_same_spend = if old.is_empty() { new.is_empty() } else { new.starts_with(old) };
        is_same_spend
            && self.nonce == before.nonce
            && self.is_same_payment(before)
            && self.network_fee > before.network_fee
    }

    /// Whether it gives the same to the same.
    pub fn is_same_payment(&self, other: &Payment) -> bool {
        (self.chain, self.withdrawal, self.contract, self.address, self.amount, self.purpose, self.key)
            == (other.chain, other.withdrawal, other.contract, other.address, other.amount, other.purpose, other.key)
            && self.outputs == other.outputs
    }

    /// Whether a signed transaction is this payment and nothing else.
    pub fn check(&self, scheme: &Scheme, signed: &Signed) -> bool {
        match scheme {
            Scheme::Bitcoin(scheme) => bitcoin::check(scheme, self, signed),
            Scheme::Evm(scheme) => evm::check(scheme, self, signed),
        }
    }

    /// As it lies in the journal and on the wire.
    pub fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.chain);
        to.put(&self.withdrawal);
        to.put(&self.contract);
        to.put(&self.address);
        to.put(&self.amount);
        to.put(&self.inputs);
        to.put(&self.nonce);
        to.put(&self.network_fee);
        to.put(&self.gas_limit);
        to.put(&self.tip_per_gas);
        to.put(&self.purpose);
        to.put(&self.key);
        if self.purpose == WithdrawalPurpose::Batch {
            to.put(&(self.outputs.len() as u8));
            for Output { withdrawal, address, amount } in &self.outputs {
                to.put(withdrawal);
                to.put(address);
                to.put(amount);
            }
        }
    }

    /// The reverse of [`Payment::write`].
    pub fn read(from: &mut Reader<'_>) -> Result<Payment, CodecError> {
        let mut payment = Payment {
            chain: from.get()?,
            withdrawal: from.get()?,
            contract: from.get()?,
            address: from.get()?,
            amount: from.get()?,
            outputs: Vec::new(),
            inputs: from.get()?,
            nonce: from.get()?,
            network_fee: from.get()?,
            gas_limit: from.get()?,
            tip_per_gas: from.get()?,
            purpose: from.get()?,
            key: from.get()?,
        };
        if payment.purpose == WithdrawalPurpose::Batch {
            let count = usize::from(from.get::<u8>()?);
            if count > BatchMembers::MAX {
                return Err(CodecError::TooLong);
            }
            for _ in 0..count {
                let output = Output { withdrawal: from.get()?, address: from.get()?, amount: from.get()? };
                payment.outputs.push(output);
            }
        }
        Ok(payment)
    }
}
