//! Scenarios of whole partitions, in both layouts.

mod auction;
mod depth;
mod mail;
mod orders;
mod phases;
mod prevention;
mod random;
mod registry;
mod world;
