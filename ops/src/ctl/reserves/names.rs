//! What the files of accounts are called: an account may have any name of printable characters, a file not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A file's name for each account, in their order: the account's own, and `.json`, where all of it is letters, digits, `-`, `_`
/// and `.`; anything else, and what would hide the file or look like a flag at its beginning, is written as `%2F`. So none
/// leads to another directory, and what is written so can be read back. Where names differ by upper and lower case alone,
/// their capitals are written so too: not every disk tells them apart.
pub fn of<'a>(accounts: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut alike: BTreeMap<String, usize> = BTreeMap::new();
    accounts.clone().for_each(|name| *alike.entry(name.to_ascii_lowercase()).or_default() += 1);
    accounts.map(|name| file_name(name, alike[&name.to_ascii_lowercase()] > 1)).collect()
}

fn file_name(account: &str, is_shared: bool) -> String {
    let mut name = String::with_capacity(account.len() + ".json".len());
    for (at, byte) in account.bytes().enumerate() {
        let is_plain = match byte {
            b'A'..=b'Z' => !is_shared,
            b'a'..=b'z' | b'0'..=b'9' | b'_' => true,
            b'-' | b'.' => at > 0,
            _ => false,
        };
        if is_plain {
            name.push(char::from(byte));
        } else {
            // A string takes everything.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name + ".json"
}
