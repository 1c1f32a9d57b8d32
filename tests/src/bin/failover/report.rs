//! What a run came to, as JSON; and runs added up.

use std::path::Path;

use serde_json::{Value, json};

use crate::pauses::{self, Cost, Spread};
use crate::{Args, Struck};

/// What only runs of the same kind have in common.
const SAME: [&str; 6] = ["how", "seed", "rate", "layout", "durability", "transport"];
/// What is added up.
const SUMS: [&str; 5] = ["kills", "stops", "acked", "lost", "doubled"];
/// Of what the greatest counts.
const GREATEST: [&str; 3] = ["elsewhere_ms", "longest_pause_ms", "longest_pause_stopped_ms"];

/// Of one run: what came of the faults and of the stops.
pub fn of(args: &Args, struck: &Struck, stopped: &Struck) -> Value {
    let sum = |field: &str| struck.said[field].as_u64().unwrap_or(0) + stopped.said[field].as_u64().unwrap_or(0);
    let mut report = json!({
        "how": args.what(),
        "seed": args.mixed,
        "kills": args.kills,
        "rate": args.rate,
        "layout": args.layout,
        "durability": args.durability,
        "transport": (args.transport != "tcp").then_some(&args.transport),
        "elsewhere_ms": tenths(struck.elsewhere_ms),
        "machine_ms": struck.machine_ms.map(tenths),
        "each": struck.costs,
        "stops": args.stops,
        "acked": sum("acked"),
        "lost": sum("lost"),
        "doubled": sum("duplicated"),
        "longest_pause_ms": struck.said["longest_pause_ms"],
        "longest_pause_stopped_ms": stopped.said["longest_pause_ms"],
    });
    spread(&mut report, &struck.costs);
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
    // Only where each was seen.
    report["own_ms"] = match costs.iter().all(|cost| cost.own_ms.is_some()) {
        true => over(|cost| cost.own_ms.unwrap_or(0.0)),
        false => Value::Null,
    };
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
    let both = [&before, &*report].map(|run| run["machine_ms"].as_f64());
    report["machine_ms"] = json!(both[0].zip(both[1]).map(|(earlier, later)| tenths(earlier + later)));
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
