//! `mainstay ctl fees`.

use wire::command::{SetFeeSchedule, SetFees};
use wire::decimal::{self, DecimalError};
use wire::{AccountId, FeeRate, FeeTier, FeeTiers, MarketId, SignedFeeRate};

use super::conduct::id_of;
use crate::demo::bootstrap::parse_amount;
use crate::operator::{Inventory, Operator, Rates};
use crate::report::usage;

/// `mainstay ctl fees`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the tiers, and every rate that goes before them. What one account pays: `mainstay ctl account show`.
    Show,
    /// Set the tiers by 30-day volume, in place of those before; without any, accounts pay the rates they were opened
    /// with.
    Tiers {
        /// The asset in which volume is counted, `USDT`. Another one than before forgets all volume.
        asset: String,
        /// `VOLUME:MAKER:TAKER` each, lowest first, the first from 0: from this volume on these rates, in parts per
        /// million. A negative maker rate is a rebate, paid out of what the taker pays.
        #[arg(value_name = "TIER", value_parser = tier)]
        tiers: Vec<Tier>,
    },
    /// Set rates that go before the tiers: of an account, of a market, or of an account in a market.
    Set {
        #[command(flatten)]
        whose: Whose,
        /// Of resting orders that trade, in parts per million; negative for a rebate.
        #[arg(long, value_name = "PPM", allow_negative_numbers = true, value_parser = maker_rate)]
        maker: SignedFeeRate,
        /// Of orders that take, in parts per million.
        #[arg(long, value_name = "PPM", value_parser = taker_rate)]
        taker: FeeRate,
    },
    /// Clear rates that were set.
    Clear {
        #[command(flatten)]
        whose: Whose,
    },
}

/// Whose rates.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Whose {
    /// Of this account.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// In this market, `BTCUSDT`.
    #[arg(long, value_name = "SYMBOL")]
    market: Option<String>,
}

/// Does what was asked.
pub async fn run(operator: &Operator, command: Command) -> miette::Result<()> {
    match command {
        Command::Show => {
            print!("{}", text(&operator.inventory(|_| false).await?));
            Ok(())
        }
        Command::Tiers { asset, tiers } => set_tiers(operator, &asset, &tiers).await,
        Command::Set { whose, maker, taker } => {
            set(operator, &whose, Some((maker, taker))).await?;
            println!("the rates are set");
            Ok(())
        }
        Command::Clear { whose } => {
            set(operator, &whose, None).await?;
            println!("the rates are cleared");
            Ok(())
        }
    }
}

/// A tier as it is written: the volume is a decimal of an asset that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    volume: String,
    maker: SignedFeeRate,
    taker: FeeRate,
}

/// What resting orders pay or, below zero, are paid.
fn maker_rate(text: &str) -> Result<SignedFeeRate, String> {
    let rate = text.parse().ok().and_then(SignedFeeRate::new);
    rate.ok_or_else(|| "a maker rate is -100000 to 100000 parts per million".to_owned())
}

/// What an order pays.
pub fn taker_rate(text: &str) -> Result<FeeRate, String> {
    let rate = text.parse().ok().and_then(FeeRate::new);
    rate.ok_or_else(|| "a rate is at most 100000 parts per million".to_owned())
}

async fn set_tiers(operator: &Operator, asset: &str, tiers: &[Tier]) -> miette::Result<()> {
    let inventory = operator.inventory(|known| known.assets.contains_key(asset)).await?;
    let listed = inventory.assets.get(asset).ok_or_else(|| miette::miette!("there is no asset {asset}"))?;
    let tiers: Vec<FeeTier> = tiers.iter().map(|tier| tier.of(listed.ledger_decimals)).collect::<Result<_, _>>()?;
    let count = tiers.len();
    let tiers = FeeTiers::new(&tiers).ok_or_else(|| {
        usage(format!(
            "there are at most {} tiers, the first from 0, each from more volume than the one before",
            FeeTiers::MAX
        ))
    })?;
    let set = SetFeeSchedule { valuation: listed.asset, tiers };
    operator.must(&wire::Command::SetFeeSchedule(Box::new(set))).await?;
    println!("{count} tiers by 30-day volume in {asset}");
    Ok(())
}

