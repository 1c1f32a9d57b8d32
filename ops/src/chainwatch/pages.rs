//! The pages of a chainwatch: `/livez`, `/readyz`, `/metrics`, `/status`.

use std::collections::BTreeSet;
use std::time::Duration;

use ::chainwatch::audit::{Comparison, Named, Reserves};
use ::chainwatch::deposits::{Progress, why_frozen};
use ::chainwatch::pool::{Agreement, Standing};
use ::chainwatch::watch::Watch;
use ::chainwatch::withdrawals::{self, Hindrance, Unfunded};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use wire::event::WithdrawalChanged;
use wire::{AssetId, ChainFreeze, ReservesStanding, WithdrawalId};

use super::{Shared, Watched};
use crate::operator::refusal;

/// An instance whose last good round is older does not do its work.
const BEAT_MAX: Duration = Duration::from_secs(5);

/// What a chainwatch says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Its chains, in the order of its file.
    pub chains: Vec<ChainStatus>,
}

/// One chain.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChainStatus {
    /// Its name.
    pub chain: String,
    /// Its number in the ledger.
    pub id: Option<u16>,
    /// `active` holds the claim, `standby` follows and waits, `starting` does neither yet.
    pub role: String,
    /// The claim that it holds.
    pub fence: Option<u64>,
    /// The agreed head's height and hash.
    pub head: Option<Block>,
    /// What is final.
    pub finalized: Option<Block>,
    /// Why nothing is credited or withdrawn.
    pub frozen: Option<String>,
    /// The height of the last block that was followed.
    pub followed: Option<u64>,
    /// Its withdrawals; `None` where nobody signs them.
    #[serde(default)]
    pub withdrawals: Option<WithdrawalStatus>,
    /// What it has of each asset, and what it should have.
    #[serde(default)]
    pub reserves: Vec<ReserveStatus>,
    /// What people call its assets.
    #[serde(default)]
    pub assets: Vec<AssetStatus>,
    /// Its nodes.
    pub nodes: Vec<NodeStatus>,
}

/// How amounts of an asset on a chain are told to people.
#[derive(Debug, Serialize, Deserialize)]
pub struct AssetStatus {
    /// Its number in the ledger.
    pub asset: u16,
    /// Its name there.
    pub symbol: String,
    /// Decimals of the chain's smallest unit.
    pub decimals: u8,
}

/// What a chain has of an asset after a final block beside what it should have by the log, in the chain's units.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReserveStatus {
    /// The asset's number in the ledger.
    pub asset: u16,
    /// `whole`; `short`: withdrawals are halted; `found`: they are until an operator thaws them.
    pub standing: String,
    /// The height of the final block.
    pub height: u64,
    /// Up to which position of the log.
    pub position: u64,
    /// What a majority of nodes says is there.
    pub held: String,
    /// What deposits have brought and withdrawals have not taken, by the books.
    pub booked: String,
    /// What the chain has and the books have not yet, or, below zero, the other way round.
    pub in_flight: String,
    /// What operators have declared.
    pub declared: String,
    /// What is there beyond the sum of these three; below zero, what is missing.
    pub drift: String,
    /// What the ledger owes of the asset to all accounts and the house, by whatever way it came.
    pub owed: String,
}

/// A chain's withdrawals.
#[derive(Debug, Serialize, Deserialize)]
pub struct WithdrawalStatus {
    /// Those that are not over.
    pub open: usize,
    /// Those that an operator has to look at: stuck, conflicted, or settled and not on the chain any more.
    pub for_operators: Vec<u64>,
    /// Those that cannot be paid for now, or whose last step was not taken, and why: a name, or words.
    pub waiting: Vec<(u64, String)>,
    /// Transactions on the chain that keys of ours have signed and the log does not know, as the chain prints them.
    #[serde(default)]
    pub unknown_spendings: Vec<String>,
    /// The hot wallet, by assets that have bounds.
    #[serde(default)]
    pub hot: Vec<HotStatus>,
}

