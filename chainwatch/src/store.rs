//! What following a chain leaves behind on disk: the last blocks connected, with what it takes to undo them.
//!
//! Everything here can be rebuilt from the chain and the log; losing it costs time, not money. That is why it may lie in
//! `sled`. A record is little-endian; its key is the block's height, big-endian, so that order is height.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | format, 3 |
//! | 1 | 32 | hash |
//! | 33 | 32 | parent |
//! | 65 | 8 | time, seconds |
//! | 73 | 16 | chain work |
//! | 89 | 4 | bits |
//! | 93 | 4 | count of transfers |
//! | 97 | | transfers: tx (32), output (4), asset (1, then 20 of a token), amount (16), length of the destination (2), destination |
//! | | | spendings: tx (32), execution (1, then nonce (8), network fee (16), undone (1)), key (4), count of outputs (4), outputs: tx (32), output (4) |

use std::path::Path;
use std::time::{Duration, Instant};

use crate::chain::{ChainAsset, Destination, Execution, Transfer};
use crate::tree::Placed;
use crate::{BlockHash, DepositId, Head, Height, TxId};

const FORMAT: u8 = 3;
/// How long another's lock is waited for, and how often it is tried.
const LOCKED_MAX: Duration = Duration::from_secs(5);
const LOCKED_PAUSE: Duration = Duration::from_millis(20);

/// A block that was connected, and what its listener wanted to remember of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedBlock {
    /// The block, with what it takes to be the root of a new tree.
    pub placed: Placed,
    /// What of it was kept: undone when it is disconnected.
    pub kept: Kept,
}

/// What a listener wants to know again of a block, after a restart and when it is disconnected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// To addresses of ours.
    pub transfers: Vec<Transfer>,
    /// By keys of ours.
    pub spendings: Vec<Spending>,
}

/// A transaction on the chain that keys of ours have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// Which.
    pub tx: TxId,
    /// Bitcoin-like: the outputs that it spends.
    pub spends: Vec<DepositId>,
    /// EVM: what became of it.
    pub execution: Option<Execution>,
    /// EVM: whose nonce it has, the index of a deposit address or 0 for the wallet's own.
    pub key: u32,
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database.
    #[error("{attempt}: {source}")]
    Sled {
        /// What was attempted.
        attempt: &'static str,
        /// What sled says.
        source: sled::Error,
    },
    /// A record is not one of this version. Remove the directory: it is rebuilt.
    #[error("the record of height {0} is damaged or of another version")]
    Damaged(u64),
}

/// The connected blocks of one chain.
pub struct BlockStore {
    blocks: sled::Tree,
}

impl BlockStore {
    /// Opens or creates the store of `chain` in a directory that several chains may share.
    pub fn open(directory: &Path, chain: &str) -> Result<BlockStore, StoreError> {
        let database = unlocked(|| sled::open(directory)).map_err(sled_error("open the chain store"))?;
        let blocks = database.open_tree(format!("{chain}/blocks")).map_err(sled_error("open a chain's blocks"))?;
        let store = BlockStore { blocks };
        store.forget_other_versions()?;
        Ok(store)
    }

    /// What another version has written is followed anew.
    fn forget_other_versions(&self) -> Result<(), StoreError> {
        let first = self.blocks.first().map_err(sled_error("read the first block"))?;
        if first.is_some_and(|(_, record)| record.first().is_some_and(|format| *format < FORMAT)) {
            self.blocks.clear().map_err(sled_error("forget blocks of another version"))?;
            self.flush()?;
        }
        Ok(())
    }

    /// The highest connected block.
    pub fn tip(&self) -> Result<Option<ConnectedBlock>, StoreError> {
        let last = self.blocks.last().map_err(sled_error("read the last block"))?;
        last.map(|(key, record)| decode(&key, &record)).transpose()
    }

    /// The lowest connected block that is remembered.
    pub fn root(&self) -> Result<Option<ConnectedBlock>, StoreError> {
        let first = self.blocks.first().map_err(sled_error("read the first block"))?;
        first.map(|(key, record)| decode(&key, &record)).transpose()
    }

    /// Every connected block that is remembered, the lowest first.
    pub fn blocks(&self) -> Result<Vec<ConnectedBlock>, StoreError> {
        self.in_range(..)
    }

    /// The connected blocks above `height`, the lowest first.
    pub fn above(&self, height: Height) -> Result<Vec<ConnectedBlock>, StoreError> {
        self.in_range(key(Height(height.0 + 1))..)
    }

    fn in_range(&self, heights: impl std::ops::RangeBounds<[u8; 8]>) -> Result<Vec<ConnectedBlock>, StoreError> {
        let range = self.blocks.range(heights);
        range
            .map(|item| {
                let (key, record) = item.map_err(sled_error("read blocks"))?;
                decode(&key, &record)
            })
            .collect()
    }

    /// Remembers a block on top of the others, and forgets those more than `depth` below it.
    pub fn connect(&self, block: &ConnectedBlock, depth: u64) -> Result<(), StoreError> {
        let height = block.placed.head.height;
        self.blocks.insert(key(height), encode(block)).map_err(sled_error("write a block"))?;
        let old = self.blocks.range(..key(Height(height.0.saturating_sub(depth))));
        for item in old.keys() {
            let old = item.map_err(sled_error("read old blocks"))?;
            self.blocks.remove(old).map_err(sled_error("forget an old block"))?;
        }
        self.flush()
    }

