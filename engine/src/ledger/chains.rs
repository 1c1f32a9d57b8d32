//! Open orders linked by account and by client session, oldest first, so that canceling many takes as long as there are
//! orders to cancel. An order is named by its place in the slab of open orders.

use wire::{AccountId, ClientSessionId};

use crate::index::Index;

/// Its older and its newer neighbour, each one more than its place; 0 for none.
type Neighbours = [u32; 2];
/// Oldest and newest, in the same way.
type Ends = [u32; 2];

/// One account's, in one place: whoever needs one of them needs the other.
#[derive(Clone, Copy, Default)]
struct Chain {
    ends: Ends,
    /// How many orders it has open.
    total: u32,
}

pub(super) struct Chains {
    /// Among the account's orders, then among the session's.
    links: Vec<[Neighbours; 2]>,
    accounts: Vec<Chain>,
    /// From (session, account) to its ends, the oldest in the lower half. Sessions without orders are missing.
    sessions: Index<2, 3>,
}

impl Chains {
    /// `sessions_max` sessions have orders at most.
    pub(super) fn new(open_max: usize, accounts_max: usize, sessions_max: usize) -> Chains {
        Chains {
            links: Vec::with_capacity(open_max),
            accounts: Vec::with_capacity(accounts_max),
            sessions: Index::new(sessions_max),
        }
    }

    pub(super) fn add_account(&mut self) {
        self.accounts.push(Chain::default());
    }

    /// Reads the rows of a known account; what it was has no meaning.
    #[inline]
    pub(super) fn read(&self, account: AccountId) -> u32 {
        self.accounts[row(account)].total
    }

    /// Reads the links of the order at a place; what it was has no meaning.
    #[inline]
    pub(super) fn read_place(&self, place: usize) -> u32 {
        self.links[place][0][0]
    }

    /// How many orders a known account has open.
    pub(super) fn total(&self, account: AccountId) -> u32 {
        self.accounts[row(account)].total
    }

    /// Links the order at a place that is new or free.
    pub(super) fn attach(&mut self, place: usize, account: AccountId, session: ClientSessionId) {
        if place == self.links.len() {
            self.links.push([[0; 2]; 2]);
        }
        let chain = &mut self.accounts[row(account)];
        chain.total += 1;
        append(&mut self.links, 0, &mut chain.ends, place);
        if session.get() != 0 {
            let mut ends = self.session_ends(account, session);
            append(&mut self.links, 1, &mut ends, place);
            self.put_session_ends(account, session, ends);
        }
    }

    /// Takes the order at a place out of both chains.
    pub(super) fn detach(&mut self, place: usize, account: AccountId, session: ClientSessionId) {
        let chain = &mut self.accounts[row(account)];
        chain.total -= 1;
        unlink(&mut self.links, 0, &mut chain.ends, place);
        self.leave(place, account, session);
    }

    /// Takes the order at a place out of its session's chain alone.
    pub(super) fn leave(&mut self, place: usize, account: AccountId, session: ClientSessionId) {
        if session.get() != 0 {
            let mut ends = self.session_ends(account, session);
            unlink(&mut self.links, 1, &mut ends, place);
            self.put_session_ends(account, session, ends);
        }
    }

    /// The places of an account's orders, oldest first.
    pub(super) fn of_account(&self, account: AccountId) -> impl Iterator<Item = usize> {
        self.along(0, self.accounts[row(account)].ends[0])
    }

    /// The places of a session's orders, oldest first.
    pub(super) fn of_session(&self, account: AccountId, session: ClientSessionId) -> impl Iterator<Item = usize> {
        self.along(1, self.session_ends(account, session)[0])
    }

    fn along(&self, chain: usize, oldest: u32) -> impl Iterator<Item = usize> {
        let mut at = oldest;
        std::iter::from_fn(move || {
            let place = at.checked_sub(1)? as usize;
            at = self.links[place][chain][1];
            Some(place)
        })
    }

    fn session_ends(&self, account: AccountId, session: ClientSessionId) -> Ends {
        let ends = self.sessions.get(&[session.get(), account.get().into()]).unwrap_or(0);
        [ends as u32, (ends >> 32) as u32]
    }

    fn put_session_ends(&mut self, account: AccountId, session: ClientSessionId, ends: Ends) {
        let key = [session.get(), account.get().into()];
        if ends == [0; 2] {
            self.sessions.remove(&key);
        } else {
            self.sessions.insert(key, u64::from(ends[1]) << 32 | u64::from(ends[0]));
        }
    }
}

fn row(account: AccountId) -> usize {
    account.get() as usize - 1
}

fn append(links: &mut [[Neighbours; 2]], chain: usize, ends: &mut Ends, place: usize) {
    let name = place as u32 + 1;
    links[place][chain] = [ends[1], 0];
    match ends[1] {
        0 => ends[0] = name,
        newest => links[newest as usize - 1][chain][1] = name,
    }
    ends[1] = name;
}

fn unlink(links: &mut [[Neighbours; 2]], chain: usize, ends: &mut Ends, place: usize) {
    let [older, newer] = std::mem::take(&mut links[place][chain]);
    match older {
        0 => ends[0] = newer,
        older => links[older as usize - 1][chain][1] = newer,
    }
    match newer {
        0 => ends[1] = older,
        newer => links[newer as usize - 1][chain][0] = older,
    }
}
