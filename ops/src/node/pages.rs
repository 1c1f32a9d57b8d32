//! A node's pages: `/livez`, `/readyz`, `/metrics`, `/status`, `/digest?partition=N`, `/audit`, `/backup`.
//!
//! Amounts are text: they exceed what readers of JSON keep exact.

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use node::{AssetBooks, NodeHandle};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::backup::shipper::LaneStatus;

type Handle = State<Arc<NodeHandle>>;
/// What this node's shipper says of each partition.
type Shipped = Arc<Mutex<Vec<LaneStatus>>>;

/// Serves the pages until the task is dropped.
pub async fn serve(listener: TcpListener, handle: Arc<NodeHandle>, shipped: Option<Shipped>) {
    let pages = Router::new()
        .route("/livez", get(async || "live\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/digest", get(digest))
        .route("/audit", get(audit))
        .with_state(handle)
        .merge(Router::new().route("/backup", get(backup)).with_state(shipped));
    if let Err(error) = axum::serve(listener, pages).await {
        tracing::error!(%error, "the status pages ended");
    }
}

/// Questions wait for partition threads, so they are asked off this thread.
async fn ask<A: Send + 'static>(
    handle: Arc<NodeHandle>,
    question: impl FnOnce(&NodeHandle) -> A + Send + 'static,
) -> Result<A, StatusCode> {
    tokio::task::spawn_blocking(move || question(&handle)).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn readyz(State(handle): Handle) -> Result<Response, StatusCode> {
    let status = ask(handle, NodeHandle::status).await?;
    Ok(match status.ready {
        true => (StatusCode::OK, "ready\n").into_response(),
        false if status.disk != "enough" => {
            let what =
                if status.disk == "full" { "it writes nothing until there is more" } else { "others are to lead" };
            let why = format!("not ready: the disk is {}, {} bytes are free: {what}\n", status.disk, status.disk_free);
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
        false => {
            let why = "not ready: a partition has no leader, or this node is catching up; see /status\n";
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
    })
}

async fn metrics(State(handle): Handle) -> Result<Response, StatusCode> {
    let text = ask(handle, NodeHandle::metrics).await?;
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    Ok((kind, text).into_response())
}

async fn status(State(handle): Handle) -> Result<Response, StatusCode> {
    Ok(Json(ask(handle, NodeHandle::status).await?).into_response())
}

#[derive(Debug, Deserialize)]
struct OfPartition {
    partition: Option<u16>,
}

/// One replica's digest, or without `partition` every one's.
async fn digest(State(handle): Handle, Query(of): Query<OfPartition>) -> Result<Response, StatusCode> {
    let digests = ask(handle, NodeHandle::digests).await?;
    Ok(match of.partition {
        None => Json(digests).into_response(),
        Some(partition) => match digests.into_iter().find(|digest| digest.partition == partition) {
            Some(digest) => Json(digest).into_response(),
            None => (StatusCode::NOT_FOUND, "no replica of this partition answers here\n").into_response(),
        },
    })
}

#[derive(Debug, Serialize)]
struct Audit {
    partition: u16,
    position: u64,
    assets: Vec<AssetTotals>,
}

#[derive(Debug, Serialize)]
struct AssetTotals {
    asset: String,
    free: String,
    held: String,
    fees: String,
    clearing: String,
    deposits: String,
    withdrawals: String,
    /// Whether free + held + fees + clearing = deposits - withdrawals.
    conserved: bool,
}

impl From<&AssetBooks> for AssetTotals {
    fn from(audit: &AssetBooks) -> AssetTotals {
        AssetTotals {
            asset: audit.asset.to_string(),
            free: audit.free.to_string(),
            held: audit.held.to_string(),
            fees: audit.fees.to_string(),
            clearing: audit.clearing.to_string(),
            deposits: audit.deposits.to_string(),
            withdrawals: audit.withdrawals.to_string(),
            conserved: audit.conserved,
        }
    }
}

/// What was shipped, where the node ships.
async fn backup(State(shipped): State<Option<Shipped>>) -> Response {
    match shipped {
        Some(shipped) => Json(shipped.lock().map(|lanes| lanes.clone()).unwrap_or_default()).into_response(),
        None => (StatusCode::NOT_FOUND, "this node ships to no backup\n").into_response(),
    }
}

/// The totals of the ledger cell, in ledger units by asset id.
async fn audit(State(handle): Handle) -> Result<Response, StatusCode> {
    let audits = ask(handle.clone(), NodeHandle::audits).await?;
    let ledger = ask(handle, |handle| handle.status().ledger).await?;
    let Some(audit) = audits.iter().find(|audit| audit.partition == ledger) else {
        return Ok((StatusCode::SERVICE_UNAVAILABLE, "the ledger's partition does not answer\n").into_response());
    };
    let assets = audit.assets.iter().map(AssetTotals::from).collect();
    Ok(Json(Audit { partition: audit.partition, position: audit.position, assets }).into_response())
}
