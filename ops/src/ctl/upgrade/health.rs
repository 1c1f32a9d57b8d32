//! Whether a node that came back is well: it runs, is ready, has caught up, and has the state that others have.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::super::Place;
use super::super::version::{self, Page};
use super::restart::Restart;
use crate::http;

/// A page of a frozen process never comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// It has caught up when it misses no more entries than this.
const LAG_MAX: u64 = 64;
/// Two nodes are looked at for so long for a position at which both say a digest: they move on while they are asked.
const COMPARED_WITHIN: Duration = Duration::from_secs(10);
/// Of a large state a digest takes its time: most of the time nobody is asked for one.
const PAUSES_PER_LOOK: u32 = 3;

/// See the module.
pub struct Health<'a> {
    /// Where the nodes are.
    pub place: &'a Place,
    /// How long it may take.
    pub within: Duration,
}

/// See `/digest`.
#[derive(Debug, Deserialize)]
struct DigestAt {
    partition: u16,
    position: u64,
    digest: String,
}

/// What each of two nodes has said at each position of each partition.
#[derive(Debug, Default)]
struct Compared {
    said: [BTreeMap<(u16, u64), String>; 2],
}

impl Health<'_> {
    /// Waits until the node is well and says how; the error says why it is not.
    pub async fn wait(&self, id: u64, restart: &Restart<'_>) -> Result<String, String> {
        let begun = Instant::now();
        let page = loop {
            let why = match self.page(id).await {
                Some(page) => match unwell(&page) {
                    None => break page,
                    Some(why) => why,
                },
                None if restart.has_ended(id).await => return Err("it has ended as soon as it was started".into()),
                None => "it does not answer".into(),
            };
            if begun.elapsed() > self.within {
                return Err(format!("{why}, {} s after it was started", begun.elapsed().as_secs()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let compared = self.compare(id, &page).await?;
        let [first, last] = page.partitions.first().map_or([0, 0], |replica| replica.versions);
        Ok(format!("ready after {:.1} s, knows versions {first} to {last}, {compared}", begun.elapsed().as_secs_f64()))
    }

    async fn page(&self, id: u64) -> Option<Page> {
        version::page(&self.http(id)?).await
    }

    fn http(&self, id: u64) -> Option<String> {
        self.place.state().ok()?.nodes.into_iter().find(|node| node.id == id).map(|node| node.http)
    }

    /// Digests of this node and of another one, at positions that both happen to be at when they are asked.
    async fn compare(&self, id: u64, page: &Page) -> Result<String, String> {
        let partitions: Vec<u16> = page.partitions.iter().map(|replica| replica.partition).collect();
        let ids = self.place.state().map_err(|error| error.to_string())?.nodes.into_iter().map(|node| node.id);
        let other = page.partitions.first().and_then(|replica| replica.leader).filter(|leader| *leader != id);
        let Some(other) = other.or_else(|| ids.into_iter().find(|node| *node != id)) else {
            return Ok("has nobody to be compared with".into());
        };
        let (own, others) = (self.http(id), self.http(other));
        let (Some(own), Some(others)) = (own, others) else { return Err("it is not in the state file".into()) };
        let mut compared = Compared::default();
        let begun = Instant::now();
        while begun.elapsed() < COMPARED_WITHIN {
            let asked = Instant::now();
            let (a, b) = tokio::join!(digests(&own), digests(&others));
            compared.said(0, a);
            compared.said(1, b);
            compared.differ().map_or(Ok(()), |(partition, position)| {
                Err(format!("its digest of partition {partition} at position {position} is not node {other}'s"))
            })?;
            if partitions.iter().all(|partition| compared.agrees(*partition)) {
                return Ok(format!("has node {other}'s digests"));
            }
            tokio::time::sleep(PAUSES_PER_LOOK * asked.elapsed()).await;
        }
        // They trade too fast for that, which speaks against nobody.
        let seen = partitions.iter().filter(|partition| compared.agrees(**partition)).count();
        let all = partitions.len();
        Ok(format!(
            "has node {other}'s digests in {seen} of {all} partitions, and was never seen where it was in the others"
        ))
    }
}

async fn digests(http: &str) -> Vec<DigestAt> {
    let page = http::get(&format!("{http}/digest"), ANSWER_WITHIN).await;
    page.and_then(|(_, body)| serde_json::from_slice(&body).ok()).unwrap_or_default()
}

/// What speaks against a node that answers.
fn unwell(page: &Page) -> Option<String> {
    let failed = page.partitions.iter().find_map(|replica| replica.failed.as_ref());
    if let Some(failed) = failed {
        return Some(failed.clone());
    }
    let behind = page.partitions.iter().find(|replica| !replica.caught_up || replica.lag > LAG_MAX);
    if let Some(behind) = behind {
        return Some(format!("it has not caught up in partition {}", behind.partition));
    }
    (!page.ready).then(|| "it is not ready".to_owned())
}

impl Compared {
    fn said(&mut self, who: usize, digests: Vec<DigestAt>) {
        for DigestAt { partition, position, digest } in digests {
            self.said[who].insert((partition, position), digest);
        }
    }

    fn common(&self) -> impl Iterator<Item = (&(u16, u64), bool)> {
        self.said[0].iter().filter_map(|(at, digest)| Some((at, self.said[1].get(at)? == digest)))
    }

    /// Where they differ.
    fn differ(&self) -> Option<(u16, u64)> {
        self.common().find(|(_, is_same)| !is_same).map(|(at, _)| *at)
    }

    fn agrees(&self, partition: u16) -> bool {
        self.common().any(|(at, is_same)| at.0 == partition && is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_compared_at_equal_positions_alone() {
        let at = |position, digest: &str| vec![DigestAt { partition: 1, position, digest: digest.into() }];
        let mut compared = Compared::default();
        compared.said(0, at(7, "a"));
        compared.said(1, at(8, "b"));
        assert!(!compared.agrees(1) && compared.differ().is_none());
        compared.said(0, at(8, "b"));
        assert!(compared.agrees(1) && compared.differ().is_none());
        compared.said(1, at(7, "z"));
        assert_eq!(compared.differ(), Some((1, 7)));
    }
}
