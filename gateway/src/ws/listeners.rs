//! The user events that one connection is sent: any number of subscriptions, each under a name of its own.

use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::accounts::{UserEvent, UserEvents};

/// The next event of a subscription: its name, the event, and the subscription to go on with.
type Next<N> = Abortable<BoxFuture<'static, (N, Option<UserEvent>, UserEvents)>>;

/// The subscriptions of one connection by name.
pub(super) struct Listeners<N> {
    next: FuturesUnordered<Next<N>>,
    names: Vec<(N, AbortHandle)>,
}

impl<N> Default for Listeners<N> {
    fn default() -> Listeners<N> {
        Listeners { next: FuturesUnordered::new(), names: Vec::new() }
    }
}

impl<N: Clone + PartialEq + Send + 'static> Listeners<N> {
    /// Listens under a name that is not in use.
    pub(super) fn listen(&mut self, name: N, mut events: UserEvents) {
        self.names.retain(|(known, _)| *known != name);
        let (handle, registration) = AbortHandle::new_pair();
        let key = name.clone();
        let next = async move { (key, events.recv().await, events) }.boxed();
        self.names.push((name, handle));
        self.next.push(Abortable::new(next, registration));
    }

    /// Listens no more; `false` when there was no such name.
    pub(super) fn silence(&mut self, name: &N) -> bool {
        let before = self.names.len();
        self.names.retain(|(known, handle)| {
            let is_meant = known == name;
            if is_meant {
                handle.abort();
            }
            !is_meant
        });
        self.names.len() < before
    }

    /// The names in use, in the order they came.
    pub(super) fn names(&self) -> impl Iterator<Item = &N> {
        self.names.iter().map(|(name, _)| name)
    }

    /// The next event of any subscription, or that one was cut off (`None`) and is over. Waits for ever while
    /// there is none. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> (N, Option<UserEvent>) {
        loop {
            match self.next.next().await {
                Some(Ok((name, Some(event), events))) => {
                    self.listen(name.clone(), events);
                    return (name, Some(event));
                }
                Some(Ok((name, None, _))) => {
                    self.silence(&name);
                    return (name, None);
                }
                // Silenced.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
