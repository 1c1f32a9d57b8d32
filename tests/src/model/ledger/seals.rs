//! Names of which nothing comes any more that was asked for by some moment: `engine/src/ledger/seals.rs` states the rules.

use wire::command::{CancelOrder, NewOrder, SealName};
use wire::{ClientOrderId, RejectReason};

use super::{Answer, Ledger, Refused};

/// A question after a name of orders: whose, which, when by the client's clock, and when by the log's.
pub(super) type Question = (u32, ClientOrderId, u64, u64);

impl Ledger {
    /// Between two leaders log time has gone from one moment to another: nothing is older by that.
    pub(in crate::model) fn keep_names(&mut self, from: u64, to: u64) {
        let nobody_led = to - from;
        self.names.iter_mut().filter_map(|name| name.closed.as_mut()).for_each(|closed| *closed += nobody_led);
        self.questions.iter_mut().for_each(|question| question.3 += nobody_led);
    }

    /// A seal lasts as long as a name from the latest question; until then none of its questions is forgotten.
    pub(super) fn forget_questions(&mut self) {
        let (all, now, lasts) = (self.questions.clone(), self.now, self.name_retention_ns);
        let latest =
            |of: &Question| all.iter().filter(|other| (other.0, other.1) == (of.0, of.1)).map(|other| other.3).max();
        self.questions.retain(|question| latest(question).is_some_and(|asked| asked + lasts > now));
    }

    pub(super) fn seal_name(&mut self, seal: &SealName) -> Answer {
        let account = self.account(seal.account)?;
        assert!(!seal.is_list, "the model's clients do not ask for lists");
        if let Some(order) = self.taken_by(account, &seal.client_order_id) {
            return Ok(order);
        }
        self.questions.push((account, seal.client_order_id, seal.asked_us, self.now));
        Ok(0)
    }

    /// Whether an order may have a name.
    pub(super) fn check_name(&self, account: u32, name: &ClientOrderId, asked_us: u64) -> Result<(), Refused> {
        match self.taken_by(account, name).or(self.sealed(account, name, asked_us)) {
            Some(id) => Err((RejectReason::DuplicateClientOrderId, id)),
            None => Ok(()),
        }
    }

    /// The seal that keeps an order from having its name.
    fn sealed(&self, account: u32, name: &ClientOrderId, asked_us: u64) -> Option<u64> {
        let mine = self.questions.iter().filter(|question| (question.0, question.1) == (account, *name));
        let sealed = mine.map(|question| question.2).max().filter(|sealed_us| *sealed_us >= asked_us);
        sealed.map(|sealed_us| SealName::no_order(sealed_us).get())
    }

    pub(super) fn is_sealed(&self, order: &NewOrder) -> bool {
        self.sealed(order.account.get(), &order.client_order_id, order.asked_us).is_some()
    }

    /// A cancel has found nothing.
    pub(super) fn unknown(&mut self, account: u32, cancel: &CancelOrder) -> Refused {
        let name = cancel.client_order_id;
        if cancel.order.get() == 0 && cancel.asked_us != 0 && self.taken_by(account, &name).is_none() {
            self.questions.push((account, name, cancel.asked_us, self.now));
        }
        (RejectReason::UnknownOrder, 0)
    }
}
