//! What a gateway makes of its plan for Aeron.

use std::io;
use std::sync::Arc;

use cluster_client::Ear;
use cluster_client::aeron::{self, AeronConfig, AeronDriver, AeronEar, room};
use wire::ClusterEpoch;

use crate::config::{AeronIdle, AeronPlan};

/// What takes the casts of as many partitions.
pub(crate) fn ear(plan: AeronPlan, epoch: ClusterEpoch, partitions: usize) -> io::Result<Arc<dyn Ear>> {
    // Nobody else has the address on this host, so nobody else has the directory.
    let name = plan.udp.map(|at| format!("mainstay-gateway-{at}").replace(['[', ']', ':'], "-"));
    let own = || AeronDriver::Own(room::directory(name.as_deref().unwrap_or("mainstay-gateway")));
    let config = AeronConfig {
        epoch,
        udp: plan.udp,
        driver: plan.driver.map_or_else(own, AeronDriver::Other),
        idle: match plan.idle {
            AeronIdle::Spin => aeron::AeronIdle::Spin,
            AeronIdle::Yield => aeron::AeronIdle::Yield,
            AeronIdle::BackOff => aeron::AeronIdle::BackOff,
        },
    };
    Ok(Arc::new(AeronEar::start(config, partitions)?))
}
