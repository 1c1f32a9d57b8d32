//! The signer: a process of its own that has the keys, checks every withdrawal again and signs it once.
//!
//! [`payment`] is what it is asked; [`journal`] remembers on disk what it has signed and refused; [`desk`] decides;
//! [`vault`] has the keys, [`bitcoin`] and [`evm`] use them; [`protocol`] and [`server`] are the way there. Chainwatch
//! knows a [`Signer`] alone, and checks what it gets by [`payment::Payment::check`]: a machine with keys in hardware
//! takes the same questions.
//!
//! The same question has the same answer, byte for byte. Another question about a withdrawal is not signed unless it is a
//! replacement: the same payment, spending the same nonce or all the inputs and perhaps more, for more. What is refused for
//! ever before anything was signed is remembered, so that the ledger may give the money back; of what has a signature
//! nothing is ever refused for ever.

pub mod bitcoin;
pub mod desk;
pub mod evm;
pub mod journal;
pub mod payment;
pub mod policy;
pub mod protocol;
pub mod server;
pub mod vault;

use wire::{ChainHash, TransactionBytes};

pub use desk::Desk;
pub use payment::Payment;

/// A transaction that may be sent once it is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its hash.
    pub tx: ChainHash,
    /// Its bytes.
    pub bytes: TransactionBytes,
}

/// What a signer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is signed.
    Signed(Signed),
    /// It is not signed and never will be.
    Refused(String),
    /// It is not signed now; ask again.
    Later(String),
    /// It was not asked for a signature, and knows nothing now that would make it wait with one.
    Willing,
}

/// Whoever has the keys.
pub trait Signer: Send {
    /// Asks for a signature. `None` when there is no answer: the question may be asked again, and has the same answer.
    fn sign(&mut self, payment: &Payment) -> impl Future<Output = Option<Answer>> + Send;

    /// Asks whether it would have to wait with this one, before a nonce is given to it behind which all others would wait
    /// as well. Signs nothing and remembers nothing.
    fn consult(&mut self, payment: &Payment) -> impl Future<Output = Option<Answer>> + Send;
}
