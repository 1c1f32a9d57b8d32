//! What people call accounts, assets and chains, to ids and back.

use wire::event::AssetListed;
use wire::{AccountId, Amount, AssetId, ChainAddress, ChainHash, ChainId, decimal};

use crate::operator::{Inventory, KnownChain};

pub(in crate::ctl) fn account_id(known: &Inventory, name: &str) -> miette::Result<AccountId> {
    let opened = known.accounts.get(name).map(|opened| opened.account);
    opened.ok_or_else(|| {
        miette::miette!(help = "mainstay ctl account list", "the ledger does not know the account {name}")
    })
}

pub(in crate::ctl) fn account_name(known: &Inventory, id: AccountId) -> String {
    let opened = known.accounts.values().find(|opened| opened.account == id);
    opened.map_or_else(|| id.to_string(), |opened| opened.name.to_string())
}

pub(in crate::ctl) fn asset<'a>(known: &'a Inventory, symbol: &str) -> miette::Result<&'a AssetListed> {
    let listed = known.assets.get(symbol);
    listed.ok_or_else(|| miette::miette!("the ledger does not know the asset {symbol}"))
}

pub(in crate::ctl) fn asset_of(known: &Inventory, id: AssetId) -> Option<&AssetListed> {
    known.assets.values().find(|listed| listed.asset == id)
}

pub(in crate::ctl) fn asset_name(known: &Inventory, id: AssetId) -> String {
    asset_of(known, id).map_or_else(|| id.to_string(), |listed| listed.symbol.to_string())
}

pub(in crate::ctl) fn chain<'a>(known: &'a Inventory, symbol: &str) -> miette::Result<&'a KnownChain> {
    let chain = known.withdrawing.chains.values().find(|chain| chain.listed.symbol.as_str() == symbol);
    chain.ok_or_else(|| {
        miette::miette!(help = "mainstay ctl chain status", "the ledger does not know the chain {symbol}")
    })
}

pub(in crate::ctl) fn chain_name(known: &Inventory, id: ChainId) -> String {
    let chain = known.withdrawing.chains.get(&id);
    chain.map_or_else(|| id.to_string(), |chain| chain.listed.symbol.to_string())
}

/// The address as the ledger remembers it, checked with its checksum.
pub(in crate::ctl) fn address(chain: &KnownChain, text: &str) -> miette::Result<ChainAddress> {
    gateway::addresses::canonical(&chain.listed.addresses, text).ok_or_else(|| {
        let symbol = chain.listed.symbol;
        miette::miette!(help = "one slip in it changes its checksum", "{text} is no address of {symbol}")
    })
}

/// An amount of an asset as text.
pub(in crate::ctl) fn amount(known: &Inventory, asset: AssetId, amount: Amount) -> String {
    let decimals = asset_of(known, asset).map_or(0, |listed| listed.ledger_decimals);
    decimal::format(amount.units(), decimals, 0)
}

/// So many people, in words.
pub(in crate::ctl) fn operators(count: u8) -> String {
    if count == 1 { "one operator".to_owned() } else { format!("{count} operators") }
}

/// A transaction as its chain prints it.
pub(in crate::ctl) fn transaction(chain: Option<&KnownChain>, tx: ChainHash) -> String {
    let hex = |bytes: &mut dyn Iterator<Item = &u8>| bytes.map(|byte| format!("{byte:02x}")).collect::<String>();
    match chain.map(|chain| chain.listed.addresses) {
        Some(wire::AddressFormat::Evm) => format!("0x{}", hex(&mut tx.0.iter())),
        _ => hex(&mut tx.0.iter().rev()),
    }
}
