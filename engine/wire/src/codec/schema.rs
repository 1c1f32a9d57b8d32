//! The layouts of `v1` as data, from which SCHEMA.md is printed and checked.

use alloc::string::String;
use core::fmt::Write;

/// One record's fields in the order of their bytes.
pub struct Layout {
    /// The record's name.
    pub name: &'static str,
    /// Name, size in bytes and unit of each field.
    pub fields: &'static [(&'static str, usize, &'static str)],
}

impl Layout {
    /// The record's length in bytes.
    pub fn size(&self) -> usize {
        self.fields.iter().map(|(_, size, _)| size).sum()
    }
}

/// The text of `engine/wire/SCHEMA.md` from "## Records" on: every record of `v1` with offsets, sizes
/// and units.
pub fn schema() -> String {
    let mut text = String::from("## Records\n");
    for layout in super::v1::LAYOUTS.into_iter().flatten() {
        writeln!(text, "\n### {} ({} bytes)\n", layout.name, layout.size()).expect("a String takes any text");
        text.push_str("| offset | size | field | unit |\n|---|---|---|---|\n");
        let mut offset = 0;
        for (field, size, unit) in layout.fields {
            writeln!(text, "| {offset} | {size} | {field} | {unit} |").expect("a String takes any text");
            offset += size;
        }
    }
    text
}
