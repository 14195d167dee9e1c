//! Pools.

use lightship_core::ipam::{Admission, BlockText, FirstLast, PoolSpec};
use lightship_crd::{AllowFirstLastIps, Block, CiliumLoadBalancerIPPool};

/// A pool with its blocks read; those that cannot be are told in its problems and the others stay in force.
pub(crate) fn pool(pool: &CiliumLoadBalancerIPPool) -> PoolSpec {
    let spec = &pool.spec;
    let first_last = match spec.allow_first_last_ips {
        Some(AllowFirstLastIps::No) => FirstLast::Withheld,
        Some(AllowFirstLastIps::Yes) | None => FirstLast::Allowed,
    };
    let mut problems = Vec::new();
    let mut blocks = Vec::new();
    for (index, block) in spec.blocks.iter().chain(&spec.cidrs).enumerate() {
        match text(block).read(first_last) {
            Ok(block) => blocks.push(block),
            Err(error) => problems.push(format!("block {}: {error}", index + 1)),
        }
    }
    let mut reserved = Vec::new();
    for item in &spec.reserved {
        match BlockText::read_reserved(item.as_str()) {
            Ok(range) => reserved.push(range),
            Err(error) => problems.push(format!("reserved \"{item}\": {error}")),
        }
    }
    let selector = super::selector(spec.service_selector.as_ref());
    if let Err(error) = &selector {
        problems.push(format!("serviceSelector: {error}"));
    }
    PoolSpec {
        name: pool.metadata.name.clone().unwrap_or_default().into(),
        created: super::created(&pool.metadata),
        priority: spec.priority.unwrap_or_default(),
        admission: if spec.disabled {
            Admission::Disabled
        } else {
            Admission::Open
        },
        selector,
        blocks,
        reserved,
        problems,
    }
}

fn text(block: &Block) -> BlockText {
    BlockText {
        cidr: block.cidr.as_ref().map(|cidr| cidr.as_str().to_owned()),
        start: block.start.clone(),
        stop: block.stop.clone(),
    }
}
