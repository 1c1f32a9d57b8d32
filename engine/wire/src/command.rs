//! What may be asked of a partition. Every change of state starts as one of these in its log.

mod account;
mod chain;
mod loosening;
mod market;
mod reserves;
mod session;
mod special;
mod withdrawal;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use self::market::{
    DelistMarket, KillMarket, ReopenMarket, SetMarketProtection, SetMarketRules, SetMarketSchedule,
};
pub use crate::api_key::{ExtendApiKey, RestrictApiKey};

pub use self::loosening::{ApproveLoosening, DropLoosening, Loosening, ProposeLoosening};
pub use self::reserves::{DeclareReserves, ReportReserves, ThawReserves};
pub use self::special::{AmendOrder, CancelOrderList, NewOrderList, NewOrderOnTerms, ReplaceOrder};
pub use self::withdrawal::{
    AllocateWithdrawal, AllowAddress, ApproveWithdrawal, CancelWithdrawal, FailWithdrawal, GatherWithdrawals,
    MoveFunds, RefuseWithdrawal, ReleaseWithdrawal, ReportWithdrawal, RequestWithdrawal, RestrictWithdrawals,
    SetHotWallet, SetWithdrawalRules, SignWithdrawal,
};
use crate::text::{AccountName, ApiKeyText, ClientOrderId, Secret, Symbol};
use crate::{
    AccountId, Amount, ApiKeyId, AssetId, CancelRestriction, Capacity, ClientSessionId, FeeRate, Incarnation, Mail,
    MailSequence, MarketId, MarketRules, MarketStatus, OrderId, OrderKind, PartitionId, Price, Qty, RejectReason,
    SelfTradePrevention, Side, TimeInForce,
};

pub use self::account::{
    AssignAccount, SetAccountLimits, SetAssetLimit, SetFeeSchedule, SetFees, SetKillSwitch, SetOrderLimits,
};
pub use self::chain::{
    BindAddress, ClaimChain, FreezeChain, ListChain, ListChainAsset, ReportDeposit, ReportHead, RequestAddress,
    ResolveDeposit, SightDeposit,
};
pub use self::session::{CountdownCancel, EndLease, MassCancel, RenewLease, SealName};

