//! Addresses of chains as people write them: whether a text is one, its checksum included, and the one way in which it
//! is remembered. What is not certainly somebody's is none: money that is sent there is gone.
//!
//! Sources: BIP 173, BIP 350, Base58Check, EIP-55.

use alloy_primitives::Address;
use bech32::segwit;
use wire::{AddressFormat, ChainAddress};

/// The address as its chain prints it, the same for all texts that mean it; `None` when the text is no address of the chain.
pub fn canonical(format: &AddressFormat, text: &str) -> Option<ChainAddress> {
    match format {
        AddressFormat::Bitcoin { prefix, pubkey_version, script_version } => match segwit::decode(text) {
            Ok((found, version, program)) => {
                let is_ours = found.to_lowercase() == prefix.as_str();
                // What later versions and other lengths mean is not decided: today anybody may spend them.
                let is_known = match version.to_u8() {
                    0 => true,
                    1 => program.len() == 32,
                    _ => false,
                };
                (is_ours && is_known).then(|| ChainAddress::new(text.to_lowercase().as_bytes()).ok())?
            }
            Err(_) => {
                let bytes = base58ck::decode_check(text).ok()?;
                let version = bytes.first().filter(|_| bytes.len() == 21)?;
                let is_ours = version == pubkey_version || version == script_version;
                is_ours.then(|| ChainAddress::new(text.as_bytes()).ok())?
            }
        },
        AddressFormat::Evm => {
            let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 40)?;
            let address: Address = digits.parse().ok()?;
            let printed = address.to_checksum(None);
            let has_case = |wanted: fn(&u8) -> bool| digits.bytes().any(|digit| wanted(&digit));
            let is_mixed = has_case(u8::is_ascii_lowercase) && has_case(u8::is_ascii_uppercase);
            let is_right = !address.is_zero() && (!is_mixed || printed == text);
            is_right.then(|| ChainAddress::new(printed.as_bytes()).ok())?
        }
    }
}

/// What addresses of a chain look like, as a regular expression: clients tell people of a slip before they ask.
pub fn pattern(format: &AddressFormat) -> String {
    match format {
        AddressFormat::Bitcoin { prefix, .. } => {
            format!("^({prefix}1)[0-9a-z]{{39,59}}$|^[1-9A-HJ-NP-Za-km-z]{{26,35}}$")
        }
        AddressFormat::Evm => "^(0x)[0-9A-Fa-f]{40}$".into(),
    }
}

#[cfg(test)]
mod tests;
