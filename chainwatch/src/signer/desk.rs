//! Decides what is signed: policy, then the journal, then the key.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use ::bitcoin::bip32::Xpriv;
use wire::{ChainAddress, ChainHash, Symbol, WithdrawalId, WithdrawalPurpose};

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
    Nonce(u32, u64),
}

/// One withdrawal, as far as it was asked about.
#[derive(Default)]
struct Known {
    is_void: bool,
    signed: Vec<(Payment, Signed)>,
}

/// What a signature has let out: of the first of a withdrawal its amount, and of each what it pays to the chain more than the
/// one before.
#[derive(Debug, Clone, Copy)]
struct Outgoing {
    at_s: u64,
    chain: Symbol,
    contract: ChainAddress,
    amount: u128,
    network_fee: u128,
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
    /// Whose each transaction is.
    made: BTreeMap<(Symbol, ChainHash), WithdrawalId>,
    /// By which batch each withdrawal is paid that goes with others.
    together: BTreeMap<(Symbol, WithdrawalId), WithdrawalId>,
    /// What may have left within the last day, the oldest first.
    outgoing: VecDeque<Outgoing>,
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
        let mut desk = Desk {
            chains,
            journal,
            known: BTreeMap::new(),
            spent: BTreeMap::new(),
            made: BTreeMap::new(),
            together: BTreeMap::new(),
            outgoing: VecDeque::new(),
        };
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
        if let Some(why) = self.paid_otherwise(payment) {
            return self.refuse(payment, now_s, why);
        }
        if let Some(why) = policy.refuse(payment).or_else(|| self.refuse_child(policy, payment)) {
            return self.refuse(payment, now_s, why);
        }
        if let Some(why) = self.too_much_today(policy, payment, now_s) {
            return Ok(Answer::Later(why.into()));
        }
        let signed = match &policy.scheme {
            Scheme::Bitcoin(scheme) => bitcoin::sign(scheme, key, payment),
            Scheme::Evm(scheme) => evm::sign(scheme, key, payment),
        };
        match signed {
            Ok(signed) => {
                let record = Record { at_s: now_s, payment: payment.clone(), signed: Some(signed.clone()) };
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

    /// Answers whether a payment has to wait for tomorrow. Signs nothing, and decides nothing: what is refused for ever is to be
    /// asked for and refused, and waits for no day.
    pub fn consult(&self, payment: &Payment, now_s: u64) -> Answer {
        let policy = self.chains.iter().map(|(policy, _)| policy).find(|policy| policy.chain == payment.chain);
        let Some(policy) = policy else { return Answer::Later("no key for this chain".into()) };
        let is_void = self.known.get(&(payment.chain, payment.withdrawal)).is_some_and(|known| known.is_void);
        if is_void
            || self.paid_otherwise(payment).is_some()
            || policy.refuse(payment).is_some()
            || self.refuse_child(policy, payment).is_some()
        {
            return Answer::Willing;
        }
        self.too_much_today(policy, payment, now_s).map_or(Answer::Willing, |why| Answer::Later(why.into()))
    }

    /// What of the day's limits this would break.
    fn too_much_today(&self, policy: &ChainPolicy, payment: &Payment, now_s: u64) -> Option<&'static str> {
        let more = self.outgoing(payment, now_s);
        let (amount, network_fee) = self.totals(payment, now_s);
        if more.amount > 0 && amount.saturating_add(more.amount) > policy.day_max(payment) {
            return Some("this would be more than may go out within a day");
        }
        let is_dear = network_fee.saturating_add(more.network_fee) > policy.network_fee_day_max;
        is_dear.then_some("this would be more than may be paid to the chain within a day")
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

    /// Whether what this pays was signed by another transaction that does not stand in its way, or was refused for ever: a withdrawal is
    /// paid alone or with others, and by one batch.
    fn paid_otherwise(&self, payment: &Payment) -> Option<&'static str> {
        let Payment { chain, withdrawal, .. } = *payment;
        let elsewhere = |id| self.together.get(&(chain, id)).is_some_and(|batch| *batch != withdrawal);
        if elsewhere(withdrawal) {
            return Some("it is paid with others by a transaction that is signed");
        }
        let mut ids = payment.outputs.iter().map(|output| output.withdrawal);
        ids.any(|id| elsewhere(id) || self.known.contains_key(&(chain, id)))
            .then_some("one of those that it pays was signed or refused alone, or with others")
    }

    /// Why a child is never signed: it spends the change of what was signed here and nothing else, and pays, with all that it
    /// helps, no more than one transaction may.
    fn refuse_child(&self, policy: &ChainPolicy, payment: &Payment) -> Option<&'static str> {
        if payment.purpose != WithdrawalPurpose::Child {
            return None;
        }
        let Scheme::Bitcoin(scheme) = &policy.scheme else { return Some("nothing comes back on this chain") };
        let [input] = payment.inputs.as_slice() else { return Some("a child spends one output") };
        let Some((parent, signed)) = self.signed(payment.chain, input.tx) else {
            return Some("what it spends is of no transaction that was signed here");
        };
        let change = bitcoin::change_at(scheme, parent.given(), signed);
        if change != Some((input.output, input.amount)) || input.key != 0 {
            return Some("what it spends is not what comes back to the wallet");
        }
        let all = payment.network_fee.saturating_add(self.paid(payment.chain, input.tx));
        (all > policy.network_fee_max).then_some("the network fee of all that it helps is above the cap of one")
    }

