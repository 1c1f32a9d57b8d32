//! Market streams over one connection that comes back by itself. After a break it says so: what was sent in
//! between is missing, and a book built from it has to be checked.

use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{backoff, beginning};

#[cfg(test)]
mod tests;

/// Messages that may wait for their reader; a reader that is slower delays the connection.
const QUEUE: usize = 65_536;

/// What a connection yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamItem {
    /// The streams flow from here on; everything between the message before and the next may be missing.
    Connected,
    /// Diffs of the book.
    Depth(DepthUpdate),
    /// A trade.
    Trade(Trade),
}

/// A `depthUpdate`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DepthUpdate {
    /// First update in it.
    #[serde(rename = "U")]
    pub first: u64,
    /// Last update in it.
    #[serde(rename = "u")]
    pub last: u64,
    /// Price and new quantity of bid levels; zero removes.
    #[serde(rename = "b")]
    pub bids: Vec<(String, String)>,
    /// Price and new quantity of ask levels; zero removes.
    #[serde(rename = "a")]
    pub asks: Vec<(String, String)>,
}

/// A `trade`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Trade {
    /// The market's number of the trade.
    #[serde(rename = "t")]
    pub id: u64,
    /// Price.
    #[serde(rename = "p")]
    pub price: String,
    /// Base quantity.
    #[serde(rename = "q")]
    pub qty: String,
    /// Whether the buyer's order rested: the taker sold.
    #[serde(rename = "m")]
    pub buyer_is_maker: bool,
}

#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    e: Option<std::borrow::Cow<'a, str>>,
}

/// Subscribes to `streams` of the first of the base URLs `bases` that takes it. Ends when the receiver is
/// dropped.
pub fn subscribe(bases: Vec<String>, streams: &[String]) -> mpsc::Receiver<StreamItem> {
    assert!(!bases.is_empty(), "a stream needs an address");
    let path = format!("/stream?streams={}", streams.join("/"));
    let (items, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut attempt: u32 = 0;
        while !items.is_closed() {
            let url = format!("{}{path}", bases[attempt as usize % bases.len()]);
            match tokio_tungstenite::connect_async_with_config(&url, None, true).await {
                Ok((mut socket, _)) => {
                    attempt = 0;
                    if items.send(StreamItem::Connected).await.is_err() {
                        return;
                    }
                    loop {
                        let message = tokio::select! {
                            message = socket.next() => message,
                            () = items.closed() => return,
                        };
                        match message {
                            Some(Ok(Message::Text(text))) => {
                                let Some(item) = parse(&text) else { continue };
                                if items.send(item).await.is_err() {
                                    return;
                                }
                            }
                            Some(Ok(_)) => {}
                            Some(Err(_)) | None => break,
                        }
                    }
                }
                Err(error) => tracing::debug!(%error, url, "no connection to the market streams"),
            }
            tokio::time::sleep(backoff(attempt)).await;
            attempt = attempt.saturating_add(1);
        }
    });
    receiver
}

/// The item in one combined-stream message; `None` for other kinds of message.
pub fn parse(text: &str) -> Option<StreamItem> {
    let kind = serde_json::from_str::<Combined<Kind<'_>>>(text).ok()?.data.e;
    let item = match kind.as_deref() {
        Some("depthUpdate") => serde_json::from_str::<Combined<DepthUpdate>>(text).map(|m| StreamItem::Depth(m.data)),
        Some("trade") => serde_json::from_str::<Combined<Trade>>(text).map(|m| StreamItem::Trade(m.data)),
        _ => return None,
    };
    item.inspect_err(|error| tracing::warn!(%error, text = beginning(text), "unreadable stream message")).ok()
}
