//! Chains, their addresses and deposits: `engine/src/ledger/blockchains.rs` and `deposits.rs` state the rules.
//!
//! No dust is kept here: what of an account's deposits is less than a ledger unit follows from those that were credited.

use wire::command::{
    BindAddress, ClaimChain, FreezeChain, ListChain, ListChainAsset, ReportDeposit, RequestAddress, ResolveDeposit,
};
use wire::event::{
    AddressBound, AddressRequested, ChainAssetListed, ChainClaimed, ChainFrozen, ChainListed, Credited, DepositChanged,
};
use wire::{
    AccountId, AddressFormat, ChainAddress, ChainFreeze, ChainHash, ChainId, DepositStage, Event, RejectReason, Symbol,
};

use super::super::numbers::amount as units_of_ledger;
use super::{Answer, Ledger, Refused, no};

/// Of every asset of the model.
pub(super) const LEDGER_DECIMALS: u32 = 6;

/// A chain, whose id is its place, from 1.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    symbol: Symbol,
    lease_ns: u64,
    fence: u64,
    instance: u64,
    claimed_at: u64,
    freeze: ChainFreeze,
    height: u64,
    assets: Vec<ChainAssetListed>,
    format: AddressFormat,
    /// The hot wallet's own; empty until bound.
    wallet: ChainAddress,
    /// From index 1; empty until bound.
    addresses: Vec<(AccountId, ChainAddress)>,
}

impl Chain {
    pub(super) fn assets(&self) -> &[ChainAssetListed] {
        &self.assets
    }

    /// What its addresses look like.
    pub(super) fn format(&self) -> AddressFormat {
        self.format
    }

    /// Whether two texts are one address; the hot wallet's own, if it is bound.
    pub(super) fn is_same(&self, one: ChainAddress, other: ChainAddress) -> bool {
        let in_lower_case = |address: ChainAddress| address.as_str().to_lowercase();
        one == other || (self.format == AddressFormat::Evm && in_lower_case(one) == in_lower_case(other))
    }

    pub(super) fn wallet(&self) -> ChainAddress {
        self.wallet
    }

    pub(super) fn freeze(&self) -> ChainFreeze {
        self.freeze
    }

    pub(super) fn check_fence(&self, fence: u64) -> Result<(), Refused> {
        if fence == 0 || fence != self.fence { Err((RejectReason::StaleFence, self.fence)) } else { Ok(()) }
    }

    /// The owner and the address of an index.
    pub(super) fn address(&self, index: u32) -> Result<(AccountId, ChainAddress), Refused> {
        let at = (index as usize).wrapping_sub(1);
        self.addresses.get(at).copied().ok_or((RejectReason::UnknownAddress, 0))
    }
}

impl Ledger {
    pub(super) fn chain(&self, id: ChainId) -> Result<&Chain, Refused> {
        self.chains.get(usize::from(id.get()).wrapping_sub(1)).ok_or((RejectReason::UnknownChain, 0))
    }

    fn chain_mut(&mut self, id: ChainId) -> &mut Chain {
        &mut self.chains[usize::from(id.get()) - 1]
    }

    /// Whether that is news.
    pub(super) fn advance(&mut self, id: ChainId, height: u64) -> bool {
        std::mem::replace(&mut self.chain_mut(id).height, height) != height
    }

    pub(super) fn list_chain(&mut self, list: &ListChain) -> Answer {
        let ListChain { symbol, lease_ms, addresses } = *list;
        if let Some(at) = self.chains.iter().position(|chain| chain.symbol == symbol) {
            return Err((RejectReason::ChainExists, at as u64 + 1));
        }
        if symbol.is_empty() || !(1..=60_000).contains(&lease_ms) {
            return no(RejectReason::BadChainRules);
        }
        self.chains.push(Chain {
            symbol,
            lease_ns: u64::from(lease_ms) * 1_000_000,
            fence: 0,
            instance: 0,
            claimed_at: 0,
            freeze: ChainFreeze::NoMajority,
            height: 0,
            assets: Vec::new(),
            format: addresses,
            wallet: ChainAddress::EMPTY,
            addresses: Vec::new(),
        });
        let chain = ChainId::new(self.chains.len() as u16);
        self.events.push(Event::ChainListed(ChainListed { chain, symbol, lease_ms, addresses }));
        Ok(chain.get().into())
    }

    pub(super) fn list_chain_asset(&mut self, list: &ListChainAsset) -> Answer {
        let ListChainAsset { chain, asset, contract, chain_decimals, deposit_min, .. } = *list;
        let ListChainAsset { confirmations, large_from, large_confirmations, .. } = *list;
        let known = self.chain(chain)?.assets.clone();
        self.asset(asset)?;
        let in_lower_case = |contract: &ChainAddress| contract.as_str().to_lowercase();
        if known.iter().any(|one| one.asset == asset || in_lower_case(&one.contract) == in_lower_case(&contract)) {
            return no(RejectReason::ChainAssetExists);
        }
        if chain_decimals > 30 || deposit_min == 0 {
            return no(RejectReason::BadChainRules);
        }
        let listed = ChainAssetListed {
            chain,
            asset,
            contract,
            chain_decimals,
            deposit_min,
            confirmations,
            large_from,
            large_confirmations,
        };
        self.chain_mut(chain).assets.push(listed);
        self.events.push(Event::ChainAssetListed(Box::new(listed)));
        Ok(0)
    }

