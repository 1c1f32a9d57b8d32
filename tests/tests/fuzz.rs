//! The fuzz targets of `tests/fuzz` on any toolchain: the committed corpus, then a bounded walk near it. The walk is the same in
//! every run; libFuzzer walks further (`cargo fuzz run commands` in `tests/fuzz`).

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Every file of a corpus, in the order of names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).expect("a file of the corpus")).collect()
}

/// The corpus, then so many neighbours of it: some bytes changed, a piece cut out, a piece of another put in.
fn walk(name: &str, neighbours: usize, target: impl Fn(&[u8])) {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "a corpus is committed");
    let run = |bytes: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(bytes))) {
            eprintln!("{name}: {bytes:?}");
            resume_unwind(panic);
        }
    };
    corpus.iter().for_each(|bytes| run(bytes));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 8) as usize % bound.max(1)
    };
    for _ in 0..neighbours {
        let mut bytes = corpus[below(corpus.len())].clone();
        for _ in 0..1 + below(6) {
            let at = below(bytes.len());
            match below(4) {
                0 => drop(bytes.drain(at..bytes.len().min(at + 1 + below(8)))),
                1 => {
                    let other = &corpus[below(corpus.len())];
                    let from = below(other.len());
                    let piece = other[from..other.len().min(from + 1 + below(40))].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ if at < bytes.len() => bytes[at] = below(256) as u8,
                _ => {}
            }
        }
        run(&bytes);
    }
}

#[test]
fn whatever_bytes_choose_the_engine_and_the_model_tell_the_same() {
    walk("commands", 400, tests::fuzz::commands);
}

#[test]
fn whatever_bytes_come_decoding_never_panics_and_what_it_takes_is_written_as_it_was() {
    walk("codec", 200_000, tests::fuzz::codec);
}