fn tier(text: &str) -> Result<Tier, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [volume, maker, taker] = parts[..] else { return Err("a tier is VOLUME:MAKER:TAKER".to_owned()) };
    // As fine as any asset.
    decimal::parse(volume, 18).map(drop).or_else(|why| match why {
        DecimalError::TooLarge => Ok(()),
        _ => Err("a tier is VOLUME:MAKER:TAKER, and a volume 0 or more of the asset".to_owned()),
    })?;
    Ok(Tier { volume: volume.to_owned(), maker: maker_rate(maker)?, taker: taker_rate(taker)? })
}

impl Tier {
    fn of(&self, decimals: u8) -> miette::Result<FeeTier> {
        Ok(FeeTier { volume_min: parse_amount(&self.volume, decimals)?, maker: self.maker, taker: self.taker })
    }
}

/// A maker's and a taker's rate, as they are set.
pub fn shown((maker, taker): Rates) -> String {
    format!("maker {} ppm, taker {} ppm", maker.parts_per_million(), taker.parts_per_million())
}

/// Everything that was set.
fn text(known: &Inventory) -> String {
    let settings = &known.settings;
    let asset = known.assets.values().find(|asset| Some(asset.asset) == settings.valuation);
    let mut lines = Vec::new();
    match (settings.tiers.as_slice(), asset) {
        ([], _) | (_, None) => lines.push("no tiers: accounts pay the rates they were opened with".to_owned()),
        (tiers, Some(asset)) => {
            lines.push(format!(
                "{:>4}  {:>24}  {:>9}  {:>9}  accounts",
                "tier", "from 30-day volume", "maker ppm", "taker ppm"
            ));
            for (at, tier) in tiers.iter().enumerate() {
                let volume = wire::decimal::format(tier.volume_min.units(), asset.ledger_decimals, 0);
                let (maker, taker) = (tier.maker.parts_per_million(), tier.taker.parts_per_million());
                let reached = |account| settings.reached.get(account).map_or(0, |(tier, _)| usize::from(*tier));
                let count = known.accounts.values().filter(|opened| reached(&opened.account) == at).count();
                lines.push(format!(
                    "{at:>4}  {:>24}  {maker:>9}  {taker:>9}  {count}",
                    format!("{volume} {}", asset.symbol)
                ));
            }
        }
    }
    let name = |account: AccountId| {
        let found = known.accounts.values().find(|opened| opened.account == account);
        found.map_or_else(|| account.to_string(), |opened| opened.name.to_string())
    };
    let symbol = |market: MarketId| {
        let found = known.markets.values().find(|known| known.listed.market == market);
        found.map_or_else(|| market.to_string(), |known| known.listed.symbol.to_string())
    };
    for ((account, market), rates) in &settings.rates {
        let whose = match (account.get(), market.get()) {
            (0, _) => format!("everybody in {}", symbol(*market)),
            (_, 0) => name(*account),
            _ => format!("{} in {}", name(*account), symbol(*market)),
        };
        lines.push(format!("{whose}: {}", shown(*rates)));
    }
    lines.join("\n") + "\n"
}

/// No rates: cleared.
async fn set(operator: &Operator, whose: &Whose, rates: Option<(SignedFeeRate, FeeRate)>) -> miette::Result<()> {
    let account = match &whose.account {
        Some(name) => id_of(operator, name).await?,
        None => AccountId::new(0),
    };
    let market = match &whose.market {
        Some(symbol) => {
            let inventory = operator.inventory(|known| known.markets.contains_key(symbol)).await?;
            let known = inventory.markets.get(symbol).ok_or_else(|| miette::miette!("there is no market {symbol}"))?;
            known.listed.market
        }
        None => MarketId::new(0),
    };
    let (maker, taker) = rates.unwrap_or_default();
    operator.must(&wire::Command::SetFees(SetFees { account, market, maker, taker, is_set: rates.is_some() })).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_its_volume_and_its_two_rates() {
        let read = tier("1000000.5:-50:500").unwrap().of(8).unwrap();
        assert_eq!(read.volume_min.units(), 100_000_050_000_000);
        assert_eq!((read.maker.parts_per_million(), read.taker.parts_per_million()), (-50, 500));
        for wrong in ["", "1", "1:2", "1:2:3:4", "x:1:1", "1:1:-1", "1:1:100001", "1:-100001:1"] {
            assert!(tier(wrong).is_err(), "{wrong}");
        }
    }
}