    pub(super) fn claim_chain(&mut self, claim: &ClaimChain) -> Answer {
        let ClaimChain { chain, instance } = *claim;
        let now = self.now;
        let known = self.chain(chain)?;
        if instance == 0 {
            return no(RejectReason::Malformed);
        }
        let is_another = known.instance != instance;
        if is_another && known.instance != 0 && now < known.claimed_at + known.lease_ns {
            return Err((RejectReason::ChainTaken, known.fence));
        }
        let known = self.chain_mut(chain);
        known.claimed_at = now;
        if is_another {
            (known.instance, known.fence) = (instance, known.fence + 1);
            let fence = known.fence;
            self.events.push(Event::ChainClaimed(ChainClaimed { chain, fence, instance }));
            self.freeze(chain, ChainFreeze::NoMajority, false);
        }
        Ok(self.chain(chain)?.fence)
    }

    /// What only an operator lifts stays until one does.
    pub(super) fn freeze(&mut self, chain: ChainId, reason: ChainFreeze, is_operator: bool) {
        let known = self.chain_mut(chain);
        if (is_operator || !known.freeze.is_for_operators()) && known.freeze != reason {
            known.freeze = reason;
            self.events.push(Event::ChainFrozen(ChainFrozen { chain, reason }));
        }
    }

    pub(super) fn freeze_chain(&mut self, command: &FreezeChain) -> Answer {
        let FreezeChain { chain, fence, reason } = *command;
        let known = self.chain(chain)?;
        if fence != 0 {
            known.check_fence(fence)?;
        }
        if reason.is_for_operators() {
            return no(RejectReason::BadChainRules);
        }
        self.freeze(chain, reason, fence == 0);
        Ok(0)
    }

    pub(super) fn request_address(&mut self, request: &RequestAddress) -> Answer {
        let RequestAddress { account, chain } = *request;
        self.account(account)?;
        let known = &self.chain(chain)?.addresses;
        if let Some(at) = known.iter().position(|(owner, _)| *owner == account) {
            return Ok(at as u64 + 1);
        }
        let index = known.len() as u32 + 1;
        self.chain_mut(chain).addresses.push((account, ChainAddress::EMPTY));
        self.events.push(Event::AddressRequested(AddressRequested { account, chain, index }));
        Ok(index.into())
    }

    pub(super) fn bind_address(&mut self, bind: &BindAddress) -> Answer {
        let BindAddress { chain, fence, index, address } = *bind;
        let known = self.chain(chain)?;
        known.check_fence(fence)?;
        let nobody = AccountId::new(0);
        let (account, before) = if index == 0 { (nobody, known.wallet) } else { known.address(index)? };
        let is_known = known.addresses.iter().any(|(_, taken)| *taken == address) || known.wallet == address;
        let is_taken = !before.is_empty() || is_known;
        if !address.is_empty() && before == address {
            return Ok(index.into());
        }
        if address.is_empty() || is_taken {
            return no(RejectReason::AddressTaken);
        }
        match index {
            0 => self.chain_mut(chain).wallet = address,
            _ => self.chain_mut(chain).addresses[index as usize - 1].1 = address,
        }
        self.events.push(Event::AddressBound(Box::new(AddressBound { account, chain, index, address })));
        Ok(index.into())
    }

    pub(super) fn report_deposit(&mut self, report: &ReportDeposit) -> Answer {
        let ReportDeposit { chain, tx, output, index, asset, amount, block, height, confirmations, .. } = *report;
        let known = self.chain(chain)?;
        known.check_fence(report.fence)?;
        let (account, address) = known.address(index)?;
        if address.is_empty() {
            return no(RejectReason::UnknownAddress);
        }
        if self.brings_gas(chain, tx) {
            return no(RejectReason::WithdrawalMismatch);
        }
        let rules = known.assets.iter().find(|listed| listed.asset == asset).copied();
        let rules = rules.ok_or((RejectReason::UnknownChainAsset, 0))?;
        let is_frozen = known.freeze != ChainFreeze::Thawed;
        let before = self.deposit(chain, tx, output);
        if before.is_none() && !report.is_included {
            return no(RejectReason::UnknownDeposit);
        }
        let required = self.required(&rules, amount);
        let mut after = before.unwrap_or(DepositChanged {
            account,
            chain,
            tx,
            output,
            index,
            asset,
            amount,
            stage: DepositStage::Included,
            block,
            height,
            confirmations,
            required,
            credited: units_of_ledger(0),
            dust: 0,
            is_reverted: false,
        });
        let is_same = (after.index, after.asset, after.amount) == (index, asset, amount);
        let is_deep = if after.required == 0 { report.is_final } else { confirmations >= after.required };
        let was = after.stage;
        after.stage = match was {
            DepositStage::Credited | DepositStage::Refused | DepositStage::Quarantined => was,
            _ if !is_same => DepositStage::Quarantined,
            _ if !report.is_included => DepositStage::Orphaned,
            _ if before.is_none() && amount < rules.deposit_min => DepositStage::Rejected,
            _ if before.is_none() && rules.contract.is_empty() && self.may_have_brought_gas(chain, height) => {
                DepositStage::Quarantined
            }
            _ if !is_deep => DepositStage::Included,
            _ if is_frozen => DepositStage::Confirmed,
            _ if self.to_book(&after).is_none() => DepositStage::Quarantined,
            _ => DepositStage::Credited,
        };
        // Where it was seen; of what is credited only what it was credited for counts.
        match was {
            DepositStage::Refused => {}
            DepositStage::Credited if !(is_same && report.is_included) => {}
            _ if report.is_included => {
                (after.block, after.height, after.confirmations) = (block, height, confirmations)
            }
            _ => after.confirmations = 0,
        }
        after.is_reverted = was == DepositStage::Credited && !report.is_included;
        self.note_deposit(before, after);
        Ok(0)
    }