    /// Forgets the blocks above `height`.
    pub fn disconnect_above(&self, height: Height) -> Result<(), StoreError> {
        for item in self.blocks.range(key(Height(height.0 + 1))..).keys() {
            let gone = item.map_err(sled_error("read disconnected blocks"))?;
            self.blocks.remove(gone).map_err(sled_error("forget a disconnected block"))?;
        }
        self.flush()
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.blocks.flush().map(drop).map_err(sled_error("flush blocks"))
    }
}

/// Whoever had the store before lets go of its lock a moment after its last word.
fn unlocked(open: impl Fn() -> sled::Result<sled::Db>) -> sled::Result<sled::Db> {
    let deadline = Instant::now() + LOCKED_MAX;
    loop {
        match open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("acquire lock") && Instant::now() < deadline => {
                std::thread::sleep(LOCKED_PAUSE);
            }
            opened => return opened,
        }
    }
}

fn sled_error(attempt: &'static str) -> impl FnOnce(sled::Error) -> StoreError {
    move |source| StoreError::Sled { attempt, source }
}

fn key(height: Height) -> [u8; 8] {
    height.0.to_be_bytes()
}

fn encode(block: &ConnectedBlock) -> Vec<u8> {
    let Placed { head, parent, time_s, chain_work, bits } = block.placed;
    let mut record = vec![FORMAT];
    record.extend_from_slice(&head.hash.0);
    record.extend_from_slice(&parent.0);
    record.extend_from_slice(&time_s.to_le_bytes());
    record.extend_from_slice(&chain_work.to_le_bytes());
    record.extend_from_slice(&bits.to_le_bytes());
    record.extend_from_slice(&(block.kept.transfers.len() as u32).to_le_bytes());
    block.kept.transfers.iter().for_each(|transfer| encode_transfer(transfer, &mut record));
    block.kept.spendings.iter().for_each(|spending| encode_spending(spending, &mut record));
    record
}

fn encode_transfer(transfer: &Transfer, record: &mut Vec<u8>) {
    record.extend_from_slice(&transfer.id.tx.0);
    record.extend_from_slice(&transfer.id.output.to_le_bytes());
    match transfer.asset {
        ChainAsset::Native => record.push(0),
        ChainAsset::Token(contract) => {
            record.push(1);
            record.extend_from_slice(&contract);
        }
    }
    record.extend_from_slice(&transfer.amount.to_le_bytes());
    record.extend_from_slice(&(transfer.to.0.len() as u16).to_le_bytes());
    record.extend_from_slice(&transfer.to.0);
}

fn encode_spending(spending: &Spending, record: &mut Vec<u8>) {
    record.extend_from_slice(&spending.tx.0);
    record.push(u8::from(spending.execution.is_some()));
    if let Some(Execution { nonce, network_fee, is_undone }) = spending.execution {
        record.extend_from_slice(&nonce.to_le_bytes());
        record.extend_from_slice(&network_fee.to_le_bytes());
        record.push(u8::from(is_undone));
    }
    record.extend_from_slice(&spending.key.to_le_bytes());
    record.extend_from_slice(&(spending.spends.len() as u32).to_le_bytes());
    for spent in &spending.spends {
        record.extend_from_slice(&spent.tx.0);
        record.extend_from_slice(&spent.output.to_le_bytes());
    }
}

fn decode(key: &[u8], record: &[u8]) -> Result<ConnectedBlock, StoreError> {
    let height = u64::from_be_bytes(key.try_into().map_err(|_| StoreError::Damaged(0))?);
    read(Height(height), &mut Bytes(record)).ok_or(StoreError::Damaged(height))
}

fn read(height: Height, from: &mut Bytes<'_>) -> Option<ConnectedBlock> {
    if from.array::<1>()? != [FORMAT] {
        return None;
    }
    let placed = Placed {
        head: Head { height, hash: BlockHash(from.array()?) },
        parent: BlockHash(from.array()?),
        time_s: u64::from_le_bytes(from.array()?),
        chain_work: u128::from_le_bytes(from.array()?),
        bits: u32::from_le_bytes(from.array()?),
    };
    let mut kept = Kept::default();
    for _ in 0..u32::from_le_bytes(from.array()?) {
        kept.transfers.push(read_transfer(from)?);
    }
    while !from.0.is_empty() {
        kept.spendings.push(read_spending(from)?);
    }
    Some(ConnectedBlock { placed, kept })
}

fn read_transfer(from: &mut Bytes<'_>) -> Option<Transfer> {
    let id = DepositId { tx: TxId(from.array()?), output: u32::from_le_bytes(from.array()?) };
    let asset = match from.array::<1>()? {
        [0] => ChainAsset::Native,
        [1] => ChainAsset::Token(from.array()?),
        _ => return None,
    };
    let amount = u128::from_le_bytes(from.array()?);
    let len = usize::from(u16::from_le_bytes(from.array()?));
    let to = Destination(from.take(len)?.to_vec());
    Some(Transfer { id, to, asset, amount })
}

fn read_spending(from: &mut Bytes<'_>) -> Option<Spending> {
    let tx = TxId(from.array()?);
    let execution = match from.array::<1>()? {
        [0] => None,
        [1] => Some(Execution {
            nonce: u64::from_le_bytes(from.array()?),
            network_fee: u128::from_le_bytes(from.array()?),
            is_undone: from.array::<1>()? == [1],
        }),
        _ => return None,
    };
    let key = u32::from_le_bytes(from.array()?);
    let mut spends = Vec::new();
    for _ in 0..u32::from_le_bytes(from.array()?) {
        spends.push(DepositId { tx: TxId(from.array()?), output: u32::from_le_bytes(from.array()?) });
    }
    Some(Spending { tx, spends, execution, key })
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests;
