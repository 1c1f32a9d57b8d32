//! Real chain nodes behind proxies that misbehave on demand: what chainwatch meets in production, in one process.

pub mod anvil;
pub mod coin;
pub mod ethereumjs;
mod fault;
pub mod litecoin;
mod process;
pub mod proxy;

pub use fault::Fault;
pub use process::ChainError;
