//! What operators decide, and what clients arm, in words.

use wire::command::{
    AddApiKey, ApiKeyKind, CountdownCancel, DelistMarket, EndLease, KillMarket, Permissions, RenewLease, ReopenMarket,
    Reply, SetAccountLimits, SetFeeSchedule, SetFees, SetKillSwitch, SetMarketProtection, SetMarketRules,
    SetMarketSchedule, SetMarketStatus, SetOrderLimits,
};
use wire::{
    AccountId, Amount, ApiKeyId, ApiKeyText, ClientSessionId, Command, FeeRate, FeeTier, FeeTiers, MarketId,
    MarketProtection, MarketRules, MarketSchedule, MarketStatus, Price, Qty, ScheduleStep, Secret, SignedFeeRate,
};

use super::{MARKET, Stage, asset, number, rules, variant};

const MS: u64 = 1_000_000;

fn rates(account: AccountId, market: MarketId, maker: &str, taker: &str) -> Result<SetFees, String> {
    let maker = SignedFeeRate::new(number(Some(maker))?).ok_or("what a rate")?;
    let taker = FeeRate::new(number(Some(taker))?).ok_or("what a rate")?;
    Ok(SetFees { account, market, maker, taker, is_set: true })
}

fn a_key(name: &str) -> Result<ApiKeyText, String> {
    ApiKeyText::new(name.as_bytes()).map_err(|_| "a key that long is not possible".to_owned())
}

/// `09:30` or `09:30:15`, in seconds since midnight.
pub(super) fn time_of_day(text: &str) -> Result<u32, String> {
    let parts = text.split(':').map(|part| number::<u32>(Some(part))).collect::<Result<Vec<_>, _>>()?;
    match parts[..] {
        [hour, minute] => Ok(hour * 3_600 + minute * 60),
        [hour, minute, second] => Ok(hour * 3_600 + minute * 60 + second),
        _ => Err(format!("what time is {text}?")),
    }
}

/// `09:00 pre-open 09:30 trading 17:00 closed`, every day.
fn schedule(words: &[&str]) -> Result<MarketSchedule, String> {
    let mut schedule = MarketSchedule::EMPTY;
    let mut places = schedule.steps.iter_mut();
    for step in words.chunks(2) {
        let [time, status] = step else { return Err("a time without a phase".to_owned()) };
        let place = places.next().ok_or("too many steps")?;
        *place =
            ScheduleStep { weekdays: 127, second: time_of_day(time)?, status: variant(MarketStatus::ALL, status)? };
    }
    Ok(schedule)
}

impl Stage {
    /// `by-volume-of USD 0 1000 2000 5000 500 1000`: from which 30-day volume on, maker's and taker's rate.
    pub(super) fn fee_schedule(&mut self, words: &[&str]) -> Result<Vec<String>, String> {
        let ["by-volume-of", valuation, tiers @ ..] = words else { return Err(format!("what is {words:?}?")) };
        let mut schedule = Vec::new();
        for tier in tiers.chunks(3) {
            let [volume, maker, taker] = tier else { return Err("VOLUME MAKER TAKER".to_owned()) };
            let volume_min = Amount::new(number(Some(volume))?).ok_or("an amount is not negative")?;
            let SetFees { maker, taker, .. } = rates(AccountId::new(0), MARKET, maker, taker)?;
            schedule.push(FeeTier { volume_min, maker, taker });
        }
        let tiers = FeeTiers::new(&schedule).ok_or("tiers rise from 0")?;
        let valuation = asset(valuation)?;
        Ok(self.say(&Command::SetFeeSchedule(Box::new(SetFeeSchedule { valuation, tiers }))))
    }

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
            ["follows", steps @ ..] => {
                Command::SetMarketSchedule(SetMarketSchedule { market, schedule: schedule(steps)? })
            }
            ["pays", maker, taker] => Command::SetFees(rates(AccountId::new(0), market, maker, taker)?),
            ["may-hold", max] => {
                let (account, qty_max, notional_max) = (AccountId::new(0), Qty::ZERO, Amount::ZERO);
                let position_max = Amount::new(number(Some(max))?).ok_or("an amount is not negative")?;
                Command::SetOrderLimits(SetOrderLimits { account, market, qty_max, notional_max, position_max })
            }
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
                stop_orders_max: 0,
                iceberg_orders_max: 0,
                order_lists_max: 0,
                order_rate_max: number(Some(rate))?,
                order_rate_window_ms: number(Some(ms))?,
            }),
            ["is-killed"] | ["is-released"] => {
                let (key, is_engaged) = (Default::default(), words == ["is-killed"]);
                Command::SetKillSwitch(SetKillSwitch { account, key, is_engaged })
            }
            ["pays", maker, taker] => Command::SetFees(rates(account, MarketId::new(0), maker, taker)?),
            ["pays-here", maker, taker] => Command::SetFees(rates(account, market, maker, taker)?),
            ["pays-here", "as-elsewhere"] => {
                Command::SetFees(SetFees { is_set: false, ..rates(account, market, "0", "0")? })
            }
            ["gets-key", name] => {
                let (key, permissions) = (a_key(name)?, Permissions::READ_AND_TRADE);
                let secret = Secret::new(&[7; 32]).map_err(|_| "a secret that long is not possible")?;
                let add = AddApiKey { account, key, kind: ApiKeyKind::Hmac, permissions, secret };
                let reply = self.apply(&Command::AddApiKey(Box::new(add))).reply;
                let Reply::Accepted { id } = reply else { return Err(format!("{reply:?}")) };
                self.keys.insert((*name).to_owned(), ApiKeyId::new(id as u32));
                return Ok(Vec::new());
            }
            ["key", name, switch @ ("is-killed" | "is-released")] => {
                let is_engaged = *switch == "is-killed";
                Command::SetKillSwitch(SetKillSwitch { account, key: a_key(name)?, is_engaged })
            }
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
