//! Withdrawals, as clients of `/sapi/v1/capital` ask for them. As on Binance the amount that is asked for includes the
//! fee: what arrives is less.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use wire::command::{Reply, RequestWithdrawal};
use wire::decimal::{self, DecimalError};
use wire::event::WithdrawalChanged;
use wire::{
    AccountId, Amount, ChainAddress, ChainHash, ChainId, ClientOrderId, Command, RejectReason, Timestamp,
    WithdrawalCause, WithdrawalId, WithdrawalStage,
};

use super::Call;
use super::capital::{HISTORY_DAYS, amount_text, asset, tx_text, window};
use super::networks::{Terms, closed};
use crate::accounts::Accounts;
use crate::addresses;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::history::{Page, WithdrawalsWanted};
use crate::market_data::interval::date_text;
use crate::names;
use crate::order_entry::parse;
use crate::params::{self, Params};
use crate::reference::{Asset, Reference};

const HISTORY_MAX: usize = 1_000;
const IDS_MAX: usize = 50;
/// The longest time that a history covers when it is asked for by name; [`HISTORY_DAYS`] else.
const NAMED_DAYS: u64 = 7;
/// What the names of withdrawals begin with to which their clients gave none.
const UNNAMED: &str = "auto:";

/// What was asked for, in the exchange's own words.
struct Wanted {
    chain: ChainId,
    asset: Asset,
    address: ChainAddress,
    /// With the fee.
    total: Amount,
    terms: Terms,
    /// Why it cannot be had now; what was asked for before is still told of.
    closed: bool,
}

/// `POST capital/withdraw/apply`. The same request under the same `withdrawOrderId` is one withdrawal.
pub(super) fn apply(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let name = name(&mut params)?;
        call.gateway.up_to_date().await?;
        let wanted = {
            let accounts = call.gateway.exchange.accounts();
            wanted(&accounts, &call.gateway.exchange.reference(), &mut params)?
        };
        params.finish()?;
        let repeated = |name| {
            let accounts = call.gateway.exchange.accounts();
            accounts.withdrawals().named(caller.account, name).map(|known| wanted.repeats(known))
        };
        if let Some(answer) = name.and_then(repeated) {
            return answer;
        }
        let request = wanted.request(caller.account, name.unwrap_or_else(|| generated_name(&call.gateway)))?;
        let command = Command::RequestWithdrawal(Box::new(request));
        let deadline = call.gateway.surroundings.now() + call.gateway.limits.order_timeout;
        let replied = call.gateway.spend(caller.account, &command, deadline).await;
        match replied.map_err(ApiError::from)?.reply {
            Reply::Accepted { id } => Ok(id_text(id)),
            // Asked for meanwhile by another gateway, or under another fee.
            Reply::Rejected { reason: RejectReason::WithdrawalExists, .. } => {
                call.gateway.up_to_date().await?;
                match repeated(request.name) {
                    Some(answer) => answer,
                    // So long ago that memory has forgotten it.
                    None => wanted.repeats_forgotten(&call.gateway, caller.account, request.name).await,
                }
            }
            Reply::Rejected { reason, .. } => Err(refusal(reason, &wanted.terms, &wanted.asset)),
        }
    }
    .boxed()
}

fn id_text(id: u64) -> String {
    json!({ "id": id.to_string() }).to_string()
}

/// The client's own name for it.
fn name(params: &mut Params) -> Result<Option<ClientOrderId>, ApiError> {
    let Some(text) = params.take("withdrawOrderId")? else { return Ok(None) };
    let known = ClientOrderId::new(text.as_bytes()).ok().filter(ClientOrderId::is_client_order_id);
    let name = known.ok_or_else(|| ApiError::illegal_characters("withdrawOrderId", params::CLIENT_ORDER_ID_RANGE))?;
    if text.starts_with(UNNAMED) { Err(ApiError::invalid_data("withdrawOrderId")) } else { Ok(Some(name)) }
}

fn generated_name(gateway: &Gateway) -> ClientOrderId {
    let text = format!("{UNNAMED}{}", parse::generated_id(gateway));
    ClientOrderId::new(text.as_bytes()).expect("it is short, and of letters, digits and a colon")
}

