//! Names of things on a chain.

/// Hash of a block, in the chain's own byte order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockHash(pub [u8; 32]);

/// Hash of a transaction, in the chain's own byte order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Bitcoin-like chains: the output's index. EVM chains: 0 for the transaction's own value, from 1 the transfer's
    /// ordinal among the transaction's logs.
    pub output: u32,
}

macro_rules! hex_debug {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
    )+};
}
hex_debug!(BlockHash, TxId);

impl ChainNodeId {
    /// Its place in tables that have one row for each configured node.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl std::fmt::Display for ChainNodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
