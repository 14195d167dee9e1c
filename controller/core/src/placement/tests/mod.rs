//! Placement as scenarios: a cluster is described, the whole outcome is asserted.

mod drain;
mod hold_down;
mod local;
mod primary;
mod rebalance;
mod run;
mod standbys;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::binding::{Binding, WorkOrder};
use crate::interfaces::InterfaceSelector;
use crate::inventory::{Interface, Inventory, LinkState};
use crate::names::{NodeName, ServiceId};
use crate::selector::{Labels, Selector};
use crate::time::Instant;

const DURATION: Duration = Duration::from_secs(15);

fn at(seconds: u64) -> Instant {
    Instant::after_start(Duration::from_secs(seconds))
}

fn id(name: &str) -> ServiceId {
    ServiceId::new("default", name)
}

fn inventory(link: LinkState) -> Inventory {
    Inventory {
        interfaces: vec![Interface {
            name: "eth0".into(),
            mac: None,
            link,
            suitable: true,
            addresses: vec![],
        }],
        ..Inventory::default()
    }
}

fn beat(cluster: &mut Cluster, node: &str, renewal: u64, link: LinkState, now: Instant) {
    cluster
        .heartbeats
        .observe(node.into(), renewal.to_string(), DURATION, inventory(link), now);
    cluster.heartbeats.advance(now);
}

fn policy() -> Policy {
    Policy {
        nodes: Selector::everything()
            .with_expression("control-plane", "DoesNotExist", &[])
            .unwrap(),
        services: Selector::everything(),
        interfaces: InterfaceSelector::compile(&["^eth[0-9]+".into()]).unwrap(),
        kinds: AddressKinds::Both,
    }
}

fn service(address: &str) -> Announceable {
    Announceable {
        labels: Labels::new(),
        announcer: Announcer::Us,
        load_balancer: vec![address.parse().unwrap()],
        external: vec![],
        endpoints: Endpoints::Anywhere,
    }
}

/// Three workers and a control-plane node, all alive, one policy, the given services.
fn cluster(services: &[(&str, &str)]) -> Cluster {
    let mut cluster = Cluster::default();
    for name in ["node-1", "node-2", "node-3"] {
        cluster.nodes.insert(name.into(), Node::default());
    }
    let labels = Labels::from([("control-plane".into(), String::new())]);
    cluster.nodes.insert(
        "control-plane".into(),
        Node {
            labels,
            ..Node::default()
        },
    );
    for name in ["node-1", "node-2", "node-3", "control-plane"] {
        beat(&mut cluster, name, 0, LinkState::Up, at(0));
    }
    cluster.policies.insert("policy1".into(), policy());
    for (name, address) in services {
        cluster.services.insert(id(name), service(address));
    }
    cluster
}

fn holder_of(outcomes: &BTreeMap<ServiceId, Outcome>, name: &str) -> NodeName {
    match &outcomes[&id(name)] {
        Outcome::Placed(placed) => placed.holder.clone(),
        other => panic!("{name} was expected to be placed, not {other:?}"),
    }
}

/// Applies the outcomes as the operator does: every placed service gets its lease.
fn bind(cluster: &mut Cluster, outcomes: &BTreeMap<ServiceId, Outcome>) {
    for (id, outcome) in outcomes {
        if let Outcome::Placed(placed) = outcome {
            let binding = Binding {
                holder: placed.holder.clone(),
                transitions: 0,
                order: placed.order.clone(),
            };
            cluster.bindings.insert(id.clone(), binding);
        }
    }
}

#[test]
fn a_service_goes_to_a_node_the_policy_allows_and_stays() {
    let mut cluster = cluster(&[("web", "10.0.10.0")]);
    let first = place(&cluster, at(1));
    let holder = holder_of(&first, "web");
    assert_ne!(holder.as_str(), "control-plane");
    bind(&mut cluster, &first);
    let Outcome::Placed(placed) = &place(&cluster, at(2))[&id("web")] else {
        panic!("not placed")
    };
    let order = WorkOrder {
        service: id("web"),
        primary: id("web"),
        announcements: vec![crate::binding::Announcement {
            policy: "policy1".into(),
            addresses: vec!["10.0.10.0".parse().unwrap()],
            interfaces: vec!["^eth[0-9]+".into()],
        }],
        standbys: placed.order.standbys.clone(),
        former: None,
        deposed: None,
    };
    assert_eq!(
        *placed,
        Placed {
            holder,
            order,
            moved: None,
            caveats: [].into(),
        }
    );
}

