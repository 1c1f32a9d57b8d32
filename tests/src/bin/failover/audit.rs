//! Money is conserved: per asset, free + held + fees + clearing = deposits − withdrawals, in every node's
//! copy of the ledger, and clearing is zero when no mail is in flight.

use std::collections::BTreeMap;
use std::time::Duration;

use loadgen::state::State;
use serde_json::Value;
use tests::nodes;

use crate::{Failure, disproved};

/// How long mail may be in flight after the load has ended.
const QUIET_WITHIN: Duration = Duration::from_secs(10);

/// Per asset, the ledger's totals in ledger units.
pub type Totals = BTreeMap<String, BTreeMap<String, i128>>;

/// The totals that every node agrees on, checked.
pub async fn of(state: &State, when: &str) -> Result<Totals, Failure> {
    let agreed = nodes::until(QUIET_WITHIN, async || {
        let mut copies = Vec::new();
        for node in &state.nodes {
            let (_, answer) = nodes::get(&format!("{}/audit", node.http)).await?;
            copies.push(totals(&answer)?);
        }
        let quiet = copies.iter().flat_map(BTreeMap::values).all(|asset| asset.get("clearing") == Some(&0));
        (quiet && copies.iter().all(|copy| *copy == copies[0])).then(|| copies.swap_remove(0))
    });
    let Some(agreed) = agreed.await else {
        return disproved(format!("{when} the nodes' books did not become equal and quiet within {QUIET_WITHIN:?}"));
    };
    if agreed.is_empty() {
        return disproved(format!("{when} the ledger knows no asset"));
    }
    for (asset, total) in &agreed {
        let of = |name: &str| total.get(name).copied().unwrap_or(0);
        let (inside, outside) =
            (of("free") + of("held") + of("fees") + of("clearing"), of("deposits") - of("withdrawals"));
        if inside != outside || of("deposits") == 0 {
            return disproved(format!(
                "{when} {asset} is not conserved: {inside} inside, {outside} came in: {total:?}"
            ));
        }
        println!("{when}: {asset}: {inside} units inside = {outside} came in; {} are fees", of("fees"));
    }
    Ok(agreed)
}

fn totals(answer: &Value) -> Option<Totals> {
    let number = |value: &Value| value.as_str()?.parse::<i128>().ok();
    let fields = ["free", "held", "fees", "clearing", "deposits", "withdrawals"];
    answer["assets"]
        .as_array()?
        .iter()
        .map(|asset| {
            let values = fields.iter().map(|f| Some(((*f).to_string(), number(&asset[*f])?)));
            Some((asset["asset"].as_str()?.to_string(), values.collect::<Option<BTreeMap<_, _>>>()?))
        })
        .collect()
}