/// What the hot wallet has of an asset, in the chain's units.
#[derive(Debug, Serialize, Deserialize)]
pub struct HotStatus {
    /// The asset's number in the ledger.
    pub asset: u16,
    /// What no transaction on its way takes.
    pub balance: String,
    /// `low`: withdrawals wait; `high`: the rest goes to the cold address; else `within`.
    pub standing: String,
}

/// A block.
#[derive(Debug, Serialize, Deserialize)]
pub struct Block {
    /// Its height.
    pub height: u64,
    /// Its hash, as the chain prints it.
    pub hash: String,
}

/// One node of a chain.
#[derive(Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// What the pool thinks of it.
    pub verdict: String,
    /// Its head's height, as far as its word is fresh.
    pub head: Option<u64>,
    /// Blocks behind the agreed head.
    pub lag: u64,
    /// Nine of ten answers took no longer, in microseconds.
    pub p90_us: Option<u64>,
    /// Requests that it was sent.
    pub requests: u64,
}

pub async fn serve(listener: TcpListener, shared: Shared) {
    let pages = Router::new()
        .route("/livez", get(async || "live\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(async |State(shared): State<Shared>| Json(status(&shared))))
        .with_state(shared);
    if let Err(error) = axum::serve(listener, pages).await {
        tracing::error!(%error, "the status pages ended");
    }
}

/// Ready is who does its work, active or standing by. A chain that is frozen is not its fault.
async fn readyz(State(shared): State<Shared>) -> Response {
    let lacks: Vec<String> = shared.symbols.iter().filter_map(|symbol| lack(&shared, symbol)).collect();
    if lacks.is_empty() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, lacks.concat()).into_response()
    }
}

fn lack(shared: &Shared, symbol: &str) -> Option<String> {
    let Some(watched) = shared.watched(symbol) else { return Some(format!("{symbol} is still starting\n")) };
    let beat_at = watched.progress.borrow().beat_at;
    let is_working = beat_at.is_some_and(|at| at.elapsed() <= BEAT_MAX);
    (!is_working).then(|| format!("{symbol} has not been worked on for {BEAT_MAX:?}\n"))
}

async fn metrics(State(shared): State<Shared>) -> Result<Response, StatusCode> {
    let mut text = String::new();
    encode(&mut text, &shared.registry).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    Ok((kind, text).into_response())
}

fn status(shared: &Shared) -> Status {
    let chains = shared.symbols.iter().map(|symbol| match shared.watched(symbol) {
        Some(watched) => of_chain(symbol, &watched),
        None => ChainStatus {
            chain: symbol.clone(),
            id: None,
            role: "starting".into(),
            fence: None,
            head: None,
            finalized: None,
            frozen: None,
            followed: None,
            withdrawals: None,
            reserves: Vec::new(),
            assets: Vec::new(),
            nodes: Vec::new(),
        },
    });
    Status { name: shared.name.clone(), pid: std::process::id(), chains: chains.collect() }
}

fn of_chain(symbol: &str, Watched { chain, watch, progress, withdrawals, reserves }: &Watched) -> ChainStatus {
    let Agreement { head, finalized, frozen, .. } = watch.agreement();
    let Progress { fence, followed, told, .. } = *progress.borrow();
    ChainStatus {
        chain: symbol.to_string(),
        id: Some(chain.get()),
        role: if fence == 0 { "standby" } else { "active" }.into(),
        fence: (fence != 0).then_some(fence),
        head: head.map(|head| block(watch, head)),
        finalized: finalized.map(|finalized| block(watch, finalized)),
        frozen: frozen.map(|reason| reason.name().to_string()).or_else(|| frozen_by_ledger(symbol, told)),
        followed: Some(followed),
        withdrawals: withdrawals.as_ref().map(|standing| of_withdrawals(watch, &standing.borrow())),
        reserves: of_reserves(&reserves.borrow()),
        assets: reserves.borrow().named.iter().map(of_asset).collect(),
        nodes: watch.standings().iter().map(of_node).collect(),
    }
}

