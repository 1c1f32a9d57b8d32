//! Where accounts send money: since when an address is known, and whether an operator has allowed it.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::{AccountId, ChainAddress, ChainId, Timestamp};

/// The most addresses of one account on all chains; an operator makes room by disallowing one.
const ADDRESSES_MAX: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) since: Timestamp,
    pub(super) is_allowed: bool,
}

type Key = (AccountId, ChainId, ChainAddress);

/// Every known address of every account.
#[derive(Default)]
pub(super) struct Destinations(BTreeMap<Key, Destination>);

impl Destinations {
    pub(super) fn get(&self, account: AccountId, chain: ChainId, address: &ChainAddress) -> Option<Destination> {
        self.0.get(&(account, chain, *address)).copied()
    }

    pub(super) fn has_room(&self, account: AccountId) -> bool {
        let first = (account, ChainId::new(0), ChainAddress::EMPTY);
        self.0.range(first..).take_while(|((of, _, _), _)| *of == account).count() < ADDRESSES_MAX
    }

    pub(super) fn put(&mut self, account: AccountId, chain: ChainId, address: ChainAddress, known: Destination) {
        self.0.insert((account, chain, address), known);
    }

    pub(super) fn forget(&mut self, account: AccountId, chain: ChainId, address: &ChainAddress) {
        self.0.remove(&(account, chain, *address));
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.0.len() as u32));
        for ((account, chain, address), known) in &self.0 {
            to.put(account);
            to.put(chain);
            to.put(address);
            to.put(&known.since);
            to.put(&known.is_allowed);
        }
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Destinations, CodecError> {
        let mut all = Destinations::default();
        for _ in 0..from.get::<u32>()? {
            let (account, chain, address) = (from.get()?, from.get()?, from.get()?);
            all.put(account, chain, address, Destination { since: from.get()?, is_allowed: from.get()? });
        }
        Ok(all)
    }
}
