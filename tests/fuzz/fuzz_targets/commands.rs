//! The engine against the model, over commands that the bytes choose.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::commands(bytes));