fn wanted(accounts: &Accounts, reference: &Reference, params: &mut Params) -> Result<Wanted, ApiError> {
    let coin = params.required("coin")?;
    let address = params.required("address")?;
    let amount = params.required("amount")?;
    let network = params.take("network")?;
    let tag = params.take("addressTag")?;
    // Of transfers within Binance, and of its address book.
    params.flag("transactionFeeFlag")?;
    params.take("name")?;
    if params.integer("walletType")?.is_some_and(|wallet| wallet != 0) {
        return Err(ApiError::invalid_data("walletType"));
    }
    if amount.len() > 41 || matches!(decimal::parse(&amount, 0), Err(DecimalError::Malformed)) {
        return Err(ApiError::illegal_characters("amount", params::DECIMAL_RANGE));
    }
    let asset = *reference.asset(asset(reference, &coin)?).ok_or(errors::NO_SUCH_COIN)?;
    let mut networks = accounts.chains().networks(asset.id);
    let found = networks.find(|(chain, _)| network.as_deref().is_none_or(|name| name == chain.symbol.as_str()));
    let (chain, listed) = found.ok_or(errors::NOT_OPEN_FOR_WITHDRAWAL)?;
    let terms = Terms::of(accounts, &asset, listed).ok_or(errors::NOT_OPEN_FOR_WITHDRAWAL)?;
    if tag.is_some() {
        return Err(errors::TAG_NOT_SUPPORTED);
    }
    let address = addresses::canonical(&chain.addresses, &address).ok_or(errors::ILLEGAL_ADDRESS)?;
    // Who sends a token to its own contract has lost it.
    let is_contract = |of: &str| of.eq_ignore_ascii_case(address.as_str());
    if accounts.chains().contracts(chain.id).any(|contract| is_contract(contract.as_str())) {
        return Err(errors::ILLEGAL_ADDRESS);
    }
    let total = match decimal::parse(&amount, terms.decimals) {
        Ok(units) => i128::from(units) * 10_i128.pow(u32::from(asset.ledger_decimals - terms.decimals)),
        Err(DecimalError::TooManyDecimals) => return Err(ApiError::not_a_multiple(&terms.step())),
        Err(DecimalError::TooLarge) => return Err(errors::BEYOND_THE_MAXIMUM),
        Err(DecimalError::Malformed) => return Err(ApiError::illegal_characters("amount", params::DECIMAL_RANGE)),
    };
    let total = Amount::from_wide(total).ok_or(errors::BEYOND_THE_MAXIMUM)?;
    let closed = closed(accounts, asset.id, chain, Some(&terms)).is_some();
    Ok(Wanted { chain: chain.id, asset, address, total, terms, closed })
}

impl Wanted {
    /// The answer to it under the name of an earlier one.
    fn repeats(&self, known: &WithdrawalChanged) -> Answer {
        let is_same = (known.chain, known.asset, known.address) == (self.chain, self.asset.id, self.address)
            && known.amount.wide() + known.fee.wide() == self.total.wide();
        if is_same { Ok(id_text(known.withdrawal.get())) } else { Err(errors::WITHDRAW_ORDER_ID_TAKEN) }
    }

    async fn repeats_forgotten(&self, gateway: &Gateway, account: AccountId, name: ClientOrderId) -> Answer {
        let page = Page { from: None, start_ms: None, end_ms: None, limit: 1 };
        let wanted = WithdrawalsWanted { asset: None, status: None, name: Some(name), ids: None, page, offset: 0 };
        let known = gateway.past_withdrawals(account, &wanted).await?;
        known.first().map_or(Err(errors::WITHDRAW_ORDER_ID_TAKEN), |known| self.repeats(known))
    }

    fn request(&self, account: AccountId, name: ClientOrderId) -> Result<RequestWithdrawal, ApiError> {
        let Wanted { chain, asset, address, total, terms, closed } = self;
        if *closed {
            return Err(errors::NOT_OPEN_FOR_WITHDRAWAL);
        }
        let arrives = Amount::from_wide(total.wide() - terms.rules.fee.wide()).filter(|arrives| !arrives.is_zero());
        let amount = arrives.ok_or(errors::NOT_MORE_THAN_THE_FEE)?;
        if total.wide() < terms.min() {
            return Err(refusal(RejectReason::WithdrawalTooSmall, terms, asset));
        }
        if total.wide() > terms.max() {
            return Err(errors::BEYOND_THE_MAXIMUM);
        }
        Ok(RequestWithdrawal { account, chain: *chain, asset: asset.id, address: *address, amount, name })
    }
}

/// What a refusal of the ledger is to the client of a withdrawal.
fn refusal(reason: RejectReason, terms: &Terms, asset: &Asset) -> ApiError {
    match reason {
        RejectReason::WithdrawalTooSmall => {
            ApiError::below_the_minimum(&amount_text(terms.min().unsigned_abs(), asset.ledger_decimals))
        }
        RejectReason::BadWithdrawalAmount => ApiError::not_a_multiple(&terms.step()),
        RejectReason::InsufficientBalance => errors::NOT_ENOUGH_TO_WITHDRAW,
        RejectReason::AccountKilled => errors::WITHDRAWALS_LIMITED,
        RejectReason::UnknownChain | RejectReason::UnknownChainAsset => errors::NOT_OPEN_FOR_WITHDRAWAL,
        reason => reason.into(),
    }
}

