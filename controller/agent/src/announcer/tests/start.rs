//! An agent that begins: what an earlier one left in the kernel stays until every lease was seen.

use lightship_core::members::Members;
use lightship_core::watch::Part;
use lightship_datapath::Tombstone;
use lightship_datapath::plan::{Confirmation, Hold, Member};

use super::*;

fn entry(last: u8, interface: InterfaceIndex) -> Entry {
    Entry {
        address: address(last),
        interface,
    }
}

/// A kernel that answers for these.
fn left(entries: &[(Entry, Order, Option<Tombstone>)]) -> Narrow {
    let kernel = Narrow::default();
    let kept = entries.iter().map(|(entry, order, tombstone)| {
        let hold = Hold {
            order: *order,
            confirmed: Confirmation::Unconfirmed,
        };
        let fence = Fence {
            hold: Some(hold),
            tombstone: *tombstone,
        };
        let kept = Kept {
            fence,
            ..Kept::default()
        };
        (*entry, kept)
    });
    kernel.holds.lock().unwrap().entries = kept.collect();
    kernel
}

fn holds(scene: &Scene) -> Vec<IpAddr> {
    let holds = scene.kernel.holds.lock().unwrap();
    holds.entries.keys().map(|entry| entry.address).collect()
}

#[test]
fn nothing_that_an_earlier_agent_left_goes_before_every_lease_was_seen() {
    let mut scene = Scene::on(left(&[(entry(0, NIC), Order::of_holder(1), None)]));
    scene.reconcile();
    assert_eq!(holds(&scene), [address(0)], "no lease was seen");
    let now = scene.now();
    let another = Seen::Applied(Box::new(held("another", 1)));
    scene.standing.observe_leases(another, now);
    scene.reconcile();
    assert_eq!(holds(&scene), [address(0)], "one lease was seen");
    scene.sees(&[("another", address(1))]);
    scene.reconcile();
    assert_eq!(holds(&scene), [] as [IpAddr; 0], "its lease is gone");
}

#[test]
fn a_claim_that_an_earlier_agent_yielded_to_is_looked_into_once_its_lease_was_seen() {
    let claim = Tombstone::of_claim(Tombstone::NONE, Order::of_holder(7), MacAddress([2; 6]), 9);
    let mut scene = Scene::on(left(&[(entry(0, NIC), Order::of_holder(1), Some(claim))]));
    scene.reconcile();
    scene.sees(&[("a", address(0))]);
    scene.reconcile();
    let reads = Told::Read([group("a")].into());
    assert!(scene.standing.take_actions().contains(&reads));
}

#[test]
fn who_held_by_rank_goes_on_by_the_highest_order_that_it_was_held_by() {
    let order = |epoch| Order { epoch, rank: 1 };
    for orders in [[2, 3], [3, 2]] {
        let entries = [2, 3].map(InterfaceIndex).map(|nic| entry(0, nic));
        let entries = [
            (entries[0], order(orders[0]), None),
            (entries[1], order(orders[1]), None),
        ];
        let mut scene = Scene::on(left(&entries));
        let mut elsewhere = lease("a", address(0));
        elsewhere.spec.as_mut().unwrap().holder_identity = Some("node-2".to_owned());
        let now = scene.now();
        scene.standing.observe_leases(Seen::Listed(vec![elsewhere]), now);
        let answers: Vec<_> = scene
            .standing
            .answers()
            .map(|one| (one.part, one.order))
            .collect();
        assert_eq!(answers, [(Part::Usurper, order(3))]);
    }
}

#[test]
fn whose_claims_counted_before_count_until_the_members_are_told() {
    let kernel = left(&[(entry(0, NIC), Order::of_holder(1), None)]);
    let other = MacAddress([2; 6]);
    let stations = [(other, Member::Other), (MacAddress([4; 6]), Member::Own)];
    kernel.holds.lock().unwrap().members = stations.into();
    let mut scene = Scene::on(kernel);
    scene.reconcile();
    assert_eq!(scene.announcer.desired.members, [other].into());
    scene.standing.observe_members(Members::default());
    scene.reconcile();
    assert_eq!(scene.announcer.desired.members, [].into());
}
