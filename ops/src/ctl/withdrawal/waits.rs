//! What chainwatch says of withdrawals that do not get on: it alone knows of fees, coins, nodes and the signer.

use wire::event::WithdrawalChanged;
use wire::{ChainId, WithdrawalId};

use super::super::Place;
use super::super::chain;
use crate::chainwatch::ChainStatus;

/// Of each chain, what whoever is at work on it says.
#[derive(Default)]
pub(super) struct Heard {
    /// Whether there was anybody to ask.
    is_asked: bool,
    chains: Vec<ChainStatus>,
}

impl Heard {
    /// Asks the chainwatches whose pages are here, or those of the state file.
    pub(super) async fn ask(place: &Place, pages: Vec<String>) -> Heard {
        // An exchange without a state file has pages all the same: they have to be named.
        let pages = if pages.is_empty() { chain::pages(place).unwrap_or_default() } else { pages };
        let is_asked = !pages.is_empty();
        let statuses = chain::ask(pages).await;
        let chains = statuses.into_iter().filter_map(|(_, status)| status).flat_map(|status| status.chains);
        Heard { is_asked, chains: chains.filter(|chain| chain.role == "active").collect() }
    }

    #[cfg(test)]
    pub(super) fn of(chains: Vec<ChainStatus>) -> Heard {
        Heard { is_asked: true, chains }
    }

    /// Why one waits, as far as that is said.
    pub(super) fn reason(&self, row: &WithdrawalChanged) -> Option<String> {
        let status = self.chain(row.chain)?;
        if let Some(frozen) = &status.frozen {
            return Some(format!("its chain is frozen: {frozen}"));
        }
        let Some(withdrawals) = &status.withdrawals else {
            return Some("chainwatch has no signer for its chain".into());
        };
        // Of what goes with others the batch is told.
        let is_it =
            |id: u64| id == row.withdrawal.get() || (row.batch != WithdrawalId::default() && id == row.batch.get());
        withdrawals.waiting.iter().find(|(id, _)| is_it(*id)).map(|(_, why)| sentence(why))
    }

    /// What comes next of one that has no inputs and no nonce yet.
    pub(super) fn held(&self, row: &WithdrawalChanged) -> String {
        match (self.reason(row), self.chain(row.chain)) {
            (Some(why), _) => format!("waits: {why}"),
            (None, Some(_)) => "is due, and chainwatch comes to it in its turn".into(),
            (None, None) if self.is_asked => {
                "waits for chainwatch: none that answers is at work on its chain: mainstay ctl chain status".into()
            }
            (None, None) => "waits for chainwatch, which says why where --http names its pages".into(),
        }
    }

    fn chain(&self, chain: ChainId) -> Option<&ChainStatus> {
        self.chains.iter().find(|status| status.id == Some(chain.get()))
    }
}

/// A reason by its name in logs and metrics, and what an operator can do about it.
fn sentence(name: &str) -> String {
    match name {
        "fee_above_cap" => "the chain asks for a higher fee than its rules allow: mainstay ctl withdrawal rules",
        "hot_wallet_too_low" => {
            "the hot wallet does not have enough that is free; what comes back of others is, once they are settled: mainstay ctl \
             chain status"
        }
        "hot_wallet_at_bound" => {
            "the hot wallet would have less than its lower bound: mainstay ctl withdrawal hot-wallet"
        }
        "reserves_short" => {
            "the chain had less of the asset than it should: mainstay ctl chain status, then mainstay ctl reserves thaw"
        }
        "nobody_says" => {
            "too few nodes say what is to be paid to the chain, or what the wallet has: mainstay ctl chain status"
        }
        "gathers" => "for others to go with, as long as batch_wait_ms of chainwatch's file says",
        "signer_waits" => "the signer would wait: it would be more than may go out within a day",
        "not_replaced" => "its last replacement or child was not taken, and another one is made later",
        "no_change" => "nodes take no replacement of it, and too little comes back of it for a child to pay with",
        other => other,
    }
    .into()
}
