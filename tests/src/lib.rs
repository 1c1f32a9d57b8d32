//! What the tests of the whole exchange share: a demo of real processes that cleans up after itself, and
//! questions to its nodes.

#![forbid(unsafe_code)]

pub mod chain;
pub mod demo;
pub mod fuzz;
pub mod model;
pub mod nodes;
pub mod scenario;
pub mod sim;