#[test]
fn services_spread_evenly() {
    let names: Vec<String> = (0..30).map(|n| format!("s{n}")).collect();
    let addresses: Vec<String> = (0..30).map(|n| format!("10.0.10.{n}")).collect();
    let services: Vec<_> = names
        .iter()
        .zip(&addresses)
        .map(|(n, a)| (n.as_str(), a.as_str()))
        .collect();
    let cluster = cluster(&services);
    let outcomes = place(&cluster, at(1));
    let mut load: BTreeMap<NodeName, usize> = BTreeMap::new();
    for name in &names {
        *load.entry(holder_of(&outcomes, name)).or_default() += 1;
    }
    assert_eq!(load.into_values().collect::<Vec<_>>(), [10, 10, 10]);
}

#[test]
fn when_the_holder_falls_silent_another_takes_over_and_says_why() {
    let mut cluster = cluster(&[("web", "10.0.10.0")]);
    let first = place(&cluster, at(1));
    bind(&mut cluster, &first);
    let dead = holder_of(&first, "web");
    let others: Vec<_> = cluster
        .nodes
        .keys()
        .filter(|name| **name != dead)
        .cloned()
        .collect();
    for name in others {
        beat(&mut cluster, name.as_str(), 1, LinkState::Up, at(7));
    }
    cluster.heartbeats.advance(at(16));
    let after = place(&cluster, at(16));
    assert_ne!(holder_of(&after, "web"), dead);
    let Outcome::Placed(placed) = &after[&id("web")] else {
        panic!("not placed")
    };
    let cause = MoveCause::Objected([NodeTrait::Silent].into());
    assert_eq!(placed.moved, Some((Some(dead), cause)));
}

#[test]
fn a_last_resort_still_holds() {
    let mut cluster = cluster(&[("web", "10.0.10.0")]);
    cluster.nodes.retain(|name, _| name.as_str() == "node-1");
    if let Some(node) = cluster.nodes.get_mut(&"node-1".into()) {
        node.traits.insert(NodeTrait::Excluded);
    }
    assert_eq!(holder_of(&place(&cluster, at(1)), "web").as_str(), "node-1");
}

#[test]
fn carrier_loss_moves_and_no_node_at_all_is_explained() {
    let mut cluster = cluster(&[("web", "10.0.10.0")]);
    let first = place(&cluster, at(1));
    bind(&mut cluster, &first);
    let holder = holder_of(&first, "web");
    beat(&mut cluster, holder.as_str(), 1, LinkState::NoCarrier, at(2));
    let Outcome::Placed(placed) = &place(&cluster, at(2))[&id("web")] else {
        panic!("not placed")
    };
    let refused = vec![("policy1".into(), Refusal::LinkDown(vec!["eth0".into()]))];
    assert_eq!(placed.moved, Some((Some(holder), MoveCause::Refused(refused))));
    cluster.nodes.retain(|name, _| name.as_str() == "control-plane");
    let refused = vec![("policy1".into(), Refusal::NodeSelector("!control-plane".into()))];
    let expected = Outcome::NoNode([("control-plane".into(), refused)].into());
    assert_eq!(place(&cluster, at(3))[&id("web")], expected);
}

#[test]
fn one_broken_line_of_several_moves_what_another_node_serves_whole() {
    let mut cluster = cluster(&[("web", "10.0.10.0")]);
    let report = |cluster: &mut Cluster, node: &str, renewal: u64, second: LinkState| {
        let mut both = inventory(LinkState::Up);
        both.interfaces.push(Interface {
            name: "eth1".into(),
            mac: None,
            link: second,
            suitable: true,
            addresses: vec![],
        });
        cluster
            .heartbeats
            .observe(node.into(), renewal.to_string(), DURATION, both, at(renewal));
    };
    for node in ["node-1", "node-2", "node-3"] {
        report(&mut cluster, node, 1, LinkState::Up);
    }
    let first = place(&cluster, at(1));
    bind(&mut cluster, &first);
    let holder = holder_of(&first, "web");
    report(&mut cluster, holder.as_str(), 2, LinkState::NoCarrier);
    let Outcome::Placed(placed) = &place(&cluster, at(2))[&id("web")] else {
        panic!("not placed")
    };
    let cause = MoveCause::LinksDown(["eth1".to_owned()].into());
    assert_eq!(placed.moved, Some((Some(holder), cause)));
    // When every node has lost it, moving helps nobody.
    let second = place(&cluster, at(2));
    bind(&mut cluster, &second);
    for node in ["node-1", "node-2", "node-3"] {
        report(&mut cluster, node, 3, LinkState::NoCarrier);
    }
    let Outcome::Placed(placed) = &place(&cluster, at(3))[&id("web")] else {
        panic!("not placed")
    };
    assert_eq!(placed.moved, None);
}

