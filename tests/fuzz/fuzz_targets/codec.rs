//! Decoding of anybody's bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tests::fuzz::codec(bytes));
