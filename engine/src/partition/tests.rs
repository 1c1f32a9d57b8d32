//! Scenarios of whole partitions, in both layouts.

mod auction;
mod conduct;
mod depth;
mod mail;
mod orders;
mod phases;
mod prevention;
mod random;
mod registry;
mod silence;
mod world;
