//! JSON text, appended field by field: what market data and streams are written with.
//!
//! A number becomes decimal text by [`wire::decimal`] and nothing is built in between, so that an event
//! costs one buffer. Commas are the writer's business, the shape is the caller's.

use wire::decimal;

/// How many decimals prices and quantities show at least.
pub const SHOWN_DECIMALS: u8 = 8;

/// Room for an answer or a report of an order.
const USUAL_BYTES: usize = 1_024;

/// The text of a whole answer or event that is made of texts and numbers.
pub fn text(whole: &impl serde::Serialize) -> String {
    // Written once into room enough: growing costs as much as writing.
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, whole).expect("texts and numbers are always JSON");
    String::from_utf8(bytes).expect("JSON of texts is UTF-8")
}

/// JSON text under construction.
#[derive(Debug, Default)]
pub struct Json {
    text: String,
}

impl Json {
    /// Nothing yet, with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Json {
        Json { text: String::with_capacity(capacity) }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Opens an object that is the whole text or an item of an array.
    pub fn open_object(&mut self) {
        self.separate();
        self.text.push('{');
    }

    /// Closes an object.
    pub fn close_object(&mut self) {
        self.text.push('}');
    }

    /// Opens an array that is the whole text or an item of an array.
    pub fn open_array(&mut self) {
        self.separate();
        self.text.push('[');
    }

    /// Closes an array.
    pub fn close_array(&mut self) {
        self.text.push(']');
    }

    /// The name of a field, whose value must follow.
    pub fn name(&mut self, name: &str) {
        self.separate();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    /// A whole number.
    pub fn int(&mut self, value: u64) {
        self.separate();
        push_int(&mut self.text, value);
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, value: bool) {
        self.separate();
        self.text.push_str(if value { "true" } else { "false" });
    }

    /// `null`.
    pub fn null(&mut self) {
        self.separate();
        self.text.push_str("null");
    }

    /// A text that needs no escapes: symbols, intervals, our own words.
    pub fn plain(&mut self, value: &str) {
        debug_assert!(value.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\'));
        self.separate();
        self.text.push('"');
        self.text.push_str(value);
        self.text.push('"');
    }

    /// JSON that is already written.
    pub fn raw(&mut self, value: &str) {
        self.separate();
        self.text.push_str(value);
    }

    /// `units` of `10^-decimals` as quoted text, exact and with at least 8 decimals.
    pub fn decimal(&mut self, units: i64, decimals: u8) {
        self.wide(i128::from(units), decimals, SHOWN_DECIMALS);
    }

    /// As [`Json::decimal`] for totals, with another number of decimals.
    pub fn wide(&mut self, units: i128, decimals: u8, shown: u8) {
        self.separate();
        self.text.push('"');
        decimal::push_wide(&mut self.text, units, decimals, shown);
        self.text.push('"');
    }

    /// A field of a whole number.
    pub fn int_field(&mut self, name: &str, value: u64) {
        self.name(name);
        self.int(value);
    }

    /// A field of plain text.
    pub fn plain_field(&mut self, name: &str, value: &str) {
        self.name(name);
        self.plain(value);
    }

    /// A field of `true` or `false`.
    pub fn boolean_field(&mut self, name: &str, value: bool) {
        self.name(name);
        self.boolean(value);
    }

    /// A field of decimal text.
    pub fn decimal_field(&mut self, name: &str, units: i64, decimals: u8) {
        self.name(name);
        self.decimal(units, decimals);
    }

    /// A field of a total as decimal text.
    pub fn wide_field(&mut self, name: &str, units: i128, decimals: u8) {
        self.name(name);
        self.wide(units, decimals, SHOWN_DECIMALS);
    }

    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }
}

fn push_int(text: &mut String, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.push_str(core::str::from_utf8(&digits[start..]).expect("digits are ASCII"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_values_and_nowhere_else() {
        let mut json = Json::default();
        json.open_object();
        json.int_field("u", u64::MAX);
        json.name("b");
        json.open_array();
        for (price, qty) in [(6_168_599, 150_000), (1, 0)] {
            json.open_array();
            json.decimal(price, 2);
            json.decimal(qty, 5);
            json.close_array();
        }
        json.close_array();
        json.boolean_field("m", true);
        json.plain_field("s", "BTCUSDT");
        json.name("x");
        json.null();
        json.close_object();
        assert_eq!(
            json.into_text(),
            r#"{"u":18446744073709551615,"b":[["61685.99000000","1.50000000"],["0.01000000","0.00000000"]],"m":true,"s":"BTCUSDT","x":null}"#
        );
    }
}
