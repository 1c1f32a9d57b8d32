//! Bytes that choose: what a fuzzer feeds, and what must hold whatever it feeds. `tests/fuzz` has the targets for libFuzzer,
//! `tests/tests/fuzz.rs` walks the committed corpus and what is near it on any toolchain.

use wire::MarketRules;
use wire::codec::v1;

use crate::model::flow::Flow;
use crate::model::layout::Layout;
use crate::model::pair::{FEES, Pair};
use crate::model::rules;

/// Steps of one input, whatever its length.
const STEPS_MAX: usize = 400;

/// The first byte names the layout and says what there is of chains, the rest chooses commands of every kind until it is used
/// up; the engine and the model must tell the same. Each byte decides for one choice of [`Flow`] (two where there are many), so
/// that a change of one byte is a small change of the story.
pub fn commands(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let layout = [Layout::Joint, Layout::Mixed, Layout::Split][usize::from(*first) % 3];
    let rules = MarketRules { open_orders_max: 30, ..rules() };
    let mut pair = Pair::with(layout, rules);
    let flow = Flow::of_bytes(bytes.to_vec(), FEES.len() as u32, rules, pair.now);
    let mut flow = match first {
        192.. => flow.with_withdrawals(),
        128.. => flow.with_deposits(),
        _ => flow,
    };
    for step in 1..=STEPS_MAX {
        let (pause, command) = flow.draw();
        if flow.is_over() {
            return;
        }
        pair.step(pause, &command);
        flow.learn_from(&pair);
        if step % 97 == 0 {
            pair.engine.restart();
        }
    }
}

/// Anybody's bytes as a command (mail is in one) and as events: decoding never panics, and what it takes it writes again as it
/// was: one value has one encoding.
pub fn codec(bytes: &[u8]) {
    let mut again = Vec::new();
    if let Ok(command) = v1::decode_command(bytes) {
        v1::encode_command(&command, &mut again);
        assert_eq!(again, bytes, "{command:?}");
    }
    again.clear();
    if let Ok(events) = v1::decode_events(bytes) {
        events.iter().for_each(|event| v1::encode_event(event, &mut again));
        assert_eq!(again, bytes, "{events:?}");
    }
}
