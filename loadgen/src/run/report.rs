//! The results of a run, for people and as JSON.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::measure::{Measure, Percentiles};
use super::reconcile::{Findings, Flow};

/// How many findings of a kind are printed; all are counted.
const SHOWN: usize = 20;

/// Everything a run found out. The first fields are an interface: scripts read them.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Latency of acknowledged orders from their planned time, in microseconds.
    pub ack_us: Percentiles,
    /// Orders sent per second.
    pub offered_per_s: f64,
    /// Orders acknowledged per second.
    pub acked_per_s: f64,
    /// Orders refused.
    pub rejected: u64,
    /// Acknowledged orders and fills without a record.
    pub lost: u64,
    /// Orders and fills that exist more than once.
    pub duplicated: u64,
    /// The longest time without any answer while something waited for one, in milliseconds.
    pub longest_pause_ms: f64,
    /// When that pause began, in milliseconds from the start.
    pub longest_pause_began_ms: Option<f64>,
    /// Orders sent.
    pub offered: u64,
    /// Orders acknowledged.
    pub acked: u64,
    /// Orders refused, by code and text.
    pub rejects: Vec<Reject>,
    /// Orders that were looked up or sent again because no answer came.
    pub retried: u64,
    /// Orders of which the exchange said nothing for as long as we asked, and has no record.
    pub unresolved: u64,
    /// Records that contradict acknowledgements or one another.
    pub disagreeing: u64,
    /// Balances that do not follow from trades and fees.
    pub unbalanced: u64,
    /// Cancels sent, acknowledged, too late, failed.
    pub cancels: Cancels,
    /// Latency of acknowledged cancels, as `ack_us`.
    pub cancel_ack_us: Percentiles,
    /// How long orders were sent, in seconds.
    pub duration_s: f64,
    /// Fills of the used accounts, and what flowed per asset.
    pub fills: u64,
    /// Fees paid and gained from outsiders, by asset, as exact text.
    pub flows: Vec<AssetFlow>,
    /// What is wrong, as sentences; the first few of each kind.
    pub findings: Vec<String>,
    /// Whether the exchange's records were read at the end. Where not, what was lost or doubled is not known.
    pub reconciled: bool,
    /// Whether nothing was lost, doubled, contradicted or unbalanced, and the records were read.
    pub sound: bool,
}

/// Refused orders of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Reject {
    /// Binance's code; 0 when the order never reached the exchange.
    pub code: i32,
    /// Binance's text.
    pub message: String,
    /// How many.
    pub count: u64,
}

/// What became of cancels.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cancels {
    /// Sent.
    pub offered: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Their orders had ended.
    pub too_late: u64,
    /// Refused otherwise, or not answered.
    pub failed: u64,
}

/// One asset's part of [`Report::flows`].
#[derive(Debug, Clone, Serialize)]
pub struct AssetFlow {
    /// Which asset.
    pub asset: String,
    /// Paid to the exchange.
    pub fees: String,
    /// Received from accounts outside the run, minus paid to them.
    pub from_outside: String,
}

impl Report {
    /// Sums up. Without a number of `fills` the exchange's records could not be read.
    pub fn new(
        measure: &Measure,
        duration: Duration,
        findings: &Findings,
        fills: Option<u64>,
        flows: impl IntoIterator<Item = (String, Flow)>,
    ) -> Report {
        let seconds = duration.as_secs_f64().max(f64::MIN_POSITIVE);
        let rate = |count: u64| (count as f64 / seconds * 10.0).round() / 10.0;
        let millis = |time: Duration| time.as_micros() as f64 / 1_000.0;
        let (longest_pause, began) = measure.longest_pause();
        let kinds = [&findings.lost, &findings.duplicated, &findings.disagreeing, &findings.unbalanced];
        let mut rejects: Vec<Reject> = measure
            .rejects
            .iter()
            .map(|((code, message), count)| Reject { code: *code, message: message.clone(), count: *count })
            .collect();
        rejects.sort_by_key(|reject| std::cmp::Reverse(reject.count));
        Report {
            ack_us: measure.order_latency(),
            offered_per_s: rate(measure.offered),
            acked_per_s: rate(measure.acked),
            rejected: measure.rejected(),
            lost: findings.lost.len() as u64,
            duplicated: findings.duplicated.len() as u64,
            longest_pause_ms: millis(longest_pause),
            longest_pause_began_ms: began.map(millis),
            offered: measure.offered,
            acked: measure.acked,
            rejects,
            retried: measure.retried,
            unresolved: findings.unresolved,
            disagreeing: findings.disagreeing.len() as u64,
            unbalanced: findings.unbalanced.len() as u64,
            cancels: Cancels {
                offered: measure.cancels_offered,
                acked: measure.canceled,
                too_late: measure.cancels_too_late,
                failed: measure.cancels_failed,
            },
            cancel_ack_us: measure.cancel_latency(),
            duration_s: seconds,
            fills: fills.unwrap_or(0),
            flows: flows
                .into_iter()
                .map(|(asset, flow)| AssetFlow {
                    asset,
                    fees: flow.fees.normalize().to_string(),
                    from_outside: flow.from_outside.normalize().to_string(),
                })
                .collect(),
            findings: kinds.iter().flat_map(|kind| kind.iter().take(SHOWN).cloned()).collect(),
            reconciled: fills.is_some(),
            sound: fills.is_some() && measure.acked > 0 && findings.is_sound(),
        }
    }

    /// Writes the JSON file.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        std::fs::write(path, text)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = |p: &Percentiles| {
            let ms = |us: u64| us as f64 / 1_000.0;
            format!(
                "p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
                ms(p.p50),
                ms(p.p99),
                ms(p.p999),
                ms(p.max)
            )
        };
        writeln!(
            f,
            "orders      {} offered in {:.1} s, {} acknowledged, {} rejected",
            self.offered, self.duration_s, self.acked, self.rejected
        )?;
        writeln!(f, "throughput  {:.1}/s offered, {:.1}/s acknowledged", self.offered_per_s, self.acked_per_s)?;
        writeln!(f, "ack latency {} (from planned send time)", latency(&self.ack_us))?;
        for Reject { code, message, count } in &self.rejects {
            writeln!(f, "rejected    {count} × {code} {message}")?;
        }
        let Cancels { offered, acked, too_late, failed } = self.cancels;
        writeln!(
            f,
            "cancels     {offered} offered, {acked} acknowledged, {too_late} too late, {failed} failed; {}",
            latency(&self.cancel_ack_us)
        )?;
        write!(f, "pause       longest {:.1} ms without any answer", self.longest_pause_ms)?;
        match self.longest_pause_began_ms {
            Some(began) => writeln!(f, ", {:.1} s into the run", began / 1_000.0)?,
            None => writeln!(f)?,
        }
        for AssetFlow { asset, fees, from_outside } in &self.flows {
            writeln!(f, "money       {asset}: {fees} paid in fees, {from_outside} from other accounts")?;
        }
        for finding in &self.findings {
            writeln!(f, "WRONG       {finding}")?;
        }
        if !self.reconciled {
            return write!(
                f,
                "NOT RECONCILED: the exchange's records cannot be read; {} looked up or resent, {} of unknown outcome",
                self.retried, self.unresolved
            );
        }
        write!(
            f,
            "reconciled  {} orders, {} fills: {} lost, {} duplicated, {} disagreeing, {} unbalanced; {} looked up or resent, {} unresolved",
            self.acked,
            self.fills,
            self.lost,
            self.duplicated,
            self.disagreeing,
            self.unbalanced,
            self.retried,
            self.unresolved
        )
    }
}
