//! Places for connections: so many in all, and no address has so many that others find none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::throttle;

/// An address may have this many times as many connections as there are free places: alone it gets three quarters of all, a
/// second one three quarters of what is left, and so on. Idle connections cost their client nothing.
const SHARE: usize = 3;

/// The places of one gateway.
#[derive(Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    /// Who has how many; only addresses that have any. An address of IPv6 is its network of 64 bits.
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    client: Option<IpAddr>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many, all of them free.
    pub fn new(count: usize) -> Places {
        Places { free: Arc::new(Semaphore::new(count)), taken: Mutex::default() }
    }

    /// How many are free.
    pub fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// Takes a place for a connection of whom nobody has said yet whose it is.
    pub fn take(self: &Arc<Places>) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Place { places: Arc::clone(self), client: None, _permit: permit })
    }

    /// Waits until all of `count` are free, as many as there are.
    pub async fn all_free(&self, count: usize) {
        let _ = self.free.acquire_many(u32::try_from(count).unwrap_or(u32::MAX)).await;
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// It is a connection from this address: `false` when that has its share already.
    pub fn is_admitted(&mut self, ip: IpAddr) -> bool {
        let client = throttle::client(ip);
        let free = self.places.free();
        let mut taken = self.places.taken();
        let has = taken.get(&client).copied().unwrap_or(0);
        if self.client.is_some() || has > free.saturating_mul(SHARE) {
            return false;
        }
        taken.insert(client, has + 1);
        self.client = Some(client);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut taken = self.places.taken();
        match taken.get_mut(&client) {
            Some(has) if *has > 1 => *has -= 1,
            _ => {
                taken.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(places: &Arc<Places>, ip: &str) -> Vec<Place> {
        let ip = ip.parse().unwrap();
        let next = || {
            let mut place = places.take()?;
            place.is_admitted(ip).then_some(place)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn an_address_alone_gets_three_quarters_and_the_next_ones_three_quarters_of_the_rest() {
        let places = Arc::new(Places::new(16_384));
        let first = fill(&places, "192.0.2.1");
        assert_eq!(first.len(), 12_288);
        let second = fill(&places, "192.0.2.2");
        assert_eq!(second.len(), 3_072);
        assert_eq!(fill(&places, "192.0.2.3").len(), 768);
        drop(first);
        assert_eq!(places.free(), 16_384 - 3_072);
        assert_eq!(fill(&places, "192.0.2.1").len(), 9_984, "three quarters of what is left");
        drop(second);
        assert!(places.taken().is_empty(), "nobody is remembered who has none");
        assert_eq!(places.free(), 16_384);
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let places = Arc::new(Places::new(16));
        let first = fill(&places, "2001:db8::1");
        assert_eq!(first.len(), 12);
        assert!(fill(&places, "2001:db8::2").is_empty());
        assert_eq!(fill(&places, "2001:db8:0:1::1").len(), 3);
    }

    #[test]
    fn the_last_place_is_for_whom_has_none() {
        let places = Arc::new(Places::new(1));
        let only = fill(&places, "192.0.2.1");
        assert_eq!(only.len(), 1);
        assert!(places.take().is_none());
    }

    #[test]
    fn a_place_is_one_clients() {
        let places = Arc::new(Places::new(8));
        let mut place = places.take().unwrap();
        assert!(place.is_admitted("192.0.2.1".parse().unwrap()));
        assert!(!place.is_admitted("192.0.2.2".parse().unwrap()));
        drop(place);
        assert!(places.taken().is_empty());
    }
}
