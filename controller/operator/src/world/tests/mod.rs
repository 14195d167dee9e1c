//! Whole leaders against a small API server: what is lost, refused, late or not answered never shows an address twice.

mod answers;
mod bad_input;
mod bad_specs;
mod bindings;
mod definitions;
mod gateways;
mod leases;
mod scene;
mod server;
mod traces;
mod writes;

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use lightship_core::timing::LeaseTimings;
use lightship_crd::Standing;
use lightship_edge::watch::Seen;
use serde_json::{Value, json};

use super::*;
use crate::watches::Change;
use server::Server;

const ALL: usize = 64;

fn at(milliseconds: u64) -> Instant {
    Instant::after_start(Duration::from_millis(milliseconds))
}

fn web(name: &str, annotations: &Value) -> Service {
    let service = json!({
        "metadata": {
            "namespace": "default", "name": name, "generation": 1, "annotations": annotations,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"], "ports": [{"port": 80, "protocol": "TCP"}]},
    });
    serde_json::from_value(service).unwrap()
}

fn plain(name: &str) -> Service {
    web(name, &json!({}))
}

fn pool(name: &str, cidr: &str) -> CiliumLoadBalancerIPPool {
    let pool = json!({
        "apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool",
        "metadata": {"name": name, "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"blocks": [{"cidr": cidr}]},
    });
    serde_json::from_value(pool).unwrap()
}

/// A leader that has listed everything the server has.
fn leader(server: &Server, now: Instant) -> World {
    let mut world = unlisted(server, now);
    world.observe(Change::Gateway(Seen::Listed(vec![])), now);
    world
}

/// The same before it knows the Gateways.
fn unlisted(server: &Server, now: Instant) -> World {
    let form = LeaseForm {
        namespace: "kube-system".to_owned(),
        timings: LeaseTimings::default(),
    };
    let mut world = World::new(form, DefaultClass::LbIpam);
    world.observe(Change::Definition(Definition::Pools, Standing::Ours), now);
    list_all(&mut world, server, now);
    world
}

/// Everything the server has is listed, the Gateways excepted.
fn list_all(world: &mut World, server: &Server, now: Instant) {
    let policies = Change::Definition(Definition::Policies, Standing::Ours);
    let lists = [
        Change::Service(Seen::Listed(server.services())),
        Change::Pool(Seen::Listed(server.pools())),
        Change::Policy(Seen::Listed(vec![])),
        Change::Node(Seen::Listed(vec![])),
        Change::Binding(Seen::Listed(vec![])),
        Change::Heartbeat(Seen::Listed(vec![])),
        Change::Members(Seen::Listed(vec![])),
        Change::Endpoints(Seen::Listed(vec![])),
        policies,
    ];
    for list in lists {
        world.observe(list, now);
    }
}

fn see(world: &mut World, server: &Server, name: &str, now: Instant) {
    let service = Box::new(server.service(name).unwrap());
    world.observe(Change::Service(Seen::Applied(service)), now);
}

fn target(name: &str) -> Target {
    Target::Service(ServiceId::new("default", name))
}

/// The writes of services that are due; those of pools and members are carried out.
fn due(world: &mut World, server: &mut Server, now: Instant) -> Vec<Write> {
    let (pools, services) = world
        .decide(now, ALL)
        .into_iter()
        .partition(|write| matches!(write.target, Target::Pool(_) | Target::Members));
    for write in pools {
        let answer = server.carry_out(&write).unwrap();
        world.written(write.target, answer, now);
    }
    services
}

/// Carries out what is due until nothing is.
fn settle(world: &mut World, server: &mut Server, now: Instant) {
    for round in 0.. {
        assert!(round < 50, "it does not come to rest");
        let writes = due(world, server, now);
        if writes.is_empty() {
            return;
        }
        for write in writes {
            match server.carry_out(&write) {
                Ok(answer) => world.written(write.target, answer, now),
                Err(_) => world.refused(write.target, now),
            }
        }
    }
}
