//! Withdrawals: money is held from the request on, goes out once, and comes back only if it never can.

mod batches;
mod bed;
mod children;
mod loosenings;
mod moves;
mod payment;
mod policy;
mod random;
mod reserves;
