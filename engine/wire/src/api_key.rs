//! What an API key can be given after it was added: more of its material, and from where it may be used.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::AccountId;
use crate::text::{ApiKeyText, Secret};

/// Adds to the material of a key that is longer than one [`Secret`], such as an RSA key's modulus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendApiKey {
    /// The key's public name.
    pub key: ApiKeyText,
    /// Which part this is: 1 follows the material that the key was added with.
    pub part: u8,
    /// The bytes that follow those before.
    pub material: Secret,
}

impl ExtendApiKey {
    /// The most parts a key can have beside its first material: enough for an RSA modulus of 4,096 bits.
    pub const PARTS_MAX: u8 = 3;
}

/// The material of a key has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyExtended {
    /// Whose key.
    pub account: AccountId,
    /// Its public name.
    pub key: ApiKeyText,
    /// Which part this is, from 1.
    pub part: u8,
    /// The bytes that follow those before.
    pub material: Secret,
}

/// Says from where a key may be used, in place of what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestrictApiKey {
    /// The key's public name.
    pub key: ApiKeyText,
    /// From these alone; from everywhere when there are none.
    pub networks: Networks,
}

/// A key may be used from elsewhere than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiKeyRestricted {
    /// Whose key.
    pub account: AccountId,
    /// Its public name.
    pub key: ApiKeyText,
    /// From these alone; from everywhere when there are none.
    pub networks: Networks,
}

/// Addresses that share their first bits. Addresses of version 4 are held as mapped into version 6 (RFC 4291,
/// section 2.5.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: [u8; 16],
    prefix: u8,
}

/// Why a text is not a [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadNetwork;

impl fmt::Display for BadNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address, nor a network such as 192.0.2.0/24")
    }
}

impl core::error::Error for BadNetwork {}

impl Network {
    /// Of mapped addresses that share `prefix` bits with `address`. `None` when there are more than 128, or when
    /// bits beyond them are set.
    pub fn new(address: [u8; 16], prefix: u8) -> Option<Network> {
        let network = Network { address, prefix };
        (prefix <= 128 && network.masked(&address) == u128::from_be_bytes(address)).then_some(network)
    }

    /// The mapped address that it begins with.
    pub const fn address(&self) -> [u8; 16] {
        self.address
    }

    /// How many bits are shared.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `ip` is one of its addresses.
    pub fn holds(&self, ip: IpAddr) -> bool {
        self.masked(&mapped(ip)) == u128::from_be_bytes(self.address)
    }

    fn masked(&self, address: &[u8; 16]) -> u128 {
        let mask = match self.prefix {
            0 => 0,
            prefix => u128::MAX << (128 - u32::from(prefix.min(128))),
        };
        u128::from_be_bytes(*address) & mask
    }
}

fn mapped(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Network, BadNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| BadNetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNetwork)?;
        let bits = match (address, prefix) {
            (_, None) => 128,
            (IpAddr::V4(_), Some(prefix)) if prefix <= 32 => prefix + 96,
            (IpAddr::V6(_), Some(prefix)) => prefix,
            _ => return Err(BadNetwork),
        };
        Network::new(mapped(address), bits).ok_or(BadNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.address);
        match address.to_ipv4_mapped() {
            Some(address) if self.prefix >= 96 => show(f, &address, Ipv4Addr::BITS, u32::from(self.prefix) - 96),
            _ => show(f, &address, Ipv6Addr::BITS, self.prefix.into()),
        }
    }
}

fn show(f: &mut fmt::Formatter<'_>, address: &dyn fmt::Display, bits: u32, prefix: u32) -> fmt::Result {
    if prefix == bits { write!(f, "{address}") } else { write!(f, "{address}/{prefix}") }
}

/// Up to eight networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Networks {
    len: u8,
    items: [Network; Networks::MAX],
}

impl Networks {
    /// The most networks of one key.
    pub const MAX: usize = 8;
    /// No network: no restriction.
    pub const NONE: Networks = Networks { len: 0, items: [Network { address: [0; 16], prefix: 0 }; Networks::MAX] };

    /// `None` when there are more than [`Networks::MAX`].
    pub fn new(networks: &[Network]) -> Option<Networks> {
        let mut all = Networks::NONE;
        all.items.get_mut(..networks.len())?.copy_from_slice(networks);
        all.len = networks.len() as u8;
        Some(all)
    }

    /// Each of them.
    pub fn as_slice(&self) -> &[Network] {
        &self.items[..usize::from(self.len)]
    }

    /// Whether a key restricted to these may be used from `ip`.
    pub fn allow(&self, ip: IpAddr) -> bool {
        self.len == 0 || self.as_slice().iter().any(|network| network.holds(ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_the_addresses_that_share_its_first_bits() {
        let network: Network = "192.0.2.0/24".parse().unwrap();
        assert!(network.holds(ip("192.0.2.0")) && network.holds(ip("192.0.2.255")));
        assert!(network.holds(ip("::ffff:192.0.2.7")), "a mapped address is the same address");
        assert!(!network.holds(ip("192.0.3.0")) && !network.holds(ip("192.0.1.255")) && !network.holds(ip("::1")));
        let one: Network = "2001:db8::1".parse().unwrap();
        assert!(one.holds(ip("2001:db8::1")) && !one.holds(ip("2001:db8::2")));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().holds(ip("203.0.113.9")));
        assert!(!"0.0.0.0/0".parse::<Network>().unwrap().holds(ip("2001:db8::1")));
    }

    #[test]
    fn networks_read_back_as_they_were_written_and_nonsense_is_refused() {
        for text in ["192.0.2.0/24", "203.0.113.7", "0.0.0.0/0", "2001:db8::/32", "::1", "::/0"] {
            assert_eq!(text.parse::<Network>().expect(text).to_string(), text);
        }
        for text in ["", "192.0.2.1/24", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/", "192.0.2/24", "host", "/8"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork), "{text}");
        }
    }

    #[test]
    fn without_networks_a_key_may_be_used_from_everywhere() {
        assert!(Networks::NONE.allow(ip("203.0.113.7")));
        let some = Networks::new(&["192.0.2.0/24".parse().unwrap(), "::1".parse().unwrap()]).unwrap();
        assert!(some.allow(ip("192.0.2.1")) && some.allow(ip("::1")) && !some.allow(ip("203.0.113.7")));
        assert_eq!(Networks::new(&["::1".parse().unwrap(); Networks::MAX + 1]), None);
    }
}
