//! A 128-bit fingerprint of bytes, to compare replicas and to notice damage. Not a cryptographic hash: it does
//! not defend against somebody who chooses the bytes.

const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

/// FNV-1a's 128-bit prime and offset, over words of 8 bytes with a rotation, so that high bits reach low ones. Every
/// step is a bijection of the state: two inputs that differ in one word never meet again. Four lanes take every
/// fourth word each, so that the processor need not wait for one product before the next.
pub(crate) fn digest(bytes: &[u8]) -> u128 {
    let mut lanes = [OFFSET, OFFSET ^ 1, OFFSET ^ 2, OFFSET ^ 3];
    let blocks = bytes.chunks_exact(32);
    let mut tail = [0; 32];
    tail[..blocks.remainder().len()].copy_from_slice(blocks.remainder());
    for block in blocks.chain(std::iter::once(&tail[..])) {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
            *lane = step(*lane, u64::from_le_bytes(word.try_into().expect("a chunk is 8 bytes")));
        }
    }
    let mut state = step(OFFSET, bytes.len() as u64);
    for lane in lanes {
        state = step(step(state, lane as u64), (lane >> 64) as u64);
    }
    step(step(state, 0), 0)
}

#[inline]
fn step(state: u128, word: u64) -> u128 {
    (state ^ u128::from(word)).wrapping_mul(PRIME).rotate_left(67)
}

/// Two words to one: both halves of their product.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_and_the_length_count() {
        let bytes: Vec<u8> = (0..100).collect();
        let whole = digest(&bytes);
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x80;
            assert_ne!(digest(&other), whole);
            assert_ne!(digest(&bytes[..at]), whole);
        }
        assert_ne!(digest(&[]), digest(&[0]));
    }
}
