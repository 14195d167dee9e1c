//! The contract as scenarios: objects are applied, the whole allocation is asserted.

mod freeze;
mod life;
mod model;
mod owners;
mod parsing;
mod pools;
mod requests;
mod rules;
mod sharing;
mod waiting;

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::names::ServiceId;
use crate::selector::{Labels, Selector};
use crate::service::{Handling, IngressOwner, Requested, Service};
use crate::time::{Instant, Timestamp};

fn at(seconds: u64) -> Instant {
    Instant::after_start(Duration::from_secs(seconds))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn id(name: &str) -> ServiceId {
    ServiceId::new("default", name)
}

fn pool(name: &str, created: i64, blocks: &[BlockText]) -> PoolSpec {
    PoolSpec {
        name: name.into(),
        created: Timestamp(created),
        priority: 0,
        admission: Admission::Open,
        selector: Ok(Selector::everything()),
        blocks: blocks
            .iter()
            .map(|block| block.read(FirstLast::Allowed).unwrap())
            .collect(),
        reserved: vec![],
        problems: vec![],
    }
}

fn cidr(text: &str) -> Vec<BlockText> {
    vec![BlockText::cidr(text)]
}

fn service(name: &str) -> Service {
    Service {
        id: id(name),
        created: Timestamp(0),
        labels: Labels::new(),
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

fn requesting(name: &str, address: &str) -> Service {
    Service {
        requested: vec![Requested::Address(ip(address))],
        ..service(name)
    }
}

fn running(pools: Vec<PoolSpec>, services: Vec<Service>) -> Ipam {
    let mut ipam = Ipam::default();
    for pool in pools {
        ipam.apply_pool(pool, at(0));
    }
    for service in services {
        ipam.apply_service(service, at(0));
    }
    ipam.start(at(0));
    ipam
}

fn changed(ipam: &mut Ipam) -> Vec<ServiceId> {
    let changed = ipam.take_changed();
    changed.iter().map(|id| id.name().clone()).collect()
}

fn addresses(ipam: &Ipam, name: &str) -> Vec<String> {
    ipam.allocation(&id(name))
        .unwrap()
        .given
        .iter()
        .map(|given| given.address.to_string())
        .collect()
}

fn verdict(ipam: &Ipam, name: &str) -> Verdict {
    ipam.allocation(&id(name)).unwrap().verdict.unwrap()
}

fn only_reason(ipam: &Ipam, name: &str) -> Reason {
    match verdict(ipam, name) {
        Verdict::Unsatisfied(reasons) if reasons.len() == 1 => reasons[0].clone(),
        other => panic!("one reason was expected, not {other:?}"),
    }
}
