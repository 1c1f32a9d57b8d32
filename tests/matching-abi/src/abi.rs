//! The records and functions of `matching_engine_api.h`, field for field.

use std::cell::UnsafeCell;
use std::ffi::c_void;

use crate::venue::Venue;

/// `new_order_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct NewOrder {
    /// The client's id.
    pub order_id: u64,
    /// The message's number.
    pub sequence_number: u64,
    /// Limit in ticks.
    pub price_ticks: i64,
    /// How much.
    pub quantity: u32,
    /// 0 buys, 1 sells.
    pub side: u8,
    /// 1 when what does not trade at once is canceled.
    pub ioc: u8,
    /// Padding.
    pub reserved: [u8; 2],
}

/// `cancel_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Cancel {
    /// The client's id.
    pub order_id: u64,
    /// The message's number.
    pub sequence_number: u64,
}

/// `modify_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Modify {
    /// The client's id.
    pub order_id: u64,
    /// The message's number.
    pub sequence_number: u64,
    /// The new limit in ticks.
    pub new_price_ticks: i64,
    /// The new quantity.
    pub new_quantity: u32,
    /// 0 buys, 1 sells.
    pub side: u8,
    /// Padding.
    pub reserved: [u8; 3],
}

/// A message of either kind, for whoever drives an engine through this ABI.
#[derive(Debug, Clone, Copy)]
pub enum Message {
    /// `engine_on_new_order`.
    New(NewOrder),
    /// `engine_on_cancel`.
    Cancel(Cancel),
    /// `engine_on_modify`.
    Modify(Modify),
}

/// What a [`Tagged`] message is.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Body {
    /// When the kind is 0.
    pub new: NewOrder,
    /// When the kind is 1.
    pub cancel: Cancel,
    /// When the kind is 2.
    pub modify: Modify,
}

/// `me_msg_t`: an element of a run.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Tagged {
    /// Which of the body's it is.
    pub kind: u8,
    /// Padding.
    pub reserved: [u8; 7],
    /// The message.
    pub body: Body,
}

impl From<Message> for Tagged {
    fn from(message: Message) -> Tagged {
        let (kind, body) = match message {
            Message::New(new) => (0, Body { new }),
            Message::Cancel(cancel) => (1, Body { cancel }),
            Message::Modify(modify) => (2, Body { modify }),
        };
        Tagged { kind, reserved: [0; 7], body }
    }
}

/// `me_report_t`; `kind` is the `type` of the header.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// One of the constants of this type.
    pub kind: u8,
    /// The order's side.
    pub side: u8,
    /// Padding.
    pub reserved: [u8; 6],
    /// The message's number.
    pub sequence_number: u64,
    /// The order that the report is about; the maker of a trade.
    pub order_id: u64,
    /// The maker's price of a trade, else the order's.
    pub price_ticks: i64,
    /// How much traded, or was asked for.
    pub quantity: u32,
    /// Padding.
    pub reserved2: u32,
    /// Trades only.
    pub maker_order_id: u64,
    /// Trades only.
    pub taker_order_id: u64,
}

impl Report {
    /// `ME_ORDER_ACK`.
    pub const ORDER_ACK: u8 = 0;
    /// `ME_TRADE`.
    pub const TRADE: u8 = 1;
    /// `ME_CANCEL_ACK`.
    pub const CANCEL_ACK: u8 = 2;
    /// `ME_MODIFY_ACK`.
    pub const MODIFY_ACK: u8 = 3;
    /// `ME_CANCEL_REJECT`.
    pub const CANCEL_REJECT: u8 = 4;
    /// `ME_MODIFY_REJECT`.
    pub const MODIFY_REJECT: u8 = 5;
}

const _: () = assert!(
    size_of::<NewOrder>() == 32
        && size_of::<Cancel>() == 16
        && size_of::<Modify>() == 32
        && size_of::<Tagged>() == 40
        && size_of::<Report>() == 64
);

