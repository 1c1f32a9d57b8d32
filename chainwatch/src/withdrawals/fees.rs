//! What to pay to a chain: several nodes' word, so that no one node makes the exchange pay too much or wait for ever.

/// The middle of what nodes estimate, the lower of two middles; lower yet when some say nothing, so that a minority of the
/// configured nodes never decides how much too much is paid. `None` unless more than half of them say something.
pub fn agreed_fee(estimates: &[u128], configured: usize) -> Option<u128> {
    let mut sorted = estimates.to_vec();
    sorted.sort_unstable();
    let minority = configured.saturating_sub(1) / 2;
    let last = sorted.len().checked_sub(1 + minority)?;
    sorted.get(last.min((sorted.len() - 1) / 2)).copied().filter(|_| sorted.len() * 2 > configured)
}

/// What a replacement must pay more than the transaction before: a quarter, and in any case something (BIP 125 asks for its
/// own relay fee on top, EVM nodes for an eighth).
pub(super) fn bumped(fee: u128) -> u128 {
    fee.saturating_add(fee / 4).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_liars_of_five_do_not_move_the_fee_beyond_what_honest_nodes_say() {
        assert_eq!(agreed_fee(&[10, 11, 12, u128::MAX, u128::MAX], 5), Some(12));
        assert_eq!(agreed_fee(&[0, 0, 10, 11, 12], 5), Some(10));
        assert_eq!(agreed_fee(&[10, u128::MAX, u128::MAX], 5), Some(10), "the other honest ones are slow");
        assert_eq!(agreed_fee(&[10, 11, u128::MAX, u128::MAX], 5), Some(11));
        assert_eq!(agreed_fee(&[10, 11], 2), Some(10));
        assert_eq!(agreed_fee(&[10, 11, 12, 13], 4), Some(11));
        assert_eq!(agreed_fee(&[10], 1), Some(10));
        assert_eq!(agreed_fee(&[10, 11], 5), None, "too few say anything");
        assert_eq!(agreed_fee(&[], 5), None);
    }

    #[test]
    fn a_replacement_pays_a_quarter_more_and_never_the_same() {
        assert_eq!([bumped(0), bumped(3), bumped(1_000)], [1, 4, 1_251]);
        assert_eq!(bumped(u128::MAX), u128::MAX);
    }
}
