//! What a run came to, as JSON; and runs added up.

use std::path::Path;

use serde_json::{Value, json};

use crate::Args;
use crate::pauses::{self, Cost, Spread};

/// What only runs of the same kind have in common.
const SAME: [&str; 5] = ["how", "rate", "layout", "durability", "transport"];
/// What is added up.
const SUMS: [&str; 5] = ["kills", "stops", "acked", "lost", "doubled"];
/// Of what the greatest counts.
const GREATEST: [&str; 3] = ["elsewhere_ms", "longest_pause_ms", "longest_pause_stopped_ms"];

/// Of one run: what the load generator said under the faults and under the stops, and what each fault cost.
pub fn of(args: &Args, struck: &Value, stopped: &Value, costs: &[Cost], elsewhere: f64) -> Value {
    let sum = |field: &str| struck[field].as_u64().unwrap_or(0) + stopped[field].as_u64().unwrap_or(0);
    let mut report = json!({
        "how": args.how.to_string(),
        "kills": args.kills,
        "rate": args.rate,
        "layout": args.layout,
        "durability": args.durability,
        "transport": (args.transport != "tcp").then_some(&args.transport),
        "elsewhere_ms": tenths(elsewhere),
        "each": costs,
        "stops": args.stops,
        "acked": sum("acked"),
        "lost": sum("lost"),
        "doubled": sum("duplicated"),
        "longest_pause_ms": struck["longest_pause_ms"],
        "longest_pause_stopped_ms": stopped["longest_pause_ms"],
    });
    spread(&mut report, costs);
    report
}

fn tenths(ms: f64) -> f64 {
    (ms * 10.0).round() / 10.0
}

fn spread(report: &mut Value, costs: &[Cost]) {
    let over = |of: fn(&Cost) -> f64| {
        let Spread { p50, p99, max } = pauses::spread(costs.iter().map(of));
        json!({ "p50": tenths(p50), "p99": tenths(p99), "max": tenths(max) })
    };
    report["pause_ms"] = over(|cost| cost.pause_ms);
    report["at_once_ms"] = over(|cost| cost.at_once_ms);
    report["wait_ms"] = over(|cost| cost.wait_ms);
}

/// Adds the run whose result is in the file, if there is one. The error says why it cannot be added.
pub fn go_on_from(path: &Path, report: &mut Value) -> Result<(), String> {
    let Ok(bytes) = std::fs::read(path) else { return Ok(()) };
    let before: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if let Some(other) = SAME.iter().find(|field| before[**field] != report[**field]) {
        return Err(format!("its {other} is {}, not {}", before[*other], report[*other]));
    }
    for field in SUMS {
        report[field] = json!(before[field].as_u64().unwrap_or(0) + report[field].as_u64().unwrap_or(0));
    }
    for field in GREATEST {
        report[field] = json!(before[field].as_f64().unwrap_or(0.0).max(report[field].as_f64().unwrap_or(0.0)));
    }
    let both = [&before["each"], &report["each"]].map(|each| serde_json::from_value::<Vec<Cost>>(each.clone()));
    let [earlier, later] = both.map(Result::unwrap_or_default);
    let costs: Vec<Cost> = earlier.into_iter().chain(later).collect();
    report["each"] = json!(costs);
    spread(report, &costs);
    Ok(())
}
