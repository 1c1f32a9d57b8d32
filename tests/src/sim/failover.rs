//! What a killed leader costs clients in simulated time: what protocol and timers add up to, without the noise of a
//! machine that others use as well.

use super::clock::{MS, Moment, SECOND};
use super::faults::Fault;
use super::swarm::{DiskTemper, Layout, OrderEntry, Plan};
use super::world::{Failure, run_world};
use replicator::sim::Weather;

/// A leader is killed this often.
const EVERY: Moment = 4 * SECOND;

/// The longest time without any answer after each of `kills` kills of the ledger's leader, in nanoseconds.
pub fn pauses(seed: u64, layout: Layout, kills: u64) -> Result<Vec<Moment>, Failure> {
    let mut plan = Plan::plain(seed, kills * EVERY);
    plan.layout = layout;
    plan.founders = 3;
    plan.order_entry = OrderEntry::NONE;
    (plan.nodes, plan.gateways, plan.window, plan.think_ns) = (3, 3, 64, 20 * MS);
    plan.weather = Weather { jitter_ns: MS / 10, ..Weather::fair(MS / 20) };
    plan.link_delay = plan.weather.clone();
    plan.disk = DiskTemper { sync_ns: MS / 5, jitter_ns: MS / 2, snapshot_steps: 0 };
    (plan.snapshot_every, plan.session_expiry_ns, plan.leader_stable_ns) = (10_000, 600 * SECOND, 5 * SECOND);
    plan.faults = (0..kills).map(|kill| (SECOND + kill * EVERY, Fault::LeaderDies { down_ns: SECOND })).collect();
    let world = run_world(seed, &plan, false)?;
    let ends = world.struck_at.iter().skip(1).copied().chain([Moment::MAX]);
    let pauses = world.struck_at.iter().zip(ends).map(|(from, until)| {
        let until = until.min(from + 2 * SECOND);
        let mut longest = 0;
        let mut before = *from;
        for told in world.told_at.iter().filter(|at| **at >= *from && **at < until) {
            longest = longest.max(told - before);
            before = *told;
        }
        longest.max(until - before)
    });
    Ok(pauses.collect())
}
