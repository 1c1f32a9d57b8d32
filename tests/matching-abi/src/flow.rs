//! Streams of messages drawn from a seed, for measuring engines behind the ABI on the same work.

use crate::abi::{Cancel, Message, Modify, NewOrder};

/// What a stream is like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Orders that rest before the measured messages, and stay about as many.
    pub resting: usize,
    /// How far from the middle passive orders are placed, in ticks.
    pub depth: u64,
    /// Messages after the book is full.
    pub messages: usize,
    /// Whether the middle moves fast.
    pub is_volatile: bool,
    /// Of a hundred messages: modifies; the rest keeps its proportions.
    pub modifies: u64,
}

/// The messages that fill the book, then those to measure.
pub struct Stream {
    /// Passive orders.
    pub filling: Vec<Message>,
    /// About 48 % new, 38 % cancels, 10 % aggressive, 5 % modifies, unless the shape says otherwise.
    pub measured: Vec<Message>,
}

/// xorshift64* and the orders that were sent and not canceled; some of them have been filled.
struct Flow {
    state: u64,
    middle: i64,
    depth: u64,
    sequence: u64,
    orders: u64,
    live: Vec<(u64, u8, i64, u32)>,
}

impl Flow {
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }

    fn sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    /// Near the middle more often than far from it: the smaller of two draws.
    fn passive_price(&mut self, side: u8) -> i64 {
        let away = (self.below(self.depth).min(self.below(self.depth)) + 1) as i64;
        if side == 0 { self.middle - away } else { self.middle + away }
    }

    fn order(&mut self, is_aggressive: bool) -> Message {
        let side = self.below(2) as u8;
        let price_ticks = match is_aggressive {
            true if side == 0 => self.middle + 8,
            true => self.middle - 8,
            false => self.passive_price(side),
        };
        let quantity = self.below(100) as u32 + 1;
        self.orders += 1;
        let order_id = self.orders;
        if !is_aggressive {
            self.live.push((order_id, side, price_ticks, quantity));
        }
        let (sequence_number, ioc) = (self.sequence(), u8::from(is_aggressive));
        Message::New(NewOrder { order_id, sequence_number, price_ticks, quantity, side, ioc, reserved: [0; 2] })
    }

    fn cancel(&mut self) -> Message {
        let at = self.below(self.live.len() as u64) as usize;
        let (order_id, ..) = self.live.swap_remove(at);
        Message::Cancel(Cancel { order_id, sequence_number: self.sequence() })
    }

    fn modify(&mut self) -> Message {
        let at = self.below(self.live.len() as u64) as usize;
        let (order_id, side, price, quantity) = self.live[at];
        let new_price_ticks = price + self.below(3) as i64 - 1;
        let new_quantity = quantity + 1;
        self.live[at] = (order_id, side, new_price_ticks, new_quantity);
        let sequence_number = self.sequence();
        Message::Modify(Modify { order_id, sequence_number, new_price_ticks, new_quantity, side, reserved: [0; 3] })
    }
}

/// Draws a stream.
pub fn draw(seed: u64, shape: &Shape) -> Stream {
    let mut flow = Flow {
        state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        middle: 100_000,
        depth: shape.depth,
        sequence: 0,
        orders: 0,
        live: Vec::new(),
    };
    let filling = (0..shape.resting).map(|_| flow.order(false)).collect();
    let step_every = if shape.is_volatile { 2 } else { 64 };
    let measured = (0..shape.messages)
        .map(|_| {
            if flow.below(step_every) == 0 {
                flow.middle += flow.below(3) as i64 - 1;
            }
            // The live list holds orders that were filled, too: cancels of those keep it in balance.
            let surplus = flow.live.len() as i64 - shape.resting as i64;
            let is_modify = flow.below(100) < shape.modifies;
            match flow.below(96) {
                _ if is_modify => flow.modify(),
                dice if dice < 10 => flow.order(true),
                dice if dice < 53 => match surplus {
                    i64::MIN..=0 => flow.order(false),
                    _ => flow.cancel(),
                },
                _ if surplus > 1_000 => flow.cancel(),
                _ => flow.order(false),
            }
        })
        .collect();
    Stream { filling, measured }
}
