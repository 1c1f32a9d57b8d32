//! What operators decide, and what clients arm, in words.

use wire::command::{
    CountdownCancel, DelistMarket, EndLease, KillMarket, RenewLease, ReopenMarket, SetAccountLimits, SetFees,
    SetKillSwitch, SetMarketProtection, SetMarketRules, SetMarketStatus, SetOrderLimits,
};
use wire::{
    AccountId, Amount, ClientSessionId, Command, FeeRate, MarketId, MarketProtection, MarketRules, MarketStatus, Price,
    Qty, SignedFeeRate,
};

use super::{MARKET, Stage, number, rules, variant};

const MS: u64 = 1_000_000;

impl Stage {
    /// What an operator does with the market.
    pub(super) fn market(&mut self, words: &[&str]) -> Result<Vec<String>, String> {
        let market = MARKET;
        let ppm = |percent: &&str| number::<u32>(Some(percent)).map(|percent| percent * 10_000);
        let command = match words {
            ["bands", fixed, moving, "for", ms] => {
                let (static_band_ppm, dynamic_band_ppm) = (ppm(fixed)?, ppm(moving)?);
                let volatility_auction_ns = number::<u64>(Some(ms))? * MS;
                let none = MarketProtection::NONE;
                let protection = MarketProtection { static_band_ppm, dynamic_band_ppm, volatility_auction_ns, ..none };
                Command::SetMarketProtection(SetMarketProtection { market, protection })
            }
            ["limits-of", "last", low, high] => {
                let (low, high) = (ppm(low)?, ppm(high)?);
                let protection = MarketProtection {
                    bid_up_ppm: high,
                    bid_down_ppm: low,
                    ask_up_ppm: high,
                    ask_down_ppm: low,
                    ..MarketProtection::NONE
                };
                Command::SetMarketProtection(SetMarketProtection { market, protection })
            }
            ["rules", "tick", tick, "lot", lot, "notional", notional] => {
                let tick = Price::new(number(Some(tick))?).ok_or("a tick is positive")?;
                let lot = Qty::new(number(Some(lot))?).ok_or("a lot is not negative")?;
                let notional_min = Amount::new(number(Some(notional))?).ok_or("an amount is not negative")?;
                let rules = MarketRules { tick, price_min: tick, lot, qty_min: lot, notional_min, ..rules() };
                Command::SetMarketRules(Box::new(SetMarketRules { market, rules }))
            }
            ["reopens", cancel_only, auction] => Command::ReopenMarket(ReopenMarket {
                market,
                cancel_only_ns: number::<u64>(Some(cancel_only))? * MS,
                auction_ns: number::<u64>(Some(auction))? * MS,
            }),
            ["killed"] => Command::KillMarket(KillMarket { market, cancel_orders: true }),
            ["delisted"] => Command::DelistMarket(DelistMarket { market }),
            [status] => {
                Command::SetMarketStatus(SetMarketStatus { market, status: variant(MarketStatus::ALL, status)? })
            }
            _ => return Err(format!("what is {words:?}?")),
        };
        Ok(self.say(&command))
    }

    /// What an operator allows an account, and what its client arms.
    pub(super) fn bound(&mut self, account: AccountId, words: &[&str]) -> Result<Vec<String>, String> {
        let market = MARKET;
        let none = SetOrderLimits {
            account,
            market,
            qty_max: Qty::ZERO,
            notional_max: Amount::ZERO,
            position_max: Amount::ZERO,
        };
        let an_amount = |text: &&str| Amount::new(number(Some(text))?).ok_or("an amount is not negative".to_owned());
        let session = |text: &&str| number(Some(text)).map(ClientSessionId::new);
        let command = match words {
            ["may-order", max] => {
                let qty_max = Qty::new(number(Some(max))?).ok_or("a quantity is not negative")?;
                Command::SetOrderLimits(SetOrderLimits { qty_max, ..none })
            }
            ["may-spend", max] => Command::SetOrderLimits(SetOrderLimits { notional_max: an_amount(max)?, ..none }),
            ["may-hold", max] => Command::SetOrderLimits(SetOrderLimits { position_max: an_amount(max)?, ..none }),
            ["may-open", open, "and-place", rate, "per", ms] => Command::SetAccountLimits(SetAccountLimits {
                account,
                open_orders_max: number(Some(open))?,
                order_rate_max: number(Some(rate))?,
                order_rate_window_ms: number(Some(ms))?,
            }),
            ["is-killed"] | ["is-released"] => {
                let (key, is_engaged) = (Default::default(), words == ["is-killed"]);
                Command::SetKillSwitch(SetKillSwitch { account, key, is_engaged })
            }
            ["pays", maker, taker] => Command::SetFees(SetFees {
                account,
                market: MarketId::new(0),
                maker: SignedFeeRate::new(number(Some(maker))?).ok_or("what a rate")?,
                taker: FeeRate::new(number(Some(taker))?).ok_or("what a rate")?,
                is_set: true,
            }),
            ["counts-down", ms] => {
                Command::CountdownCancel(CountdownCancel { account, market, countdown_ms: number(Some(ms))? })
            }
            ["connects", id, "for", ms] => Command::RenewLease(RenewLease {
                account,
                session: session(id)?,
                holder: 1,
                takes_over: false,
                lease_ms: number(Some(ms))?,
            }),
            ["leaves", id] => Command::EndLease(EndLease { account, session: session(id)?, holder: 1 }),
            _ => return Err(format!("what is {words:?}?")),
        };
        Ok(self.say(&command))
    }
}