/// `GET capital/withdraw/history`: the caller's withdrawals, the newest first.
pub(super) fn history(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let coin = params.take("coin")?;
        let name = params.take("withdrawOrderId")?;
        let status = params.integer("status")?;
        if status.is_some_and(|status| status > 6) {
            return Err(ApiError::invalid_data("status"));
        }
        let ids = ids(&mut params)?;
        let days = if name.is_some() { NAMED_DAYS } else { HISTORY_DAYS };
        let (from_ms, to_ms) = window(&mut params, days, call.gateway.now_us() / 1_000)?;
        let offset = params.integer("offset")?.unwrap_or(0);
        let limit = params.limit(HISTORY_MAX, HISTORY_MAX)?;
        params.finish()?;
        let asset = coin.map(|coin| asset(&call.gateway.exchange.reference(), &coin)).transpose()?;
        let name = match name.map(|name| ClientOrderId::new(name.as_bytes())) {
            Some(Err(_)) => return Ok("[]".into()),
            name => name.and_then(Result::ok),
        };
        let page = Page { from: None, start_ms: Some(from_ms), end_ms: Some(to_ms), limit };
        let wanted = WithdrawalsWanted { asset, status, name, ids, page, offset };
        let withdrawals = call.gateway.past_withdrawals(caller.account, &wanted).await?;
        let (accounts, reference) = (call.gateway.exchange.accounts(), call.gateway.exchange.reference());
        let rows: Vec<Value> = withdrawals.iter().filter_map(|row| shown(&accounts, &reference, row)).collect();
        Ok(Value::Array(rows).to_string())
    }
    .boxed()
}

/// The ids that are asked for, separated by commas. What is no id of ours names nothing.
fn ids(params: &mut Params) -> Result<Option<Vec<WithdrawalId>>, ApiError> {
    let Some(list) = params.take("idList")? else { return Ok(None) };
    let ids: Vec<&str> = list.split(',').map(str::trim).collect();
    if ids.len() > IDS_MAX {
        return Err(ApiError::invalid_data("idList"));
    }
    let known = ids.iter().filter_map(|text| text.parse().ok().filter(|id: &u64| id.to_string() == *text));
    Ok(Some(known.map(WithdrawalId::new).collect()))
}

fn shown(accounts: &Accounts, reference: &Reference, row: &WithdrawalChanged) -> Option<Value> {
    let chain = accounts.chains().chain(row.chain)?;
    let asset = reference.asset(row.asset)?;
    let text = |amount: Amount| amount_text(amount.wide().unsigned_abs(), asset.ledger_decimals);
    let is_known = row.tx != ChainHash::default();
    let mut shown = json!({
        "id": row.withdrawal.to_string(),
        "amount": text(row.amount),
        "transactionFee": text(row.fee),
        "coin": asset.symbol.as_str(),
        "status": names::withdrawal_status(row.stage, row.cause),
        "address": row.address.as_str(),
        "addressTag": "",
        "txId": if is_known { tx_text(row.tx, &chain.addresses) } else { String::new() },
        "applyTime": date_text(millis(row.requested_at)),
        "network": chain.symbol.as_str(),
        "transferType": 0,
        "info": info(row),
        "confirmNo": row.confirmations,
        "walletType": 0,
        "txKey": "",
    });
    if !row.name.as_str().starts_with(UNNAMED) {
        shown["withdrawOrderId"] = row.name.as_str().into();
    }
    if row.stage.is_final() {
        shown["completeTime"] = date_text(millis(row.changed_at)).into();
    }
    Some(shown)
}

/// Why it did not go out.
fn info(row: &WithdrawalChanged) -> &'static str {
    match row.cause {
        WithdrawalCause::None => "",
        WithdrawalCause::Client => "Canceled by the account.",
        WithdrawalCause::Operator if row.stage == WithdrawalStage::Canceled => "Rejected by an operator.",
        WithdrawalCause::Operator => "Its transaction can no longer be mined.",
        WithdrawalCause::SignerRefused => "It could not be signed. Please confirm the address with the recipient.",
        WithdrawalCause::Undone => "The network has executed the transaction and undone what it did.",
        WithdrawalCause::Orphaned | WithdrawalCause::Disbanded => "It was not needed any more.",
    }
}

fn millis(at: Timestamp) -> u64 {
    at.nanos() / 1_000_000
}
