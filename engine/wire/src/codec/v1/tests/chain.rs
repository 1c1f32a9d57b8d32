//! Samples of what is said about chains and deposits.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::{ACCOUNT, amount, text};
use crate::command::{
    BindAddress, ClaimChain, FreezeChain, ListChain, ListChainAsset, ReportDeposit, ReportHead, RequestAddress,
    ResolveDeposit, SightDeposit,
};
use crate::event::{
    AddressBound, AddressRequested, ChainAdvanced, ChainAssetListed, ChainClaimed, ChainFrozen, ChainListed,
    DepositChanged,
};
use crate::{AddressFormat, AssetId, ChainFreeze, ChainHash, ChainId, Command, DepositStage, Event};

const CHAIN: ChainId = ChainId::new(2);
const ASSET: AssetId = AssetId::new(3);
const TX: ChainHash = ChainHash([0xa1; 32]);
const BLOCK: ChainHash = ChainHash([0xb2; 32]);
const CONTRACT: &str = "0xdac17f958d2ee523a2206206994597c13d831ec7";

pub(super) fn commands() -> Vec<Command> {
    vec![
        Command::ListChain(ListChain { symbol: text("ETH"), lease_ms: 1_500, addresses: AddressFormat::Evm }),
        Command::ListChainAsset(Box::new(ListChainAsset {
            chain: CHAIN,
            asset: ASSET,
            contract: text(CONTRACT),
            chain_decimals: 18,
            deposit_min: 1_000_000_000_000_000,
            confirmations: 6,
            large_from: amount(100_000_000_000),
            large_confirmations: 0,
        })),
        Command::ClaimChain(ClaimChain { chain: CHAIN, instance: 77 }),
        Command::RequestAddress(RequestAddress { account: ACCOUNT, chain: CHAIN }),
        Command::BindAddress(Box::new(BindAddress { chain: CHAIN, fence: 4, index: 9, address: text(CONTRACT) })),
        Command::FreezeChain(FreezeChain { chain: CHAIN, fence: 4, reason: ChainFreeze::Dissent }),
        Command::ReportDeposit(Box::new(ReportDeposit {
            chain: CHAIN,
            fence: 4,
            tx: TX,
            output: 1,
            index: 9,
            asset: ASSET,
            amount: 1_500_000_000_000_000_001,
            is_included: true,
            block: BLOCK,
            height: 19_000_000,
            confirmations: 3,
            is_final: false,
        })),
        Command::SightDeposit(Box::new(SightDeposit {
            chain: CHAIN,
            fence: 4,
            tx: TX,
            output: 1,
            index: 9,
            asset: ASSET,
            amount: 1_500_000_000_000_000_001,
            is_pooled: true,
        })),
        Command::ReportHead(ReportHead { chain: CHAIN, fence: 4, height: 19_000_000 }),
        Command::ResolveDeposit(ResolveDeposit { chain: CHAIN, tx: TX, output: 1, is_credited: true }),
    ]
}

pub(super) fn events() -> Vec<Event> {
    vec![
        Event::ChainListed(ChainListed {
            chain: CHAIN,
            symbol: text("LTC"),
            lease_ms: 1_500,
            addresses: AddressFormat::litecoin(),
        }),
        Event::ChainAssetListed(Box::new(ChainAssetListed {
            chain: CHAIN,
            asset: ASSET,
            contract: text(CONTRACT),
            chain_decimals: 18,
            deposit_min: 1_000_000_000_000_000,
            confirmations: 6,
            large_from: amount(100_000_000_000),
            large_confirmations: 0,
        })),
        Event::ChainClaimed(ChainClaimed { chain: CHAIN, fence: 4, instance: 77 }),
        Event::ChainFrozen(ChainFrozen { chain: CHAIN, reason: ChainFreeze::Thawed }),
        Event::ChainAdvanced(ChainAdvanced { chain: CHAIN, height: 19_000_000 }),
        Event::AddressRequested(AddressRequested { account: ACCOUNT, chain: CHAIN, index: 9 }),
        Event::AddressBound(Box::new(AddressBound {
            account: ACCOUNT,
            chain: CHAIN,
            index: 9,
            address: text(CONTRACT),
        })),
        Event::DepositChanged(Box::new(DepositChanged {
            account: ACCOUNT,
            chain: CHAIN,
            tx: TX,
            output: 1,
            index: 9,
            asset: ASSET,
            amount: 1_500_000_000_000_000_001,
            stage: DepositStage::Credited,
            block: BLOCK,
            height: 19_000_000,
            confirmations: 6,
            required: 6,
            credited: amount(15_000_000_000),
            dust: 1,
            is_reverted: false,
        })),
    ]
}
