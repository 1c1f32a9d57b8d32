//! Scenarios of whole partitions, in both layouts.

mod orders;
mod world;
