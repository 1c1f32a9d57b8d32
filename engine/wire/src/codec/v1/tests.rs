use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::event::*;
use crate::*;

mod chain;
mod events;
mod market;
mod samples;
mod withdrawal;

use self::events::events;
use self::samples::*;

fn replies() -> [Reply; 2] {
    [Reply::Accepted { id: 1_000_001 }, Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 5 }]
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    bytes
}

fn command_bytes(command: &Command) -> Vec<u8> {
    encoded(|bytes| encode_command(command, bytes))
}

#[test]
fn a_peek_at_a_command_sees_the_account_and_the_name_that_reading_it_gives() {
    for command in commands() {
        let named = match &command {
            Command::NewOrder(order) => Some((order.account, order.client_order_id)),
            Command::NewOrderOnTerms(on_terms) => Some((on_terms.order.account, on_terms.order.client_order_id)),
            _ => None,
        };
        let bytes = command_bytes(&command);
        assert_eq!(peek_name(&bytes), named, "{}", name(&command));
        assert!((0..bytes.len()).all(|len| peek_name(&bytes[..len]).is_none_or(|peeked| Some(peeked) == named)));
    }
    assert!(commands().iter().filter_map(|command| peek_name(&command_bytes(command))).count() >= 2);
}

/// The first word of a value's debug text: its variant.
fn name(value: impl core::fmt::Debug) -> String {
    format!("{value:?}").split(['(', ' ']).next().unwrap_or_default().into()
}

#[test]
fn every_variant_has_a_sample_and_reads_back_as_it_was() {
    for command in commands() {
        assert_eq!(decode_command(&command_bytes(&command)), Ok(command));
    }
    let batch = encoded(|bytes| events().iter().for_each(|event| encode_event(event, bytes)));
    assert_eq!(decode_events(&batch), Ok(events()));
    for mail in mails() {
        let bytes = encoded(|bytes| encode_mail(&mail, &mut Writer::new(bytes)));
        assert_eq!(decode_mail(&mut Reader::new(&bytes)), Ok(mail));
    }
    for reply in replies() {
        assert_eq!(decode_reply(&encoded(|bytes| encode_reply(&reply, bytes))), Ok(reply));
    }
    let tags = |samples: Vec<Vec<u8>>| samples.iter().map(|bytes| bytes[0]).collect::<BTreeSet<u8>>();
    let all = |tags: &[u8]| tags.iter().copied().collect::<BTreeSet<u8>>();
    assert_eq!(tags(commands().iter().map(command_bytes).collect()), all(Command::TAGS));
    let mail_bytes = |mail: Mail| encoded(|bytes| encode_mail(&mail, &mut Writer::new(bytes)));
    assert_eq!(tags(mails().into_iter().map(mail_bytes).collect()), all(Mail::TAGS));
    let event_bytes = |event: Event| encoded(|bytes| encode_event(&event, bytes));
    assert_eq!(tags(events().into_iter().map(event_bytes).collect()), all(Event::TAGS));
    let loosening_bytes = |loosening: Loosening| encoded(|bytes| Writer::new(bytes).put(&loosening));
    assert_eq!(tags(withdrawal::loosenings().map(loosening_bytes).collect()), all(Loosening::TAGS));
}

/// The bytes of version 1 are what they were when it was released.
#[test]
fn layouts_are_the_released_ones() {
    let mut lines = String::new();
    let mut line = |kind: &str, name: String, bytes: Vec<u8>| {
        write!(lines, "{kind} {name} ").unwrap();
        bytes.iter().for_each(|byte| write!(lines, "{byte:02x}").unwrap());
        lines.push('\n');
    };
    for command in commands() {
        line("command", name(&command), command_bytes(&command));
    }
    for mail in mails() {
        line("mail", name(&mail), encoded(|bytes| encode_mail(&mail, &mut Writer::new(bytes))));
    }
    for event in events() {
        line("event", name(&event), encoded(|bytes| encode_event(&event, bytes)));
    }
    for reply in replies() {
        line("reply", name(reply), encoded(|bytes| encode_reply(&reply, bytes)));
    }
    check_file("golden/v1.txt", &lines);
}

#[test]
fn schema_page_draws_the_layouts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SCHEMA.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (words, _) = page.split_once("## Records\n").expect("SCHEMA.md has a part headed Records");
    check_file("SCHEMA.md", &format!("{words}{}", crate::codec::schema()));
}

/// Compares a file of this crate with what it should hold; `UPDATE=1` writes it instead.
fn check_file(file: &str, wanted: &str) {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{file} is not what the code says; if a new version is meant: UPDATE=1 cargo test -p wire"
    );
}