#[test]
fn services_that_share_an_address_have_one_holder_and_one_primary() {
    let mut cluster = cluster(&[
        ("dns-tcp", "10.0.10.0"),
        ("dns-udp", "10.0.10.0"),
        ("web", "10.0.10.1"),
    ]);
    // Bound to two nodes by somebody else: the primary's holder wins.
    for (name, node) in [("dns-tcp", "node-3"), ("dns-udp", "node-1")] {
        let order = WorkOrder {
            service: id(name),
            primary: id(name),
            announcements: vec![],
            standbys: vec![],
            former: None,
            deposed: None,
        };
        cluster.bindings.insert(
            id(name),
            Binding {
                holder: node.into(),
                transitions: 0,
                order,
            },
        );
    }
    let outcomes = place(&cluster, at(1));
    assert_eq!(holder_of(&outcomes, "dns-tcp").as_str(), "node-3");
    let Outcome::Placed(udp) = &outcomes[&id("dns-udp")] else {
        panic!("not placed")
    };
    assert_eq!(
        (udp.holder.as_str(), &udp.order.primary),
        ("node-3", &id("dns-tcp"))
    );
    assert_eq!(udp.moved, Some((Some("node-1".into()), MoveCause::Regrouped)));
}

#[test]
fn what_is_not_announced_says_why() {
    let mut cluster = cluster(&[("web", "10.0.10.0")]);
    let outcome = |cluster: &Cluster| match place(cluster, at(1)).remove(&id("web")) {
        Some(Outcome::Unwanted(unwanted)) => unwanted,
        other => panic!("nothing should be announced: {other:?}"),
    };
    let blue = Selector::everything().with_label("color", "blue");
    cluster.policies.insert(
        "policy1".into(),
        Policy {
            services: blue,
            ..policy()
        },
    );
    let mismatch = vec![("policy1".into(), Mismatch::ServiceSelector("color=blue".into()))];
    assert_eq!(outcome(&cluster), Unwanted::NotSelected(mismatch));
    cluster.policies.insert(
        "policy1".into(),
        Policy {
            kinds: AddressKinds::External,
            ..policy()
        },
    );
    assert_eq!(
        outcome(&cluster),
        Unwanted::NotSelected(vec![("policy1".into(), Mismatch::AddressKind)])
    );
    cluster.policies.clear();
    assert_eq!(outcome(&cluster), Unwanted::NoPolicy);
    let foreign = Announceable {
        announcer: Announcer::Foreign("x/y".into()),
        ..service("10.0.10.0")
    };
    cluster.services.insert(id("web"), foreign);
    assert_eq!(outcome(&cluster), Unwanted::ForeignClass("x/y".into()));
}

#[test]
fn deciding_for_what_changed_comes_to_rest_where_deciding_for_everything_does() {
    use std::collections::BTreeSet;
    let mut cluster = cluster(&[]);
    let mut placements = Placements::default();
    placements.decide(&cluster, Scope::Everything, at(1));
    // A fixed walk over few names and fewer addresses, so that groups form, merge, split and vanish.
    for step in 0..400_u32 {
        let walk = step.wrapping_mul(2_654_435_761) >> 16;
        let name = format!("s{}", walk % 7);
        if walk % 5 == 0 {
            cluster.services.remove(&id(&name));
        } else {
            cluster
                .services
                .insert(id(&name), service(&format!("10.0.10.{}", (walk / 7) % 4)));
        }
        let mut scope = BTreeSet::from([id(&name)]);
        while !scope.is_empty() {
            let changed = placements.decide(&cluster, Scope::Services(scope), at(1));
            for id in &changed {
                match placements.get(id) {
                    Some(Outcome::Placed(_)) => {}
                    _ => drop(cluster.bindings.remove(id)),
                }
            }
            let placed = placements.iter().filter(|(id, _)| changed.contains(id));
            let placed = placed
                .map(|(id, outcome)| (id.clone(), outcome.clone()))
                .collect();
            bind(&mut cluster, &placed);
            scope = changed;
        }
        let whole = place(&cluster, at(1));
        let kept: BTreeMap<_, _> = placements
            .iter()
            .map(|(id, one)| (id.clone(), one.clone()))
            .collect();
        assert_eq!(kept, whole, "after step {step}");
        for (one, outcome) in &whole {
            for (other, with) in &whole {
                if cluster.services[one].load_balancer == cluster.services[other].load_balancer {
                    assert_eq!(
                        holder_of(&whole, &one.name),
                        holder_of(&whole, &other.name),
                        "{outcome:?} {with:?}"
                    );
                }
            }
        }
    }
}