    pub(super) fn resolve_deposit(&mut self, resolve: &ResolveDeposit) -> Answer {
        let ResolveDeposit { chain, tx, output, is_credited } = *resolve;
        self.chain(chain)?;
        let before = self.deposit(chain, tx, output).ok_or((RejectReason::UnknownDeposit, 0))?;
        if before.stage != DepositStage::Quarantined {
            return no(RejectReason::DepositNotOpen);
        }
        if is_credited && self.to_book(&before).is_none() {
            return no(RejectReason::BalanceTooLarge);
        }
        let stage = if is_credited { DepositStage::Credited } else { DepositStage::Refused };
        self.note_deposit(Some(before), DepositChanged { stage, ..before });
        Ok(0)
    }

    pub(super) fn required(&self, rules: &ChainAssetListed, amount: u128) -> u32 {
        let large_from = rules.large_from.wide();
        let is_large = large_from > 0 && units(amount, 0, rules).is_some_and(|(units, _)| units >= large_from);
        if is_large { rules.large_confirmations } else { rules.confirmations }
    }

    pub(super) fn deposit(&self, chain: ChainId, tx: ChainHash, output: u32) -> Option<DepositChanged> {
        let is_it = |known: &&DepositChanged| (known.chain, known.tx, known.output) == (chain, tx, output);
        self.deposits.iter().find(is_it).copied()
    }

    /// The ledger units of a deposit with what the account's deposits before it have left, and what it leaves.
    fn to_book(&self, deposit: &DepositChanged) -> Option<(i128, u128)> {
        let whose = |of: &DepositChanged| (of.account, of.chain, of.asset);
        let rules = self.chain(deposit.chain).ok()?.assets.iter().find(|listed| listed.asset == deposit.asset)?;
        let unit = 10_u128.pow(u32::from(rules.chain_decimals).saturating_sub(LEDGER_DECIMALS));
        let credited =
            self.deposits.iter().filter(|of| of.stage == DepositStage::Credited && whose(of) == whose(deposit));
        let left = credited.fold(0, |left, of| (left + of.amount % unit) % unit);
        units(deposit.amount, left, rules)
    }

    /// Books what is credited from now on, and tells what has changed.
    fn note_deposit(&mut self, before: Option<DepositChanged>, mut after: DepositChanged) {
        let DepositChanged { account, chain, asset, .. } = after;
        let was_credited = before.is_some_and(|before| before.stage == DepositStage::Credited);
        if after.stage == DepositStage::Credited && !was_credited {
            let (units, dust) = self.to_book(&after).expect("it was looked at");
            let amount = units_of_ledger(units);
            (after.credited, after.dust) = (amount, dust);
            if units > 0 {
                self.shift(account.get(), asset, units, 0);
                self.events.push(Event::Credited(Credited { account, asset, amount }));
            }
        }
        if before == Some(after) {
            return;
        }
        self.sighting_mined(chain, after.tx, after.output);
        self.deposits.retain(|known| (known.chain, known.tx, known.output) != (chain, after.tx, after.output));
        // What is too little is told and forgotten.
        if after.stage != DepositStage::Rejected {
            self.deposits.push(after);
        }
        self.used_chains.insert(after.chain.get());
        self.events.push(Event::DepositChanged(Box::new(after)));
        if after.is_reverted {
            self.freeze(chain, ChainFreeze::CreditReverted, false);
        }
    }
}

/// Of so much of a chain's units and what was left before: ledger units, rounded down, and what is left now. None when
/// that is more than is counted.
fn units(of: u128, left: u128, rules: &ChainAssetListed) -> Option<(i128, u128)> {
    let total = of.checked_add(left)?;
    let decimals = u32::from(rules.chain_decimals);
    let (units, left) = if decimals > LEDGER_DECIMALS {
        let unit = 10_u128.pow(decimals - LEDGER_DECIMALS);
        (total / unit, total % unit)
    } else {
        (total.checked_mul(10_u128.pow(LEDGER_DECIMALS - decimals))?, 0)
    };
    let units = i64::try_from(units).ok()?;
    Some((units.into(), left))
}