/// One input of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Operator: make an asset known to the ledger.
    ListAsset(ListAsset),
    /// Operator: create a market in a partition.
    ListMarket(Box<ListMarket>),
    /// Operator: move a market to a phase.
    SetMarketStatus(SetMarketStatus),
    /// Operator: let a market follow a schedule.
    SetMarketSchedule(SetMarketSchedule),
    /// Operator: reopen a market by an auction.
    ReopenMarket(ReopenMarket),
    /// Operator: halt a market at once.
    KillMarket(KillMarket),
    /// Operator: change a market's price limits.
    SetMarketProtection(SetMarketProtection),
    /// Operator: change a market's filters.
    SetMarketRules(Box<SetMarketRules>),
    /// Operator: take a market away for ever.
    DelistMarket(DelistMarket),
    /// Operator: open an account.
    OpenAccount(OpenAccount),
    /// Operator: give an account an API key.
    AddApiKey(Box<AddApiKey>),
    /// Operator: take an API key away.
    RevokeApiKey(RevokeApiKey),
    /// Operator: say from where an API key may be used.
    RestrictApiKey(Box<RestrictApiKey>),
    /// Operator: add to an API key's material.
    ExtendApiKey(Box<ExtendApiKey>),
    /// Operator: a deposit.
    Credit(Credit),
    /// Operator: a withdrawal.
    Debit(Debit),
    /// Client: a new order.
    NewOrder(NewOrder),
    /// Client: cancel one order.
    CancelOrder(CancelOrder),
    /// Client: cancel every open order of an account in one market.
    CancelAll(CancelAll),
    /// Operator: give the tables more rows.
    RaiseCapacity(Box<RaiseCapacity>),
    /// Operator: put an account into a trade group and a firm.
    AssignAccount(AssignAccount),
    /// Operator: set the fee tiers.
    SetFeeSchedule(Box<SetFeeSchedule>),
    /// Operator: set or clear the rates of an account, of a market, or of an account in a market.
    SetFees(SetFees),
    /// Operator: bound what an account does over all markets.
    SetAccountLimits(SetAccountLimits),
    /// Operator: bound what an account does in one market.
    SetOrderLimits(SetOrderLimits),
    /// Operator: bound how much of an asset one order moves.
    SetAssetLimit(SetAssetLimit),
    /// Operator: engage or release a kill switch.
    SetKillSwitch(SetKillSwitch),
    /// Client: cancel many orders.
    MassCancel(MassCancel),
    /// Client: open, renew or take over the lease of a client session.
    RenewLease(RenewLease),
    /// Client: end the lease of a client session.
    EndLease(EndLease),
    /// Client: arm or disarm a countdown.
    CountdownCancel(CountdownCancel),
    /// Client: no order of a name is to come any more.
    SealName(SealName),
    /// Client: a new order that asks for more than a plain one.
    NewOrderOnTerms(Box<NewOrderOnTerms>),
    /// Client: lower the quantity of an open order.
    AmendOrder(Box<AmendOrder>),
    /// Client: cancel an order and place another.
    ReplaceOrder(Box<ReplaceOrder>),
    /// Client: orders that hang together.
    NewOrderList(NewOrderList),
    /// Client: cancel the orders of a list.
    CancelOrderList(CancelOrderList),
    /// Operator: make a chain known.
    ListChain(ListChain),
    /// Operator: make what moves on a chain known.
    ListChainAsset(Box<ListChainAsset>),
    /// Chainwatch: propose for a chain, and go on doing so.
    ClaimChain(ClaimChain),
    /// Client: give an account an address.
    RequestAddress(RequestAddress),
    /// Chainwatch: this is the address.
    BindAddress(Box<BindAddress>),
    /// Chainwatch, operator: a chain is frozen, or is not.
    FreezeChain(FreezeChain),
    /// Chainwatch: a transfer to one of our addresses.
    ReportDeposit(Box<ReportDeposit>),
    /// Chainwatch: a transfer to one of our addresses that is in no block.
    SightDeposit(Box<SightDeposit>),
    /// Chainwatch: how high a chain is.
    ReportHead(ReportHead),
    /// Operator: decide about a deposit.
    ResolveDeposit(ResolveDeposit),
    /// Operator: what withdrawals of an asset must keep to.
    SetWithdrawalRules(Box<SetWithdrawalRules>),
    /// Operator: what an account may withdraw.
    RestrictWithdrawals(RestrictWithdrawals),
    /// Operator: an account may withdraw to an address.
    AllowAddress(Box<AllowAddress>),
    /// Client: send money to an address.
    RequestWithdrawal(Box<RequestWithdrawal>),
    /// Operator: approve a withdrawal.
    ApproveWithdrawal(ApproveWithdrawal),
    /// Client, operator: take a withdrawal back.
    CancelWithdrawal(CancelWithdrawal),
    /// Chainwatch: what a withdrawal's next transaction spends.
    AllocateWithdrawal(Box<AllocateWithdrawal>),
    /// Chainwatch: a withdrawal's signed transaction.
    SignWithdrawal(Box<SignWithdrawal>),
    /// Chainwatch: the signer has refused.
    RefuseWithdrawal(RefuseWithdrawal),
    /// Chainwatch: what is seen of a withdrawal's transaction.
    ReportWithdrawal(Box<ReportWithdrawal>),
    /// Operator: a withdrawal will never move its money.
    FailWithdrawal(FailWithdrawal),
    /// Operator: the bounds of the hot wallet.
    SetHotWallet(Box<SetHotWallet>),
    /// Chainwatch: move money between addresses of the exchange.
    MoveFunds(Box<MoveFunds>),
    /// Chainwatch: one transaction is to pay several withdrawals.
    GatherWithdrawals(Box<GatherWithdrawals>),
    /// Chainwatch: a withdrawal leaves its batch, or all leave one.
    ReleaseWithdrawal(ReleaseWithdrawal),
    /// Chainwatch: what a chain has of an asset, and what it should have.
    ReportReserves(Box<ReportReserves>),
    /// Operator: what came by no deposit, or left by no withdrawal.
    DeclareReserves(Box<DeclareReserves>),
    /// Operator: what was missing is there again.
    ThawReserves(ThawReserves),
    /// Operator: loosen what guards withdrawals, if another operator approves it.
    ProposeLoosening(Box<ProposeLoosening>),
    /// Operator: let it be what another one has proposed.
    ApproveLoosening(Box<ApproveLoosening>),
    /// Operator: what was proposed is not to be.
    DropLoosening(DropLoosening),
    /// Cluster, on an operator's word: the cells behave by this version from now on.
    SetVersion(SetVersion),
    /// Cluster: mail of another partition.
    DeliverMail(DeliverMail),
    /// Cluster: another partition has received mail; forget it.
    AckMail(AckMail),
    /// Cluster: time has passed; close what is due.
    Tick(Tick),
}