/// `me_transport_t`: only `push` is the engine's to call.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    /// Makes a queue.
    pub create: unsafe extern "C" fn(u32) -> *mut c_void,
    /// Puts a report in; 0 when the queue is full.
    pub push: unsafe extern "C" fn(*mut c_void, *const Report) -> i32,
    /// Takes reports out.
    pub drain: unsafe extern "C" fn(*mut c_void, *mut Report, u32) -> u32,
    /// Shows the reader what was put in.
    pub flush: unsafe extern "C" fn(*mut c_void),
    /// Ends a queue.
    pub destroy: unsafe extern "C" fn(*mut c_void),
}

/// Where reports go.
pub(crate) struct Sink {
    push: unsafe extern "C" fn(*mut c_void, *const Report) -> i32,
    handle: *mut c_void,
}

impl Sink {
    /// Waits while the queue is full, as the contract asks.
    #[inline]
    pub(crate) fn push(&self, report: &Report) {
        // SAFETY: `push` and `handle` are a pair that the harness keeps valid from `engine_init` on.
        while unsafe { (self.push)(self.handle, report) } == 0 {
            std::hint::spin_loop();
        }
    }
}

/// The one engine of the process, as the ABI has it.
struct Slot(UnsafeCell<Option<Box<Venue>>>);

// SAFETY: the contract calls every `engine_*` function from one thread at a time; nothing else reaches the slot.
unsafe impl Sync for Slot {}

static VENUE: Slot = Slot(UnsafeCell::new(None));

#[inline]
fn venue<'a>() -> &'a mut Venue {
    // SAFETY: calls do not overlap and do not nest (`push` never calls back), so this is the only reference.
    unsafe { (*VENUE.0.get()).as_deref_mut() }.expect("engine_init comes first")
}

/// Once, before any message.
///
/// # Safety
/// `transport` points to a vtable whose `push` takes `report_sink` until `engine_shutdown`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_init(_seed: u64, transport: *const Transport, report_sink: *mut c_void) {
    // SAFETY: the caller's promise.
    let push = unsafe { (*transport).push };
    let venue = Venue::new(Sink { push, handle: report_sink });
    // SAFETY: as in `venue`.
    unsafe { *VENUE.0.get() = Some(Box::new(venue)) };
}

/// Once, after everything.
#[unsafe(no_mangle)]
pub extern "C" fn engine_shutdown() {
    // SAFETY: as in `venue`.
    unsafe { *VENUE.0.get() = None };
}

/// A new order.
///
/// # Safety
/// `order` points to a record.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_new_order(order: *const NewOrder) {
    // SAFETY: the caller's promise.
    venue().new_order(unsafe { &*order });
}

/// A cancel.
///
/// # Safety
/// `cancel` points to a record.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_cancel(cancel: *const Cancel) {
    // SAFETY: the caller's promise.
    venue().cancel(unsafe { &*cancel });
}

/// A modify.
///
/// # Safety
/// `modify` points to a record.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_modify(modify: *const Modify) {
    // SAFETY: the caller's promise.
    venue().modify(unsafe { &*modify });
}

/// A run of messages, one after the other: what each causes is told before the next is looked at.
///
/// # Safety
/// `messages` points to `count` records whose kinds name their bodies.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_on_batch(messages: *const Tagged, count: u32) {
    if count == 0 {
        return;
    }
    // SAFETY: the caller's promise.
    let messages = unsafe { std::slice::from_raw_parts(messages, count as usize) };
    let venue = venue();
    for message in messages {
        // SAFETY: the kind names the body.
        unsafe {
            match message.kind {
                0 => venue.new_order(&message.body.new),
                1 => venue.cancel(&message.body.cancel),
                _ => venue.modify(&message.body.modify),
            }
        }
    }
}

/// Every message has been answered when its call returned.
#[unsafe(no_mangle)]
pub extern "C" fn engine_flush() {}

/// The highest bid in ticks, `i64::MIN` when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_best_bid() -> i64 {
    venue().best_ticks(wire::Side::Buy).unwrap_or(i64::MIN)
}

/// The lowest ask in ticks, `i64::MAX` when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_best_ask() -> i64 {
    venue().best_ticks(wire::Side::Sell).unwrap_or(i64::MAX)
}

/// What rests at a price in sum.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_depth_at(price_ticks: i64, side: u8) -> u64 {
    venue().depth_at(price_ticks, side)
}
