//! Samples of what is said about a market as a whole.

use alloc::vec;
use alloc::vec::Vec;

use super::{MARKET, price, qty};
use crate::command::{KillMarket, ReopenMarket, SetMarketSchedule};
use crate::event::{AuctionCompleted, AuctionIndicated, MarketScheduleChanged, PhaseChanged};
use crate::mail::{ChangeMarketSchedule, MarketReported};
use crate::{Command, Event, Mail, MarketSchedule, MarketStatus, PhaseCause, ScheduleStep, Timestamp};

fn schedule() -> MarketSchedule {
    let mut schedule = MarketSchedule::EMPTY;
    schedule.steps[0] = ScheduleStep { weekdays: 0b001_1111, second: 32_400, status: MarketStatus::Auction };
    schedule
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
    ]
}

pub(super) fn mails() -> Vec<Mail> {
    vec![
        Mail::ChangeMarketSchedule(alloc::boxed::Box::new(ChangeMarketSchedule {
            market: MARKET,
            version: 6,
            schedule: schedule(),
        })),
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
