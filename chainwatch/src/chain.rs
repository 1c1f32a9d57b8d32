//! What a chain's own rules say about bytes that a node sent: proof of work and Merkle trees for Bitcoin-like
//! chains, header hashes and transaction and receipt tries for EVM chains.
//!
//! Nothing here asks anybody anything. A node that sends what these rules refuse has lied, whoever else says the
//! same.

pub mod bitcoin;
pub mod evm;

use crate::tree::{Header, HeaderTree};
use crate::{DepositId, Head, TxId};

/// Which rules a chain follows.
#[derive(Debug, Clone)]
pub enum ChainRules {
    /// Proof of work over 80-byte headers.
    Bitcoin(bitcoin::BitcoinRules),
    /// Headers that commit to tries; consensus is elsewhere.
    Evm(evm::EvmRules),
}

/// What a node's bytes get wrong. Each is a lie: no honest node sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Lie {
    /// The header's bytes hash to something else than was asked for or stated.
    #[error("the header has another hash")]
    HeaderHash,
    /// The header's hash is above its target, or its target is not the one that the chain's rules ask for.
    #[error("the header has no valid proof of work")]
    ProofOfWork,
    /// The header does not fit its parent.
    #[error("the header does not fit its parent")]
    HeaderChain,
    /// The transactions do not have the header's root.
    #[error("the transactions do not have the header's root")]
    Transactions,
    /// The receipts do not have the header's root.
    #[error("the receipts do not have the header's root")]
    Receipts,
    /// The proof does not show the transaction in the block.
    #[error("the proof does not show the transaction in the block")]
    Inclusion,
    /// It is a node of another chain.
    #[error("the node is of another chain")]
    WrongChain,
    /// The header's time is hours from now.
    #[error("the header is from the future")]
    FromTheFuture,
    /// It cannot show the header of the head that it reports.
    #[error("the node cannot show its own head")]
    HeadWithoutHeader,
}

/// Whose money moves in a transfer: the bytes that the chain itself compares (an output script, an address).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination(pub Vec<u8>);

/// What moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainAsset {
    /// The chain's own coin.
    Native,
    /// A token, by its contract.
    Token([u8; 20]),
}

/// Value that a transaction gives to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Unique on the chain, wherever its transaction is mined.
    pub id: DepositId,
    /// To whom.
    pub to: Destination,
    /// Of what.
    pub asset: ChainAsset,
    /// How much, in the chain's smallest unit.
    pub amount: u128,
}

/// One transaction of a verified block, as far as deposits and withdrawals need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainTransaction {
    /// Its hash, computed from its bytes.
    pub id: TxId,
    /// Whether it creates coins, which may be spent only when they have matured.
    pub is_coinbase: bool,
    /// Bitcoin-like: the outputs it spends. EVM: empty.
    pub spends: Vec<DepositId>,
    /// What it gives. Of a failed transaction: nothing.
    pub transfers: Vec<Transfer>,
    /// Whose keys have signed it: what pays to a witness's public key (Bitcoin-like), the sender (EVM).
    pub signers: Vec<Destination>,
    /// EVM: what became of it.
    pub execution: Option<Execution>,
}

/// How an EVM chain has executed a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// The sender's nonce.
    pub nonce: u64,
    /// What it has paid to the chain.
    pub network_fee: u128,
    /// Whether it has moved nothing: it failed, or it called a contract that says of no transfer.
    pub is_undone: bool,
}

/// A block whose every byte follows from its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBlock {
    /// Where and what.
    pub head: Head,
    /// In the order of the block.
    pub transactions: Vec<ChainTransaction>,
}

impl ChainRules {
    /// What of a header only its ancestors can tell: the target it had to meet. To be asked when its parent has a
    /// place in the tree.
    pub fn check_in_place(&self, header: &Header, tree: &HeaderTree) -> Result<(), Lie> {
        match self {
            ChainRules::Bitcoin(rules) => rules.check_in_place(header, tree),
            ChainRules::Evm(_) => Ok(()),
        }
    }

    /// The chain's name for a hash: Bitcoin-like chains print hashes backwards.
    pub fn hash_text(&self, hash: [u8; 32]) -> String {
        match self {
            ChainRules::Bitcoin(_) => hex::encode(hash.iter().rev().copied().collect::<Vec<u8>>()),
            ChainRules::Evm(_) => format!("0x{}", hex::encode(hash)),
        }
    }

    /// The reverse of [`ChainRules::hash_text`].
    pub fn hash_from_text(&self, text: &str) -> Option<[u8; 32]> {
        let mut hash = [0; 32];
        match self {
            ChainRules::Bitcoin(_) => {
                hex::decode_to_slice(text, &mut hash).ok()?;
                hash.reverse();
            }
            ChainRules::Evm(_) => hex::decode_to_slice(text.strip_prefix("0x")?, &mut hash).ok()?,
        }
        Some(hash)
    }
}
