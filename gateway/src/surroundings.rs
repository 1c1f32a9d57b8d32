//! What a gateway takes from where it runs, beside sockets and the cluster: time, timers, chance, and somebody who does
//! things aside.
//!
//! A request takes them from here and from nowhere else on its way from parameters to answer. So its code waits on tokio in
//! production, and in a simulated world, where there is no runtime, on whoever polls it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// See the module.
pub trait Surroundings: Send + Sync + 'static {
    /// Microseconds since the Unix epoch: for `timestamp` checks, limits and server time alone; everything that happened
    /// carries log time.
    fn wall_us(&self) -> u64;

    /// Now, by a clock that never runs backwards.
    fn now(&self) -> Instant;

    /// Ends at this instant, or soon after it.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;

    /// Any number, each as likely as another.
    fn random(&self) -> u64;

    /// Does something that nobody waits for.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// The machine's clocks and chance, and the present tokio runtime.
pub struct Runtime;

impl Surroundings for Runtime {
    fn wall_us(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        tokio::time::sleep_until(at.into()).boxed()
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}

impl dyn Surroundings {
    /// What `doing` comes to, if it does by `deadline`. What is done already counts however late it is.
    pub async fn by<T>(&self, deadline: Instant, doing: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = doing => Some(done),
            () = self.sleep_until(deadline) => None,
        }
    }

    /// What `doing` comes to, if it takes no longer than this.
    pub async fn within<T>(&self, timeout: Duration, doing: impl Future<Output = T>) -> Option<T> {
        self.by(self.now() + timeout, doing).await
    }
}