/// Nodes agree, and the ledger has the chain frozen all the same.
fn frozen_by_ledger(symbol: &str, told: ChainFreeze) -> Option<String> {
    let why = why_frozen(told);
    match told {
        ChainFreeze::Thawed => None,
        _ if told.is_for_operators() => Some(format!("{why}; mainstay ctl chain thaw {symbol} once you have looked")),
        _ => Some(format!("{why}, until the ledger has heard that it is over")),
    }
}

fn block(watch: &Watch, head: ::chainwatch::Head) -> Block {
    Block { height: head.height.0, hash: watch.rules().hash_text(head.hash.0) }
}

fn of_withdrawals(watch: &Watch, standing: &withdrawals::Standing) -> WithdrawalStatus {
    // Of what goes together the batch is told.
    let is_for_them = |row: &&WithdrawalChanged| row.stage.is_for_operators() && row.batch == WithdrawalId::default();
    let for_operators = standing.open.iter().filter(is_for_them);
    let waiting = standing.unfunded.iter().filter(|(_, why)| *why != Unfunded::InTurn);
    let waiting: Vec<(u64, String)> = waiting.map(|(id, why)| (id.get(), why.name().to_string())).collect();
    let told: BTreeSet<u64> = waiting.iter().map(|(id, _)| *id).collect();
    let refused = standing.refused.iter().filter(|(id, _)| !told.contains(&id.get()));
    let refused: Vec<(u64, String)> = refused.map(|(id, why)| (id.get(), hindrance(why))).collect();
    WithdrawalStatus {
        open: standing.open.len(),
        for_operators: for_operators
            .map(|row| row.withdrawal)
            .chain(standing.reverted.iter().copied())
            .map(|id| id.get())
            .collect(),
        waiting: waiting.into_iter().chain(refused).collect(),
        unknown_spendings: standing.strangers.iter().map(|tx| watch.rules().hash_text(tx.0)).collect(),
        hot: standing.hot.iter().map(of_hot).collect(),
    }
}

/// Of the ledger's word, what an operator can do about it.
fn hindrance(why: &Hindrance) -> String {
    match why {
        Hindrance::LedgerRefuses(reason) => format!("the ledger refuses it: {}", refusal(*reason, 0)),
        other => other.to_string(),
    }
}

fn of_reserves(reserves: &Reserves) -> Vec<ReserveStatus> {
    let of = |now: &Comparison| ReserveStatus {
        asset: now.asset.get(),
        standing: match reserves.standings.get(&now.asset) {
            Some(ReservesStanding::Short) => "short",
            Some(ReservesStanding::Found) => "found",
            _ => "whole",
        }
        .into(),
        height: now.block.height.0,
        position: now.position.get(),
        held: now.held.to_string(),
        booked: now.booked.to_string(),
        in_flight: now.in_flight.to_string(),
        declared: now.brought.to_string(),
        drift: now.drift().to_string(),
        owed: now.owed.to_string(),
    };
    reserves.comparisons.iter().map(of).collect()
}

fn of_asset((asset, named): (&AssetId, &Named)) -> AssetStatus {
    AssetStatus { asset: asset.get(), symbol: named.symbol.to_string(), decimals: named.decimals }
}

fn of_hot(hot: &withdrawals::Hot) -> HotStatus {
    let standing = match (hot.is_low(), hot.is_high()) {
        (true, _) => "low",
        (_, true) => "high",
        _ => "within",
    };
    HotStatus { asset: hot.asset.get(), balance: hot.balance.to_string(), standing: standing.into() }
}

fn of_node(standing: &Standing) -> NodeStatus {
    NodeStatus {
        node: standing.name.clone(),
        verdict: standing.verdict.name().to_string(),
        head: standing.height.map(|height| height.0),
        lag: standing.behind,
        p90_us: standing.p90.and_then(|p90| u64::try_from(p90.as_micros()).ok()),
        requests: standing.requests,
    }
}
