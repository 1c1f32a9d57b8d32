//! Names of things on a chain.

/// Hash of a block, in the chain's own byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockHash(pub [u8; 32]);

/// Hash of a transaction, in the chain's own byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxId(pub [u8; 32]);

/// One configured node of a chain's pool, counted from 0 in the order of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainNodeId(pub u8);

/// What makes a deposit unique on its chain, however often its transaction is mined again: a credit
/// happens once per this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DepositId {
    /// The transaction.
    pub tx: TxId,
    /// Bitcoin-like chains: the output's index. EVM chains: the transfer's ordinal within the transaction.
    pub output: u32,
}