/// Makes an asset known. The reply's id is its [`AssetId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListAsset {
    /// Unique name, `BTC`.
    pub symbol: Symbol,
    /// Decimals of one ledger unit, `0 ..= 18`. Permanent.
    pub ledger_decimals: u8,
}

/// Creates a market. The reply's id is its [`MarketId`]; it trades when its cell has been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListMarket {
    /// Unique name, `BTCUSDT`.
    pub symbol: Symbol,
    /// What is traded.
    pub base: AssetId,
    /// What it is paid with.
    pub quote: AssetId,
    /// Where its cell lives.
    pub partition: PartitionId,
    /// Permanent decimals of one price unit.
    pub price_decimals: u8,
    /// Permanent decimals of one quantity unit.
    pub qty_decimals: u8,
    /// Filters.
    pub rules: MarketRules,
    /// The phase that it begins in.
    pub status: MarketStatus,
}

/// Moves a market to a phase. Resting orders stay; a plan that is going on ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetMarketStatus {
    /// Which market.
    pub market: MarketId,
    /// Any but [`MarketStatus::Delisted`].
    pub status: MarketStatus,
}

/// Opens an account. The reply's id is its [`AccountId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAccount {
    /// Unique name.
    pub name: AccountName,
    /// Charged when its resting order trades.
    pub maker_fee: FeeRate,
    /// Charged when its order takes.
    pub taker_fee: FeeRate,
}

crate::order::numbered! {
    /// How requests of an API key are signed.
    ApiKeyKind {
        /// HMAC-SHA256 with a shared secret, sealed in an envelope that only gateways can open.
        Hmac = 1,
        /// Ed25519; the key material is the 32-byte public key.
        Ed25519 = 2,
        /// RSASSA-PKCS1-v1_5 with SHA-256 and the public exponent 65,537; the key material is the length of the modulus in
        /// bytes (two bytes, the higher first) and the modulus, 256 to 512 bytes of it. What does not fit the first
        /// secret follows by [`ExtendApiKey`].
        Rsa = 3,
    }
}

/// What an API key may do. Bits: 1 read, 2 trade, 4 withdraw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(pub u8);

impl Permissions {
    /// Read private data.
    pub const READ: Permissions = Permissions(1);
    /// Place and cancel orders.
    pub const TRADE: Permissions = Permissions(2);
    /// Withdraw funds.
    pub const WITHDRAW: Permissions = Permissions(4);
    /// Read and trade.
    pub const READ_AND_TRADE: Permissions = Permissions(3);

    /// Whether all of `needed` is allowed.
    pub const fn allow(self, needed: Permissions) -> bool {
        self.0 & needed.0 == needed.0
    }
}

/// Gives an account an API key. The reply's id is its [`ApiKeyId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddApiKey {
    /// Whose key.
    pub account: AccountId,
    /// Its public name.
    pub key: ApiKeyText,
    /// How it signs.
    pub kind: ApiKeyKind,
    /// What it may do.
    pub permissions: Permissions,
    /// Sealed secret or public key.
    pub secret: Secret,
}

/// Takes an API key away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokeApiKey {
    /// The key's public name.
    pub key: ApiKeyText,
}

/// Books a deposit to free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Whose balance.
    pub account: AccountId,
    /// Of which asset.
    pub asset: AssetId,
    /// How much, above zero.
    pub amount: Amount,
}