    /// A transaction that was signed here.
    fn signed(&self, chain: Symbol, tx: ChainHash) -> Option<(&Payment, &Signed)> {
        let known = self.known.get(&(chain, *self.made.get(&(chain, tx))?))?;
        known.signed.iter().find(|(_, signed)| signed.tx == tx).map(|(payment, signed)| (payment, signed))
    }

    /// What a transaction that was signed here pays to the chain, and all that it helps.
    fn paid(&self, chain: Symbol, mut tx: ChainHash) -> u128 {
        let mut all = 0_u128;
        while let Some((payment, _)) = self.signed(chain, tx) {
            all = all.saturating_add(payment.network_fee);
            match payment.inputs.as_slice() {
                [input] if payment.purpose == WithdrawalPurpose::Child => tx = input.tx,
                _ => break,
            }
        }
        all
    }

    fn is_known(&self, payment: &Payment) -> bool {
        let key = (payment.chain, payment.withdrawal);
        self.together.contains_key(&key) || self.known.get(&key).is_some_and(|known| !known.signed.is_empty())
    }

    /// For ever: of a withdrawal of which nothing was signed, nothing ever will be. Of one that has a signature no such word is
    /// given: the ledger would give the money back, though it may leave. Whoever asks has lost what was decided before, as
    /// after a restored backup, or asks for a replacement that is not made.
    fn refuse(&mut self, payment: &Payment, now_s: u64, why: &str) -> io::Result<Answer> {
        if self.is_known(payment) {
            return Ok(Answer::Later(why.into()));
        }
        let record = Record { at_s: now_s, payment: payment.clone(), signed: None };
        self.journal.append(&record)?;
        self.remember(record);
        Ok(Answer::Refused(why.into()))
    }

    /// What signing this would let out.
    fn outgoing(&self, payment: &Payment, at_s: u64) -> Outgoing {
        let Payment { chain, contract, .. } = *payment;
        let known = self.known.get(&(chain, payment.withdrawal));
        let paid = known.and_then(|known| known.signed.last()).map(|(before, _)| before.network_fee);
        let amount = if paid.is_some() || payment.purpose.is_internal() { 0 } else { payment.amount };
        let network_fee = payment.network_fee.saturating_sub(paid.unwrap_or(0));
        Outgoing { at_s, chain, contract, amount, network_fee }
    }

    /// What may have left within the last day: of an asset, and to its chain.
    fn totals(&self, payment: &Payment, now_s: u64) -> (u128, u128) {
        let of_chain = self.outgoing.iter().filter(|it| it.chain == payment.chain && !it.is_old(now_s));
        of_chain.fold((0, 0), |(amount, network_fee): (u128, u128), it| {
            let more = if it.contract == payment.contract { it.amount } else { 0 };
            (amount.saturating_add(more), network_fee.saturating_add(it.network_fee))
        })
    }

    fn remember(&mut self, record: Record) {
        let Record { at_s, payment, signed } = record;
        let Some(signed) = signed else {
            self.known.entry((payment.chain, payment.withdrawal)).or_default().is_void = true;
            return;
        };
        let outgoing = self.outgoing(&payment, at_s);
        while self.outgoing.front().is_some_and(|first| first.is_old(at_s)) {
            self.outgoing.pop_front();
        }
        self.outgoing.push_back(outgoing);
        let (chain, withdrawal) = (payment.chain, payment.withdrawal);
        self.made.insert((chain, signed.tx), withdrawal);
        self.together.extend(payment.outputs.iter().map(|output| ((chain, output.withdrawal), withdrawal)));
        self.spent.extend(spends(&payment).map(|spent| ((chain, spent), withdrawal)));
        self.known.entry((chain, withdrawal)).or_default().signed.push((payment, signed));
    }
}

impl Outgoing {
    fn is_old(&self, now_s: u64) -> bool {
        self.at_s.saturating_add(DAY_S) <= now_s
    }
}

fn spends(payment: &Payment) -> impl Iterator<Item = Spent> + '_ {
    let nonce = payment.inputs.as_slice().is_empty().then_some(Spent::Nonce(payment.sender(), payment.nonce));
    payment.inputs.as_slice().iter().map(|input| Spent::Output(input.tx, input.output)).chain(nonce)
}

#[cfg(test)]
mod tests;
