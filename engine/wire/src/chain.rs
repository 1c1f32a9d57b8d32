//! The words of chains behind deposits: which chain, which transaction, which address, and where a deposit stands.

use core::fmt;

use crate::text::Text;

/// A hash of a chain (a transaction's, a block's), in the chain's own byte order. Zero where there is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChainHash(pub [u8; 32]);

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An address as its chain prints it, or a token's contract; 90 characters are the longest that BIP 173 allows. Empty
/// where a contract is asked for: the chain's own coin.
pub type ChainAddress = Text<90>;

/// What the addresses of a chain look like, so that one is checked before money is sent there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFormat {
    /// Witness programs (BIP 173, BIP 350) under a prefix, and Base58Check with one of two version bytes.
    Bitcoin {
        /// The human-readable part in lower case: `bc`, `ltc`, `rltc`. Not empty.
        prefix: Text<16>,
        /// The version byte of a public key's hash.
        pubkey_version: u8,
        /// The version byte of a script's hash.
        script_version: u8,
    },
    /// Twenty bytes in hexadecimal after `0x`, with the checksum of EIP-55.
    Evm,
}

impl AddressFormat {
    /// Bitcoin's.
    pub fn bitcoin() -> AddressFormat {
        AddressFormat::bitcoin_like("bc", 0x00, 0x05)
    }

    /// Of Bitcoin's regression test chain.
    pub fn bitcoin_regtest() -> AddressFormat {
        AddressFormat::bitcoin_like("bcrt", 0x6f, 0xc4)
    }

    /// Litecoin's; of its script hashes those that begin with `M`, not the old ones, which are Bitcoin's as well.
    pub fn litecoin() -> AddressFormat {
        AddressFormat::bitcoin_like("ltc", 0x30, 0x32)
    }

    /// Of Litecoin's regression test chain.
    pub fn litecoin_regtest() -> AddressFormat {
        AddressFormat::bitcoin_like("rltc", 0x6f, 0x3a)
    }

    fn bitcoin_like(prefix: &str, pubkey_version: u8, script_version: u8) -> AddressFormat {
        let prefix = Text::new(prefix.as_bytes()).expect("it is short and printable");
        AddressFormat::Bitcoin { prefix, pubkey_version, script_version }
    }
}

crate::order::numbered! {
    /// Where a deposit stands. Its chain's node pool proposes, the ledger decides.
    DepositStage {
        /// On the agreed chain, with fewer confirmations than it needs.
        Included = 1,
        /// On the agreed chain with enough confirmations, while its chain is frozen.
        Confirmed = 2,
        /// Booked to the account. Final: whatever the chain does, no balance is edited.
        Credited = 3,
        /// Was on the agreed chain and is not any more.
        Orphaned = 4,
        /// Less than the asset's smallest deposit. Final.
        Rejected = 5,
        /// Something about it needs an operator.
        Quarantined = 6,
        /// An operator has refused it. Final.
        Refused = 7,
        /// In no block, and most nodes would mine it.
        Seen = 8,
        /// Was in no block, and most nodes would not mine it any more: replaced or forgotten. It may be seen again.
        Replaced = 9,
    }
}

crate::order::numbered! {
    /// Why nothing of a chain is credited or withdrawn.
    ChainFreeze {
        /// Nothing: it is not frozen.
        Thawed = 0,
        /// No block has a majority of the configured nodes, or nobody has said yet.
        NoMajority = 1,
        /// A reorganisation went below what was final.
        FinalityReverted = 2,
        /// Too many nodes contradict what is final.
        Dissent = 3,
        /// A chain with more work does not contain the agreed head.
        Outworked = 4,
        /// The agreed head has not risen for too long.
        Stalled = 5,
        /// A deposit that was credited is not on the chain any more. Only an operator thaws this.
        CreditReverted = 6,
        /// A withdrawal that was settled is not on the chain any more, or one that an operator has failed is. Only an operator
        /// thaws this.
        WithdrawalReverted = 7,
    }
}

impl ChainFreeze {
    /// Whether only an operator thaws it.
    pub const fn is_for_operators(self) -> bool {
        matches!(self, ChainFreeze::CreditReverted | ChainFreeze::WithdrawalReverted)
    }
}
