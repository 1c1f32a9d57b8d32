//! What an operator says of what a chain has: `mainstay ctl reserves declare` and `thaw`.

use wire::command::{DeclareReserves, Loosening, ThawReserves};
use wire::{AssetId, ChainId};

use super::super::{Place, loosening};
use crate::operator::{Inventory, Operator};

/// An asset on a chain.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// On which chain, LTC.
    chain: String,
    /// Which asset.
    asset: String,
}

impl Which {
    async fn find(&self, operator: &Operator) -> miette::Result<(ChainId, AssetId)> {
        let known: Inventory = operator.inventory(|_| false).await?;
        let chain = known.withdrawing.chains.values().find(|chain| chain.listed.symbol.as_str() == self.chain);
        let chain = chain.ok_or_else(|| miette::miette!("the ledger does not know the chain {}", self.chain))?;
        let asset = known.assets.get(&self.asset);
        let asset = asset.ok_or_else(|| miette::miette!("the ledger does not know the asset {}", self.asset))?;
        Ok((chain.listed.chain, asset.asset))
    }
}

pub(super) async fn declare(place: &Place, which: &Which, brought: i128, since: u64) -> miette::Result<()> {
    let operator = place.operator().await?;
    let (chain, asset) = which.find(&operator).await?;
    let declare = Loosening::DeclareReserves(Box::new(DeclareReserves { chain, asset, brought, since }));
    if loosening::ask(place, &operator, declare).await? {
        let Which { chain, asset } = which;
        println!(
            "{brought} of the chain's units of {asset} count as brought to {chain} by no deposit: mainstay ctl chain \
             status"
        );
    }
    Ok(())
}

pub(super) async fn thaw(place: &Place, which: &Which) -> miette::Result<()> {
    let operator = place.operator().await?;
    let (chain, asset) = which.find(&operator).await?;
    if loosening::ask(place, &operator, Loosening::ThawReserves(ThawReserves { chain, asset })).await? {
        println!("withdrawals of {} by {} go on", which.asset, which.chain);
    }
    Ok(())
}
