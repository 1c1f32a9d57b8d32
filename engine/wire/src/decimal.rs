//! Decimal text to and from integers of a scale. The one place where a number becomes text or text a
//! number; exact, without floats, never rounding.

use alloc::string::String;
use core::fmt::Write;

/// Why a text is not a number in the wanted scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// Empty, or something besides digits and one point: signs, exponents, spaces, NaN.
    Malformed,
    /// More non-zero decimals than the scale has.
    TooManyDecimals,
    /// More than `i64` holds in this scale.
    TooLarge,
}

/// The integer that `text` is in units of `10^-decimals`. Accepts `digits[.digits]`; trailing zeros
/// beyond the scale are no decimals. Negative numbers are malformed: no unit here has them.
pub fn parse(text: &str, decimals: u8) -> Result<i64, DecimalError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let has_point = text.contains('.');
    if whole.is_empty() || (has_point && fraction.is_empty()) {
        return Err(DecimalError::Malformed);
    }
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > usize::from(decimals) {
        return Err(DecimalError::TooManyDecimals);
    }
    let padding = usize::from(decimals) - fraction.len();
    let digits = whole.bytes().chain(fraction.bytes()).chain(core::iter::repeat_n(b'0', padding));
    digits
        .into_iter()
        .try_fold(0_i64, |value, digit| value.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
        .ok_or(DecimalError::TooLarge)
}

/// `units` of `10^-decimals` as text with at least `shown` decimals and never fewer than it takes to be
/// exact.
pub fn format(units: i64, decimals: u8, shown: u8) -> String {
    let mut text = String::with_capacity(24);
    push(&mut text, units, decimals, shown);
    text
}

/// As [`format`], appended to `text`.
pub fn push(text: &mut String, units: i64, decimals: u8, shown: u8) {
    push_wide(text, i128::from(units), decimals, shown);
}

/// As [`push`], for totals.
pub fn push_wide(text: &mut String, units: i128, decimals: u8, shown: u8) {
    if units < 0 {
        text.push('-');
    }
    let scale = 10_u128.pow(u32::from(decimals));
    let magnitude = units.unsigned_abs();
    let (whole, mut fraction) = (magnitude / scale, magnitude % scale);
    let mut places = decimals;
    while places > shown && fraction % 10 == 0 {
        fraction /= 10;
        places -= 1;
    }
    write!(text, "{whole}").expect("a String takes any text");
    if places.max(shown) > 0 {
        text.push('.');
        if places > 0 {
            write!(text, "{fraction:0width$}", width = usize::from(places)).expect("a String takes any text");
        }
        text.extend(core::iter::repeat_n('0', usize::from(shown.saturating_sub(places))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimal_text_is_exact_or_refused() {
        assert_eq!(parse("61685.99", 2), Ok(6_168_599));
        assert_eq!(parse("61685.99000000", 2), Ok(6_168_599));
        assert_eq!(parse("1", 8), Ok(100_000_000));
        assert_eq!(parse("0.001", 2), Err(DecimalError::TooManyDecimals));
        for malformed in ["", ".", "1.", ".5", "-1", "+1", "1e3", "NaN", " 1", "1 ", "1.2.3", "0x1", "１"] {
            assert_eq!(parse(malformed, 8), Err(DecimalError::Malformed), "{malformed}");
        }
        assert_eq!(parse("92233720368.54775807", 8), Ok(i64::MAX));
        assert_eq!(parse("92233720368.54775808", 8), Err(DecimalError::TooLarge));
    }

    #[test]
    fn text_shows_the_wanted_decimals_and_never_drops_a_digit() {
        assert_eq!(format(6_168_599, 2, 8), "61685.99000000");
        assert_eq!(format(1, 10, 8), "0.0000000001");
        assert_eq!(format(100, 10, 8), "0.00000001");
        assert_eq!(format(0, 10, 8), "0.00000000");
        assert_eq!(format(5, 0, 0), "5");
        assert_eq!(format(50, 1, 0), "5");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(units in 0..=i64::MAX, decimals in 0..=18_u8, shown in 0..=10_u8) {
            prop_assert_eq!(parse(&format(units, decimals, shown), decimals), Ok(units));
        }
    }
}
