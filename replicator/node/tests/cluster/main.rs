//! Whole nodes on loopback: mutual TLS, disks, threads and all.

mod bed;
mod failover;
mod hostile;
mod latency;
mod trade;
