//! The reports of a few messages, through the exported functions.

use std::ffi::c_void;

use crate::abi::*;

unsafe extern "C" fn create(_: u32) -> *mut c_void {
    std::ptr::null_mut()
}

unsafe extern "C" fn push(reports: *mut c_void, report: *const Report) -> i32 {
    // SAFETY: the test hands in a vector of reports, and the engine a report.
    unsafe { (*reports.cast::<Vec<Report>>()).push(*report) };
    1
}

unsafe extern "C" fn drain(_: *mut c_void, _: *mut Report, _: u32) -> u32 {
    0
}

unsafe extern "C" fn nothing(_: *mut c_void) {}

const TRANSPORT: Transport = Transport { create, push, drain, flush: nothing, destroy: nothing };

fn new_order(order_id: u64, sequence_number: u64, side: u8, quantity: u32, price_ticks: i64, ioc: u8) -> NewOrder {
    NewOrder { order_id, sequence_number, price_ticks, quantity, side, ioc, reserved: [0; 2] }
}

#[test]
fn messages_become_the_reports_that_the_contract_asks_for() {
    let mut reports: Vec<Report> = Vec::new();
    // SAFETY: one thread, records on the stack, and the reports outlive the engine.
    unsafe {
        engine_init(7, &TRANSPORT, (&raw mut reports).cast());
        engine_on_new_order(&new_order(9, 0, 1, 10, -3, 0));
        engine_on_new_order(&new_order(4, 1, 1, 10, 5, 0));
        assert_eq!((engine_query_best_bid(), engine_query_best_ask()), (i64::MIN, -3));
        engine_on_new_order(&new_order(2, 2, 0, 12, 4, 1));
        assert_eq!(engine_query_best_ask(), 5);
        engine_on_cancel(&Cancel { order_id: 9, sequence_number: 3 });
        let modify =
            Modify { order_id: 4, sequence_number: 4, new_price_ticks: 6, new_quantity: 11, ..Modify::default() };
        engine_on_modify(&modify);
        engine_on_modify(&Modify { order_id: 77, sequence_number: 5, ..modify });
        assert_eq!((engine_query_depth_at(5, 1), engine_query_depth_at(6, 1)), (0, 11));
        engine_on_cancel(&Cancel { order_id: 4, sequence_number: 6 });
        engine_shutdown();
    }
    // One engine lives in a process: what a run of messages tells is asked in the same test.
    assert_eq!(told_of_a_run(), reports, "a run tells what its messages tell");
    let told: Vec<_> =
        reports.iter().map(|r| (r.kind, r.sequence_number, r.order_id, r.price_ticks, r.quantity)).collect();
    assert_eq!(
        told,
        [
            (Report::ORDER_ACK, 0, 9, -3, 10),
            (Report::ORDER_ACK, 1, 4, 5, 10),
            (Report::ORDER_ACK, 2, 2, 4, 12),
            (Report::TRADE, 2, 9, -3, 10),
            (Report::CANCEL_ACK, 2, 2, 4, 2),
            (Report::CANCEL_REJECT, 3, 9, 0, 0),
            (Report::MODIFY_ACK, 4, 4, 6, 11),
            (Report::MODIFY_REJECT, 5, 77, 0, 0),
            (Report::CANCEL_ACK, 6, 4, 6, 11),
        ]
    );
}

/// The messages of the test above in one call.
fn told_of_a_run() -> Vec<Report> {
    let modify = Modify { order_id: 4, sequence_number: 4, new_price_ticks: 6, new_quantity: 11, ..Modify::default() };
    let run = [
        Message::New(new_order(9, 0, 1, 10, -3, 0)),
        Message::New(new_order(4, 1, 1, 10, 5, 0)),
        Message::New(new_order(2, 2, 0, 12, 4, 1)),
        Message::Cancel(Cancel { order_id: 9, sequence_number: 3 }),
        Message::Modify(modify),
        Message::Modify(Modify { order_id: 77, sequence_number: 5, ..modify }),
        Message::Cancel(Cancel { order_id: 4, sequence_number: 6 }),
    ]
    .map(Tagged::from);
    let mut reports: Vec<Report> = Vec::new();
    // SAFETY: one thread, records on the stack, and the reports outlive the engine.
    unsafe {
        engine_init(7, &TRANSPORT, (&raw mut reports).cast());
        engine_on_batch(run.as_ptr(), 3);
        engine_on_batch(run[3..].as_ptr(), 4);
        engine_on_batch(run.as_ptr(), 0);
        engine_shutdown();
    }
    reports
}