/// Books a withdrawal from free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debit {
    /// Whose balance.
    pub account: AccountId,
    /// Of which asset.
    pub asset: AssetId,
    /// How much, above zero.
    pub amount: Amount,
}

/// A new order. The reply's id is its [`OrderId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    /// Whose order.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// How it meets the book.
    pub kind: OrderKind,
    /// What becomes of the rest. `Market`: `Ioc`; `LimitMaker`: `Gtc`.
    pub time_in_force: TimeInForce,
    /// What happens with orders of its own account.
    pub self_trade: SelfTradePrevention,
    /// The limit; for `Market` the protection price that the gateway stamped.
    pub price: Price,
    /// Base quantity. Zero exactly when `quote_qty` is given.
    pub qty: Qty,
    /// `Market` alone: how much quote to spend or to receive, in ledger units. Zero when `qty` is given.
    pub quote_qty: Amount,
    /// The client's name for it.
    pub client_order_id: ClientOrderId,
    /// The API key it was asked with, whose kill switch stops it; 0 for none.
    pub key: ApiKeyId,
    /// The client session whose end cancels it; 0 for none.
    pub session: ClientSessionId,
    /// When its client asked for it, in microseconds by the client's own clock ([`SealName`]); 0 of a client that does
    /// not say: any seal of the name refuses it.
    pub asked_us: u64,
}

/// Cancels one order, named by id or, when `order` is 0, by client order id. When no order has that name, it is sealed as
/// by [`SealName`] before `UnknownOrder` is said; it is `Busy` if that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelOrder {
    /// Whose order.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
    /// Its id, or 0.
    pub order: OrderId,
    /// Its client order id; looked at when `order` is 0.
    pub client_order_id: ClientOrderId,
    /// In which state of the order alone.
    pub restriction: CancelRestriction,
    /// The client's name for this cancel; empty when there is none.
    pub new_client_order_id: ClientOrderId,
    /// When its client asked, in microseconds by the client's own clock; 0 seals nothing.
    pub asked_us: u64,
}

/// Cancels every open order of an account in one market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelAll {
    /// Whose orders.
    pub account: AccountId,
    /// In which market.
    pub market: MarketId,
}

/// Gives the tables more rows. Every replica builds its state anew at this position: with a million open orders trading stands still for
/// about a second, with few it is not felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaiseCapacity {
    /// The rows of each table from now on; 0 leaves a table as it is. See [`Capacity::raised`].
    pub capacity: Capacity,
}

/// The cells behave by another version from here on. The leader sequences it on an operator's word, once every member has
/// said that it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetVersion {
    /// Which. What it changes is written where the cells are.
    pub version: u16,
}

/// Mail of another partition's outbox, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverMail {
    /// The sending partition.
    pub from: PartitionId,
    /// Which life of its log.
    pub incarnation: Incarnation,
    /// The number of the first mail; the rest follow without gaps.
    pub first: MailSequence,
    /// The greatest number of the receiver's own mail that the sender has applied; the receiver trims
    /// its outbox up to it.
    pub acknowledged: MailSequence,
    /// 1 to [`DeliverMail::MAIL_MAX`] mails.
    pub mail: Vec<Mail>,
}

impl DeliverMail {
    /// The most mails in one batch.
    pub const MAIL_MAX: usize = 4_096;
}

/// Tells a partition that another has applied its mail up to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckMail {
    /// The partition that has received the mail.
    pub from: PartitionId,
    /// Which life of the addressed partition's log sent the mail.
    pub incarnation: Incarnation,
    /// The greatest number applied.
    pub acknowledged: MailSequence,
}

/// Time has passed: the entry's timestamp is all it says. Proposed by the leader when
/// something in the partition is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick;

/// The direct answer to a command, cached with its session for resends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Done, or on its way: a new order is held for and mailed, its outcome follows as events.
    Accepted {
        /// The id that the command created or named; 0 when there is none.
        id: u64,
    },
    /// Refused; nothing changed, but that a name which nothing has is sealed.
    Rejected {
        /// Why.
        reason: RejectReason,
        /// What the reason speaks of, such as the order with the same client order id; of `OrderRateExceeded` in how many
        /// milliseconds of log time the next window begins; 0 when nothing.
        id: u64,
    },
}
