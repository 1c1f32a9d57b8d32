//! What operators say of accounts, their keys, fees and limits, and of a market's schedule.

use wire::command::*;
use wire::{
    AccountId, Amount, ApiKeyId, ApiKeyText, AssetId, Command, FeeRate, FeeTier, FeeTiers, MarketId, MarketSchedule,
    MarketStatus, Networks, Qty, ScheduleStep, Secret, SignedFeeRate,
};

use super::Flow;

impl Flow {
    pub(super) fn key_id(&mut self) -> ApiKeyId {
        let recent = self.keys.saturating_sub(self.below(3) as u32);
        ApiKeyId::new(if self.below(12) == 0 { recent } else { 0 })
    }

    /// One of few, so that they are known, gone, and there again.
    pub(super) fn key(&mut self) -> ApiKeyText {
        let name = self.one_of(&["k0", "k1", "k2", "k3"]);
        ApiKeyText::new(name.as_bytes()).expect("a short name")
    }

    pub(super) fn key_command(&mut self, account: AccountId) -> Command {
        let key = self.key();
        let secret = Secret::new(&[7; 32][..self.below(2) as usize * 32]).expect("a short secret");
        match self.below(8) {
            0..5 => {
                self.keys += 1;
                let (kind, permissions) = (self.one_of(ApiKeyKind::ALL), Permissions::READ_AND_TRADE);
                Command::AddApiKey(Box::new(AddApiKey { account, key, kind, permissions, secret }))
            }
            5 => Command::RevokeApiKey(RevokeApiKey { key }),
            6 => Command::RestrictApiKey(Box::new(RestrictApiKey { key, networks: Networks::NONE })),
            _ => {
                let part = self.below(3) as u8 + 1;
                Command::ExtendApiKey(Box::new(ExtendApiKey { key, part, material: secret }))
            }
        }
    }

    fn rate(&mut self) -> (SignedFeeRate, FeeRate) {
        let maker = self.below(3_000) as i32 - 1_000;
        let taker = self.below(3_000) as u32;
        (SignedFeeRate::new(maker).expect("a rate"), FeeRate::new(taker).expect("a rate"))
    }

    pub(super) fn fees(&mut self, account: AccountId, market: MarketId) -> SetFees {
        let (maker, taker) = self.rate();
        let account = if self.below(2) == 0 { account } else { AccountId::new(0) };
        let market = if self.below(2) == 0 { market } else { MarketId::new(0) };
        SetFees { account, market, maker, taker, is_set: self.below(3) > 0 }
    }

    pub(super) fn fee_schedule(&mut self) -> SetFeeSchedule {
        let valuation = AssetId::new(self.one_of(&[1, 2, 2, 3]));
        let mut tiers = Vec::new();
        for at in 0..self.below(5) {
            let (maker, taker) = self.rate();
            let volume_min = Amount::new(at as i64 * at as i64 * 500_000).expect("an amount");
            tiers.push(FeeTier { volume_min, maker, taker });
        }
        SetFeeSchedule { valuation, tiers: FeeTiers::new(&tiers).expect("tiers that rise") }
    }

    /// Two steps within the next seconds, of any day.
    pub(super) fn schedule(&mut self) -> MarketSchedule {
        let mut schedule = MarketSchedule::EMPTY;
        let second = (self.now.nanos() / 1_000_000_000 % 86_400) as u32;
        let closing = [MarketStatus::Closed, MarketStatus::PreOpen, MarketStatus::Auction, MarketStatus::CancelOnly];
        if self.below(3) > 0 {
            let (first, then) = (self.below(3) as u32 + 1, self.below(3) as u32 + 4);
            let status = self.one_of(&closing);
            schedule.steps[0] = ScheduleStep { weekdays: 127, second: (second + first) % 86_400, status };
            let status = MarketStatus::Trading;
            schedule.steps[1] = ScheduleStep { weekdays: 127, second: (second + then) % 86_400, status };
        }
        schedule
    }

    /// Of an account, or of every account.
    pub(super) fn account_limits(&mut self, account: AccountId) -> SetAccountLimits {
        let is_everybodys = self.below(8) == 0;
        // Everybody's rate is refused, and one without a window, or the other way round.
        let order_rate_max = if is_everybodys { self.one_of(&[0, 0, 0, 20]) } else { self.one_of(&[0, 20]) };
        let has_window = if self.below(8) == 0 { order_rate_max == 0 } else { order_rate_max > 0 };
        SetAccountLimits {
            account: if is_everybodys { AccountId::new(0) } else { account },
            open_orders_max: self.one_of(&[0, 5, 50]),
            stop_orders_max: self.one_of(&[0, 0, 2, 4]),
            iceberg_orders_max: self.one_of(&[0, 0, 1, 3]),
            order_lists_max: self.one_of(&[0, 0, 1, 2]),
            order_rate_max,
            order_rate_window_ms: if has_window { 1_000 } else { 0 },
        }
    }

    /// Of an account, or of every account; around what orders move of the asset.
    pub(super) fn asset_limit(&mut self, account: AccountId) -> SetAssetLimit {
        let account = if self.below(4) == 0 { AccountId::new(0) } else { account };
        let asset = AssetId::new(self.one_of(&[1, 2, 3]));
        let order_max = Amount::new(self.one_of(&[0, 0, 30_000, 300_000])).expect("an amount");
        SetAssetLimit { account, asset, order_max }
    }

    /// Of an account, or of every account; around what orders cost and what accounts have.
    pub(super) fn order_limits(&mut self, account: AccountId, market: MarketId) -> SetOrderLimits {
        let amount = |units: i64| Amount::new(units).expect("an amount");
        let qty_max = Qty::new(self.one_of(&[0, 30])).expect("a quantity");
        let notional_max = amount(self.one_of(&[0, 0, 300_000]));
        let position_max = amount(self.one_of(&[0, 0, 2_000_040_000]));
        if self.below(6) > 0 {
            return SetOrderLimits { account, market, qty_max, notional_max, position_max };
        }
        let account = AccountId::new(0);
        SetOrderLimits { account, market, qty_max: Qty::ZERO, notional_max: Amount::ZERO, position_max }
    }
}
