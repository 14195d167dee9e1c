//! Stations are listed group by group; what comes of it is what listing all of them at once would give.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// The lease of a group says that it has these addresses, and who holds it.
    Lease {
        group: u8,
        addresses: BTreeSet<u8>,
        holder: u8,
        epoch: u32,
        former: bool,
    },
    Gone(u8),
    Members(BTreeSet<u8>),
    Yield(u8),
    Won(u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let addresses = prop::collection::btree_set(0..6_u8, 0..4);
    let lease = (0..4_u8, addresses, 1..4_u8, 1..50_u32, any::<bool>()).prop_map(
        |(group, addresses, holder, epoch, former)| Step::Lease {
            group,
            addresses,
            holder,
            epoch,
            former,
        },
    );
    prop_oneof![
        6 => lease,
        1 => (0..4_u8).prop_map(Step::Gone),
        1 => prop::collection::btree_set(2..4_u8, 0..3).prop_map(Step::Members),
        1 => (0..6_u8).prop_map(Step::Yield),
        1 => (0..4_u8).prop_map(Step::Won),
        2 => (1..400_u64).prop_map(Step::Pass),
    ]
}

fn take(scene: &mut Scene, step: Step) {
    match step {
        Step::Lease {
            group,
            addresses,
            holder,
            epoch,
            former,
        } => {
            let mut view = bound(0, holder, epoch, &[1, 2, 3]);
            view.targets[0].addresses = addresses.into_iter().map(vip).collect();
            view.former = former.then(|| name(2));
            scene.see(group, view);
        }
        Step::Gone(number) => scene
            .watch
            .observe_group(&group(number), None, None, at(scene.now)),
        Step::Members(others) => {
            let nodes = others.into_iter().chain([1]);
            let nodes = nodes.map(|node| (name(node), vec![interface(node, LinkState::Up)]));
            scene.watch.observe_members(Members {
                nodes: nodes.collect(),
            });
        }
        Step::Yield(number) => scene.yielded(number, 2, Order { epoch: 60, rank: 1 }),
        Step::Won(number) => scene.claim_answered(number, ClaimAnswer::Won),
        Step::Pass(time) => scene.pass(time),
    }
}

/// Who is asked for what.
fn asked(watch: &Watch) -> Vec<(String, NodeName, Vec<IpAddr>)> {
    let pairs = watch.probing.pairs.iter();
    pairs
        .map(|(station, pair)| {
            (
                format!("{station:?}"),
                pair.node.clone(),
                pair.addresses().collect(),
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn one_by_one_or_all_at_once(steps in prop::collection::vec(step(), 1..40)) {
        let mut scene = Scene::new();
        for step in steps {
            take(&mut scene, step);
            let now = at(scene.now);
            scene.watch.list_stations(now);
            let mut afresh = scene.watch.clone();
            afresh.probing.pairs.clear();
            afresh.probing.questions.clear();
            afresh.probing.unlisted = Unlisted::Everything;
            afresh.list_stations(now);
            prop_assert_eq!(asked(&scene.watch), asked(&afresh));
        }
    }
}

#[test]
fn an_address_of_two_groups_that_merge_is_still_known_when_one_lets_it_go() {
    let mut scene = Scene::new();
    // The group that keeps it is heard of first, as when all leases are read by name.
    scene.lease(1, 2, 3, &[1]);
    let mut other = bound(1, 2, 3, &[1]);
    other.targets[0].addresses.insert(vip(2));
    scene.see(2, other);
    scene.see(2, bound(2, 2, 4, &[1]));
    scene.pass(300);
    let asked_for = |address| move |action: &Action| matches!(action, Action::Probe { address: asked, .. } if *asked == address);
    assert!(scene.count(0, asked_for(vip(1))) > 0, "nobody watches over it");
}