#[test]
fn command_cut_short_anywhere_is_truncated() {
    for command in commands() {
        let bytes = command_bytes(&command);
        for end in 0..bytes.len() {
            assert_eq!(decode_command(&bytes[..end]), Err(CodecError::Truncated), "{} at {end}", name(&command));
        }
    }
}

#[test]
fn bytes_after_a_command_or_a_reply_are_refused() {
    for command in commands() {
        let mut bytes = command_bytes(&command);
        bytes.push(0);
        assert_eq!(decode_command(&bytes), Err(CodecError::TrailingBytes));
    }
    for reply in replies() {
        let mut bytes = encoded(|bytes| encode_reply(&reply, bytes));
        bytes.push(0);
        assert_eq!(decode_reply(&bytes), Err(CodecError::TrailingBytes));
    }
}

#[test]
fn unknown_tags_and_numbers_are_refused() {
    assert_eq!(decode_command(&[200]), Err(CodecError::UnknownNumber));
    assert_eq!(decode_events(&[200]), Err(CodecError::UnknownNumber));
    assert_eq!(decode_mail(&mut Reader::new(&[200])), Err(CodecError::UnknownNumber));
    assert_eq!(decode_reply(&[2]), Err(CodecError::UnknownNumber));
    assert_eq!(decode_reply(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(CodecError::UnknownNumber));
    // A status byte after tag and market.
    assert_eq!(decode_command(&[3, 1, 0, 9]), Err(CodecError::UnknownNumber));
}

#[test]
fn numbers_and_texts_outside_their_bounds_are_refused() {
    let credit = |units: i64| {
        let mut bytes = vec![7, 1, 0, 0, 0, 1, 0];
        bytes.extend_from_slice(&units.to_le_bytes());
        decode_command(&bytes)
    };
    assert!(credit(i64::MAX).is_ok());
    assert_eq!(credit(-1), Err(CodecError::OutOfRange));
    let mut revoke = command_bytes(&Command::RevokeApiKey(RevokeApiKey { key: text("k") }));
    revoke[2] = b' ';
    assert_eq!(decode_command(&revoke), Err(CodecError::OutOfRange), "a space");
    revoke[2] = b'k';
    revoke[1] = 65;
    assert_eq!(decode_command(&revoke), Err(CodecError::OutOfRange), "longer than its field");
    revoke[1] = 1;
    revoke[9] = b'x';
    assert_eq!(decode_command(&revoke), Err(CodecError::OutOfRange), "padding that is not zero");
}

#[test]
fn lists_of_mail_are_bounded_before_anything_is_reserved() {
    let deliver = |count: u32| {
        let mut bytes = vec![32];
        bytes.extend_from_slice(&[0; 26]);
        bytes.extend_from_slice(&count.to_le_bytes());
        decode_command(&bytes)
    };
    assert_eq!(deliver(0), Err(CodecError::OutOfRange));
    assert_eq!(deliver(4_096), Err(CodecError::Truncated));
    assert_eq!(deliver(4_097), Err(CodecError::TooLong));
    assert_eq!(deliver(u32::MAX), Err(CodecError::TooLong));
}

#[test]
fn longest_command_fits_its_bound() {
    let mail = vec![mails()[0].clone(); DeliverMail::MAIL_MAX];
    let command = Command::DeliverMail(DeliverMail {
        from: PartitionId::new(1),
        incarnation: Incarnation::new(1),
        first: MailSequence::new(1),
        acknowledged: MailSequence::ZERO,
        mail,
    });
    let bytes = command_bytes(&command);
    assert_eq!(bytes.len(), COMMAND_SIZE_MAX);
    assert_eq!(decode_command(&bytes), Ok(command));
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_what_reads_writes_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(command) = decode_command(&bytes) {
            prop_assert_eq!(command_bytes(&command), bytes.clone());
        }
        if let Ok(events) = decode_events(&bytes) {
            prop_assert_eq!(encoded(|to| events.iter().for_each(|event| encode_event(event, to))), bytes.clone());
        }
        let _ = decode_reply(&bytes);
        let _ = decode_mail(&mut Reader::new(&bytes));
    }

    #[test]
    fn command_with_one_changed_byte_never_panics(which in any::<usize>(), at in any::<usize>(), to in any::<u8>()) {
        let commands = commands();
        let mut bytes = command_bytes(&commands[which % commands.len()]);
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(command) = decode_command(&bytes) {
            prop_assert_eq!(command_bytes(&command), bytes);
        }
    }
}
