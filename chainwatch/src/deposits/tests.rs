use super::*;
use crate::ledger::ClusterLedger;

/// Compiles only if an instance may be a task of its own.
#[test]
fn an_instance_may_run_on_any_thread() {
    fn is_send<T: Send>(_: fn(Depositor<ClusterLedger>) -> T) {}
    is_send(Depositor::run);
}
