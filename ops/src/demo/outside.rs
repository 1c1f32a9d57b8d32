//! What the demo leans on outside of itself, a database for history and a place for backups: told to who looks at its console when
//! it cannot be reached, and when it can again. The exchange trades without either.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::layout::Layout;
use crate::http;

const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Of what is over by then nobody is told.
const TOLD_AFTER: Duration = Duration::from_secs(4);

/// What there is to look after.
#[derive(Debug, Clone)]
pub struct Outside {
    pub layout: Layout,
    /// Whether history is in a database.
    pub has_history: bool,
    /// Where the nodes ship.
    pub backup: Option<String>,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaned {
    History,
    Backup,
}

/// What is wrong with each, in the words of whoever needs it; nothing is. Of what nobody speaks nothing is known.
pub type Troubles = BTreeMap<Leaned, Option<String>>;

/// Of a partition, as a node's shipper says it.
#[derive(Debug, Deserialize)]
struct Lane {
    error: Option<String>,
}

impl Outside {
    /// Asks the processes that use them.
    pub async fn troubles(&self) -> Troubles {
        let mut troubles = Troubles::new();
        if self.has_history {
            let metrics = http::get(&format!("http://{}/metrics", self.layout.gateway), ANSWER_WITHIN).await;
            if let Some((200, body)) = metrics {
                let is_down = is_down(&String::from_utf8_lossy(&body));
                troubles.insert(Leaned::History, is_down.then(|| "the gateway's log says why".to_owned()));
            }
        }
        if self.backup.is_some() {
            let mut pages = Vec::new();
            for node in &self.layout.nodes {
                let page = http::get(&format!("http://{}/backup", node.http), ANSWER_WITHIN).await;
                pages.extend(page.and_then(|(_, body)| serde_json::from_slice::<Vec<Lane>>(&body).ok()));
            }
            if !pages.is_empty() {
                troubles.insert(Leaned::Backup, unshipped(&pages));
            }
        }
        troubles
    }

    /// A line for the console.
    fn line(&self, leaned: Leaned, trouble: Option<&str>) -> String {
        let place = self.backup.as_deref().unwrap_or_default();
        match (leaned, trouble) {
            (Leaned::History, Some(why)) => format!(
                "History's database does not answer: past orders, trades and klines are refused (-1001) until it does; {why}. Trading goes on."
            ),
            (Leaned::History, None) => "History's database answers; what it has missed is written.".to_owned(),
            (Leaned::Backup, Some(why)) => format!("Nothing is shipped to {place}: {why}. Trading goes on."),
            (Leaned::Backup, None) => format!("Logs and snapshots are shipped to {place} again."),
        }
    }
}

/// Whether a gateway's metrics say that its database is not there.
fn is_down(metrics: &str) -> bool {
    metrics.lines().any(|line| {
        let value = line.strip_prefix("mainstay_gateway_history_up").and_then(|rest| rest.split(' ').nth(1));
        value == Some("0")
    })
}

/// Why nothing is shipped, of nodes that say this.
fn unshipped(pages: &[Vec<Lane>]) -> Option<String> {
    let error = pages.iter().flatten().find_map(|lane| lane.error.clone());
    let error = error.map(|error| error.split_whitespace().collect::<Vec<_>>().join(" "));
    // A node says nothing of its partitions before the place has answered once.
    let is_silent = pages.iter().all(Vec::is_empty);
    error.or_else(|| is_silent.then(|| "it has not answered yet".to_owned()))
}

/// What has been told, so that it is told once.
#[derive(Debug, Default)]
pub struct Told {
    since: BTreeMap<Leaned, (Instant, bool)>,
}

impl Told {
    /// What is news.
    pub fn news(&mut self, of: &Outside, troubles: &Troubles, now: Instant) -> Vec<String> {
        let mut news = Vec::new();
        for (leaned, why) in troubles {
            let Some(why) = why else { continue };
            let (since, is_told) = self.since.entry(*leaned).or_insert((now, false));
            if !*is_told && now - *since >= TOLD_AFTER {
                *is_told = true;
                news.push(of.line(*leaned, Some(why)));
            }
        }
        self.since.retain(|leaned, (_, is_told)| {
            let is_over = troubles.get(leaned).is_some_and(Option::is_none);
            if is_over && *is_told {
                news.push(of.line(*leaned, None));
            }
            !is_over
        });
        news
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::Kind;
    use super::*;

    #[test]
    fn a_database_that_is_not_there_is_seen_in_the_gateways_metrics() {
        assert!(is_down("# TYPE x gauge\nmainstay_gateway_history_up 0\n"));
        assert!(!is_down("mainstay_gateway_history_up 1\nmainstay_gateway_history_refused 0\n"));
        assert!(!is_down(""), "history in memory is always there");
    }

    #[test]
    fn a_place_that_does_not_answer_is_told_with_the_nodes_words() {
        let lane = |error: Option<&str>| Lane { error: error.map(str::to_owned) };
        assert_eq!(unshipped(&[vec![lane(None)], vec![]]), None);
        assert_eq!(unshipped(&[vec![], vec![]]).unwrap(), "it has not answered yet");
        assert_eq!(unshipped(&[vec![lane(None), lane(Some("no such\n  bucket"))]]).unwrap(), "no such bucket");
    }

    #[test]
    fn each_is_told_once_when_it_lasts_and_once_when_it_is_over() {
        let layout = Layout::on_any_ports(Kind::Split, &[1]).unwrap();
        let of = Outside { layout, has_history: true, backup: Some("s3://b/f".into()) };
        let (mut told, now) = (Told::default(), Instant::now());
        let later = |s| now + Duration::from_secs(s);
        let said = |why: Option<&str>| Troubles::from([(Leaned::Backup, why.map(str::to_owned))]);
        let (down, up) = (said(Some("no such bucket")), said(None));
        assert!(told.news(&of, &down, now).is_empty());
        assert!(told.news(&of, &up, later(1)).is_empty(), "it was over before it was told");
        assert!(told.news(&of, &down, later(2)).is_empty());
        let said = told.news(&of, &down, later(6));
        assert_eq!(said, ["Nothing is shipped to s3://b/f: no such bucket. Trading goes on."]);
        assert!(told.news(&of, &down, later(60)).is_empty());
        assert!(told.news(&of, &Troubles::new(), later(61)).is_empty(), "nobody is there to say that it is over");
        assert_eq!(told.news(&of, &up, later(62)), ["Logs and snapshots are shipped to s3://b/f again."]);
    }
}
