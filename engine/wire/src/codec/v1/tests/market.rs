//! Samples of what is said about a market as a whole.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::{MARKET, price, qty, rules};
use crate::command::{DelistMarket, KillMarket, ReopenMarket, SetMarketProtection, SetMarketRules, SetMarketSchedule};
use crate::event::{
    AuctionCompleted, AuctionIndicated, MarketProtectionChanged, MarketRulesChanged, MarketScheduleChanged,
    PhaseChanged,
};
use crate::mail::{
    ChangeMarketCapacity, ChangeMarketProtection, ChangeMarketRules, ChangeMarketSchedule, MarketReported,
};
use crate::{
    Command, Event, Mail, MarketProtection, MarketSchedule, MarketStatus, PhaseCause, ScheduleStep, Timestamp,
};

fn schedule() -> MarketSchedule {
    let mut schedule = MarketSchedule::EMPTY;
    schedule.steps[0] = ScheduleStep { weekdays: 0b001_1111, second: 32_400, status: MarketStatus::Auction };
    schedule
}

fn protection() -> MarketProtection {
    MarketProtection {
        static_band_ppm: 100_000,
        dynamic_band_ppm: 30_000,
        volatility_auction_ns: 120_000_000_000,
        bid_up_ppm: 5_000_000,
        bid_down_ppm: 200_000,
        ask_up_ppm: 4_000_000,
        ask_down_ppm: 300_000,
        up_ppm: 6_000_000,
        down_ppm: 150_000,
    }
}

pub(super) fn commands() -> Vec<Command> {
    vec![
        Command::SetMarketSchedule(SetMarketSchedule { market: MARKET, schedule: schedule() }),
        Command::ReopenMarket(ReopenMarket {
            market: MARKET,
            cancel_only_ns: 60_000_000_000,
            auction_ns: 600_000_000_000,
        }),
        Command::KillMarket(KillMarket { market: MARKET, cancel_orders: true }),
        Command::SetMarketProtection(SetMarketProtection { market: MARKET, protection: protection() }),
        Command::SetMarketRules(Box::new(SetMarketRules { market: MARKET, rules: rules() })),
        Command::DelistMarket(DelistMarket { market: MARKET }),
    ]
}

pub(super) fn mails() -> Vec<Mail> {
    vec![
        Mail::ChangeMarketSchedule(Box::new(ChangeMarketSchedule { market: MARKET, version: 6, schedule: schedule() })),
        Mail::ChangeMarketProtection(Box::new(ChangeMarketProtection {
            market: MARKET,
            version: 7,
            protection: protection(),
        })),
        Mail::ChangeMarketCapacity(ChangeMarketCapacity { market: MARKET, accounts_max: 8, resting_orders_max: 9 }),
        Mail::ChangeMarketRules(Box::new(ChangeMarketRules { market: MARKET, version: 8, rules: rules() })),
        Mail::MarketReported(MarketReported {
            market: MARKET,
            version: 6,
            status: MarketStatus::Auction,
            cause: PhaseCause::Volatility,
        }),
    ]
}

pub(super) fn events() -> Vec<Event> {
    vec![
        Event::MarketScheduleChanged(MarketScheduleChanged { market: MARKET, schedule: schedule() }),
        Event::MarketProtectionChanged(MarketProtectionChanged {
            market: MARKET,
            version: 7,
            protection: protection(),
        }),
        Event::MarketRulesChanged(Box::new(MarketRulesChanged { market: MARKET, version: 8, rules: rules() })),
        Event::PhaseChanged(PhaseChanged {
            market: MARKET,
            number: 9,
            status: MarketStatus::Auction,
            cause: PhaseCause::Schedule,
            until: Timestamp::from_nanos(1_700_000_000_000_000_001),
        }),
        Event::AuctionIndicated(AuctionIndicated { market: MARKET, price: None, qty: qty(0), surplus: -7 }),
        Event::AuctionCompleted(AuctionCompleted { market: MARKET, price: price(6_000_000), qty: qty(150_000) }),
    ]
}
