//! Decides what is signed: policy, then the journal, then the key.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use ::bitcoin::bip32::Xpriv;
use wire::{ChainAddress, ChainHash, Symbol, WithdrawalId};

use super::journal::{Journal, Record};
use super::payment::{Impossible, Payment, Scheme};
use super::policy::ChainPolicy;
use super::vault::{Vault, VaultError};
use super::{Answer, Signed, bitcoin, evm};

const DAY_S: u64 = 24 * 3_600;

/// What only one withdrawal may ever spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spent {
    Output(ChainHash, u32),
    Nonce(u64),
}

/// One withdrawal, as far as it was asked about.
#[derive(Default)]
struct Known {
    is_void: bool,
    signed: Vec<(Payment, Signed)>,
}

/// Why there is no signer.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The journal cannot be read or written.
    #[error("the signer's journal: {0}")]
    Journal(#[from] io::Error),
    /// The policy names no account of the vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The policy's extended public key is not the account's.
    #[error("the xpub of chain {0} is not that of its account")]
    Xpub(Symbol),
}

/// Keys, policy and journal together.
pub struct Desk {
    chains: Vec<(ChainPolicy, Xpriv)>,
    journal: Journal,
    known: BTreeMap<(Symbol, WithdrawalId), Known>,
    spent: BTreeMap<(Symbol, Spent), WithdrawalId>,
    /// First signatures: when, and how much.
    outgoing: Vec<(u64, Symbol, ChainAddress, u128)>,
}

impl Desk {
    /// Reads what was signed before.
    pub fn open(vault: &Vault, policies: Vec<ChainPolicy>, journal: &Path) -> Result<Desk, DeskError> {
        let mut chains = Vec::new();
        for policy in policies {
            let xpub = match &policy.scheme {
                Scheme::Bitcoin(scheme) => scheme.xpub,
                Scheme::Evm(scheme) => scheme.xpub,
            };
            if vault.account_public(&policy.account)? != xpub {
                return Err(DeskError::Xpub(policy.chain));
            }
            let key = vault.account(&policy.account)?;
            chains.push((policy, key));
        }
        let (journal, records) = Journal::open(journal)?;
        let mut desk = Desk { chains, journal, known: BTreeMap::new(), spent: BTreeMap::new(), outgoing: Vec::new() };
        records.into_iter().for_each(|record| desk.remember(record));
        Ok(desk)
    }

    /// Answers a question; `now_s` is the time by the signer's clock. An error means that the journal cannot be
    /// written: nothing may be signed any more.
    pub fn sign(&mut self, payment: &Payment, now_s: u64) -> io::Result<Answer> {
        if let Some(known) = self.known.get(&(payment.chain, payment.withdrawal)) {
            if let Some((_, signed)) = known.signed.iter().find(|(before, _)| before == payment) {
                return Ok(Answer::Signed(signed.clone()));
            }
            if known.is_void {
                return Ok(Answer::Refused("this withdrawal was refused before".into()));
            }
        }
        let Some(at) = self.chains.iter().position(|(policy, _)| policy.chain == payment.chain) else {
            return Ok(Answer::Later("no key for this chain".into()));
        };
        let (policy, key) = &self.chains[at];
        if !self.may_follow(payment) {
            let why = "another transaction of this withdrawal is signed, and this does not replace it";
            return self.refuse(payment, now_s, why);
        }
        if let Some(why) = self.conflict(payment) {
            return self.refuse(payment, now_s, why);
        }
        if let Some(why) = policy.refuse(payment) {
            return self.refuse(payment, now_s, why);
        }
        if !self.is_known(payment)
            && self.total(payment, now_s).saturating_add(payment.amount) > policy.day_max(payment)
        {
            return Ok(Answer::Later("this would be more than may go out within a day".into()));
        }
        let signed = match &policy.scheme {
            Scheme::Bitcoin(scheme) => bitcoin::sign(scheme, key, payment),
            Scheme::Evm(scheme) => evm::sign(scheme, key, payment),
        };
        match signed {
            Ok(signed) => {
                let record = Record { at_s: now_s, payment: *payment, signed: Some(signed.clone()) };
                self.journal.append(&record)?;
                self.remember(record);
                Ok(Answer::Signed(signed))
            }
            Err(why) => {
                let why: Impossible = why;
                self.refuse(payment, now_s, &why.to_string())
            }
        }
    }

    /// Whether nothing was signed for this withdrawal, or this takes the place of what was.
    fn may_follow(&self, payment: &Payment) -> bool {
        let known = self.known.get(&(payment.chain, payment.withdrawal));
        known.and_then(|known| known.signed.last()).is_none_or(|(before, _)| payment.replaces(before))
    }

    /// Whether what was signed for another withdrawal stands against this.
    fn conflict(&self, payment: &Payment) -> Option<&'static str> {
        let is_others =
            |spent: Spent| self.spent.get(&(payment.chain, spent)).is_some_and(|owner| *owner != payment.withdrawal);
        spends(payment).any(is_others).then_some("it spends what a transaction of another withdrawal spends")
    }

    fn is_known(&self, payment: &Payment) -> bool {
        self.known.get(&(payment.chain, payment.withdrawal)).is_some_and(|known| !known.signed.is_empty())
    }

    /// For ever: of a withdrawal of which nothing was signed, nothing ever will be. Of one that has a signature no such word is
    /// given: the ledger would give the money back, though it may leave. Whoever asks has lost what was decided before, as
    /// after a restored backup, or asks for a replacement that is not made.
    fn refuse(&mut self, payment: &Payment, now_s: u64, why: &str) -> io::Result<Answer> {
        if self.is_known(payment) {
            return Ok(Answer::Later(why.into()));
        }
        let record = Record { at_s: now_s, payment: *payment, signed: None };
        self.journal.append(&record)?;
        self.remember(record);
        Ok(Answer::Refused(why.into()))
    }

    fn total(&self, payment: &Payment, now_s: u64) -> u128 {
        let is_counted = |(at, chain, contract, _): &&(u64, Symbol, ChainAddress, u128)| {
            *chain == payment.chain && *contract == payment.contract && at.saturating_add(DAY_S) > now_s
        };
        self.outgoing.iter().filter(is_counted).fold(0, |sum, (_, _, _, amount)| sum.saturating_add(*amount))
    }

    fn remember(&mut self, record: Record) {
        let Record { at_s, payment, signed } = record;
        let known = self.known.entry((payment.chain, payment.withdrawal)).or_default();
        let Some(signed) = signed else {
            known.is_void = true;
            return;
        };
        if known.signed.is_empty() {
            self.outgoing.push((at_s, payment.chain, payment.contract, payment.amount));
        }
        known.signed.push((payment, signed));
        self.spent.extend(spends(&payment).map(|spent| ((payment.chain, spent), payment.withdrawal)));
    }
}

fn spends(payment: &Payment) -> impl Iterator<Item = Spent> + '_ {
    let nonce = payment.inputs.as_slice().is_empty().then_some(Spent::Nonce(payment.nonce));
    payment.inputs.as_slice().iter().map(|input| Spent::Output(input.tx, input.output)).chain(nonce)
}

#[cfg(test)]
mod tests;
