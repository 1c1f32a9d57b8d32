//! The task of one node's connection: connects when told, carries bytes both ways, tells of its end.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use wire::NodeId;

use super::Shared;
use super::dial::{Dialer, Link};

const READ_BUFFER_LEN: usize = 64 * 1024;

pub(super) async fn run(shared: Arc<Shared>, dialer: Arc<Dialer>, node: NodeId) {
    let Some(changed) = shared.lock().connections.get(&node).map(|connection| connection.changed.clone()) else {
        return;
    };
    loop {
        while !begin(&shared, node) {
            changed.notified().await;
        }
        match dialer.dial(node).await {
            Ok(stream) => {
                tracing::debug!(%node, "connected");
                with_core(&shared, |core| core.client.on_connected(node, Instant::now()));
                let (reading, writing) = tokio::io::split(stream);
                let end = tokio::select! {
                    end = read(&shared, node, reading) => end,
                    end = write(&shared, node, &changed, writing) => end,
                };
                tracing::debug!(%node, ?end, "disconnected");
            }
            Err(error) => tracing::debug!(%node, %error, "cannot connect"),
        }
        with_core(&shared, |core| core.client.on_closed(node, Instant::now()));
    }
}

fn with_core(shared: &Shared, what: impl FnOnce(&mut super::Core)) {
    let mut core = shared.lock();
    what(&mut core);
    core.settle(&shared.timer);
}

/// Whether to connect now.
fn begin(shared: &Shared, node: NodeId) -> bool {
    let mut core = shared.lock();
    let Some(connection) = core.connections.get_mut(&node) else {
        return false;
    };
    connection.must_close = false;
    std::mem::take(&mut connection.must_connect)
}

async fn read(shared: &Shared, node: NodeId, mut from: ReadHalf<Link>) -> io::Result<()> {
    let mut buffer = vec![0; READ_BUFFER_LEN];
    loop {
        let len = from.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        with_core(shared, |core| core.client.on_bytes(node, &buffer[..len], Instant::now()));
    }
}

async fn write(
    shared: &Shared,
    node: NodeId,
    changed: &tokio::sync::Notify,
    mut to: WriteHalf<Link>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        {
            let mut core = shared.lock();
            let Some(connection) = core.connections.get_mut(&node) else {
                return Ok(());
            };
            if connection.must_close {
                return Ok(());
            }
            connection.knows_of_bytes = false;
            core.client.take_bytes(node, &mut bytes);
        }
        if bytes.is_empty() {
            changed.notified().await;
        } else {
            to.write_all(&bytes).await?;
            to.flush().await?;
        }
    }
}
