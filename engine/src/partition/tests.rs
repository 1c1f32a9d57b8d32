//! Scenarios of whole partitions, in both layouts.

mod auction;
mod bands;
mod changes;
mod conduct;
mod deposits;
mod depth;
mod fees;
mod golden;
mod lists;
mod mail;
mod orders;
mod pegs;
mod phases;
mod prevention;
mod put_aside;
mod random;
mod random_special;
mod registry;
mod rules;
mod seals;
mod silence;
mod stops;
mod terms;
mod withdrawals;
mod work;
mod world;
