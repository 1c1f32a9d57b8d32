//! The second opinion: an independent exchange, and the engine in every layout to compare it with. Property tests drive
//! both with random commands, the simulator with a committed log.

pub mod exchange;
pub mod flow;
pub mod layout;
