//! What is measured with: pools and services as a cluster has them, and the clock.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lightship_core::ipam::{Admission, BlockText, Family, FirstLast, Ipam, PoolSpec};
use lightship_core::names::ServiceId;
use lightship_core::selector::{Labels, Selector};
use lightship_core::service::{Handling, IngressOwner, Service};
use lightship_core::time::{Instant, Timestamp};
use nix::time::{ClockId, clock_gettime};

use crate::Failure;

pub(crate) const MILLION: u32 = 1_000_000;
pub(crate) const NOW: Instant = Instant::after_start(Duration::ZERO);

/// Processor time of this thread.
pub(crate) fn processor() -> Result<Duration, Failure> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Nanoseconds of processor time since `start`, for each of so many operations.
pub(crate) fn each_since(start: Duration, operations: u32) -> Result<f64, Failure> {
    Ok(processor()?.saturating_sub(start).as_secs_f64() * 1e9 / f64::from(operations))
}

/// The most memory this process ever had, in MiB.
pub(crate) fn most_memory() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes.ok_or("the kernel tells no VmHWM")?.parse::<f64>()? / 1024.0)
}

pub(crate) fn pool(name: &str, cidr: &str) -> Result<PoolSpec, Failure> {
    Ok(PoolSpec {
        name: name.into(),
        created: Timestamp(0),
        priority: 0,
        admission: Admission::Open,
        selector: Ok(Selector::everything()),
        blocks: vec![BlockText::cidr(cidr).read(FirstLast::Allowed)?],
        reserved: vec![],
        problems: vec![],
    })
}

pub(crate) fn small_pools(count: u32) -> Result<Vec<PoolSpec>, Failure> {
    let small = |number| {
        pool(
            &format!("pool-{number:05}"),
            &format!("{}/28", tenth(number * 16)),
        )
    };
    (0..count).map(small).collect()
}

pub(crate) fn service(number: u32) -> Service {
    let name = format!("service-{number:07}");
    let labels: Labels = [
        ("app", name.as_str()),
        ("io.kubernetes.service.name", name.as_str()),
        ("io.kubernetes.service.namespace", "default"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    Service {
        id: ServiceId::new("default", name),
        created: Timestamp(i64::from(number)),
        labels,
        handling: Handling::Ours,
        families: vec![Family::V4],
        requested: vec![],
        pool: None,
        sharing: None,
        ingress: vec![],
        ingress_owner: IngressOwner::Us,
        satisfied_since: None,
    }
}

pub(crate) fn tenth(number: u32) -> IpAddr {
    Ipv4Addr::from((10 << 24) + number).into()
}

/// Far apart, so that no address lies beside the one before.
pub(crate) fn elsewhere(number: u32) -> u32 {
    number.wrapping_mul(0x9E37_79B1) % (1 << 20)
}

pub(crate) fn running(pools: impl IntoIterator<Item = PoolSpec>) -> Ipam {
    let mut ipam = Ipam::default();
    for pool in pools {
        ipam.apply_pool(pool, NOW);
    }
    ipam.start(NOW);
    ipam
}
