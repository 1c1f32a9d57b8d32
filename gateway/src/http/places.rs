//! Places for connections: so many in all, and whoever holds many leaves some to those who hold few.
//!
//! Idle connections cost their client nothing, and addresses cost little: of IPv6 everybody has 2^64, and many have 65,536
//! networks of so many. So there is a share for each address and for each network around it, and a part of all places is
//! reserved: for those that have few connections, and the last of it for those that have none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One place of so many is reserved, and of those again one of so many for whoever has no connection at all.
const RESERVED: usize = 4;
/// Of the reserved places an address may have one of so many.
const FEW: usize = 512;
/// A network may have this many times as many as one within it.
const WIDER: usize = 4;
/// The networks that have shares, by the bits of their names. Of IPv6: what one client has, what one customer is given,
/// what one provider is.
const BITS_V4: &[u8] = &[32, 24];
const BITS_V6: &[u8] = &[64, 48, 32];

/// A network that has a share: the first address, and how many bits of it are its name.
type Shared = (IpAddr, u8);

/// The places of one gateway.
#[derive(Debug)]
pub struct Places {
    count: usize,
    per_address: usize,
    free: Arc<Semaphore>,
    /// Who has how many; only those that have any.
    taken: Mutex<HashMap<Shared, usize>>,
}

/// One connection's. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    client: OnceLock<IpAddr>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many, all of them free, and so many of them for one address as long as there are enough.
    pub fn new(count: usize, per_address: usize) -> Places {
        Places { count, per_address, free: Arc::new(Semaphore::new(count)), taken: Mutex::default() }
    }

    /// How many are free.
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Takes a place for a connection of whom nobody has said yet whose it is.
    pub fn take(self: &Arc<Places>) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Place { places: Arc::clone(self), client: OnceLock::new(), _permit: permit })
    }

    /// Waits until all of `count` are free, as many as there are.
    pub async fn all_free(&self, count: usize) {
        let _ = self.free.acquire_many(u32::try_from(count).unwrap_or(u32::MAX)).await;
    }

    /// How many connections an address may have while so many places are free beside its next one.
    fn share(&self, free: usize) -> usize {
        let reserved = self.count / RESERVED;
        if free >= reserved {
            self.per_address
        } else if free >= reserved / RESERVED {
            (reserved / FEW).clamp(1, self.per_address)
        } else {
            1
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Shared, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// It is a connection from this address: `false` when that, or a network around it, has its share already.
    pub fn is_admitted(&self, ip: IpAddr) -> bool {
        let mut taken = self.places.taken();
        let mut share = self.places.share(self.places.free());
        for network in networks(ip) {
            if self.client.get().is_some() || taken.get(&network).is_some_and(|has| *has >= share) {
                return false;
            }
            share = share.saturating_mul(WIDER);
        }
        for network in networks(ip) {
            *taken.entry(network).or_default() += 1;
        }
        // Nobody else may say so meanwhile.
        let is_first = self.client.set(ip).is_ok();
        drop(taken);
        is_first
    }

    /// Whether nobody has said whose connection it is.
    pub fn is_nobodys(&self) -> bool {
        self.client.get().is_none()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(client) = self.client.get().copied() else { return };
        let mut taken = self.places.taken();
        for network in networks(client) {
            match taken.get_mut(&network) {
                Some(has) if *has > 1 => *has -= 1,
                _ => {
                    taken.remove(&network);
                }
            }
        }
    }
}

/// The networks around an address that have shares, the narrowest first.
fn networks(ip: IpAddr) -> impl Iterator<Item = Shared> {
    let bits = if ip.is_ipv4() { BITS_V4 } else { BITS_V6 };
    bits.iter().map(move |bits| (first(ip, *bits), *bits))
}

/// The first address of the network of so many bits around one.
fn first(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).into()
        }
        IpAddr::V6(ip) => {
            Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)).into()
        }
    }
}

#[cfg(test)]
mod tests;
