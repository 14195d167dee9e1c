//! A claim makes its hearer fall silent, so it is told only of what this node's kernel answers for already.

use super::*;
use crate::finding::Sight;

/// Node 2 handed the address over to this node, and answers for it still.
fn moved_here() -> Scene {
    let mut scene = Scene::new();
    scene.is_prompt = false;
    scene.lease(0, 2, 4, &[1, 3]);
    scene.pass(1000);
    let view = GroupView {
        former: Some(name(2)),
        ..bound(0, 1, 5, &[2, 3])
    };
    scene.see(0, view);
    scene
}

fn told(scene: &Scene) -> usize {
    let is_claim = |action: &Action| matches!(action, Action::ClaimTo { to, .. } if *to == mac(2));
    scene.done.iter().filter(|(_, action)| is_claim(action)).count()
}

fn refusal() -> BTreeMap<(NicIndex, IpAddr), String> {
    [((NIC, vip(0)), "it is full".to_owned())].into()
}

#[test]
fn nobody_is_told_of_what_the_kernel_does_not_hold_yet() {
    let mut scene = moved_here();
    scene.pass(500);
    assert_eq!(told(&scene), 0);
    scene
        .watch
        .carried_out(scene.watch.revision() - 1, BTreeMap::new());
    scene.pass(500);
    assert_eq!(told(&scene), 0, "only what was decided before is carried out");
    scene.watch.carried_out(scene.watch.revision(), BTreeMap::new());
    scene.pass(150);
    assert!(told(&scene) > 0);
}

#[test]
fn nor_of_what_the_kernel_refused() {
    let mut scene = moved_here();
    let revision = scene.watch.revision();
    scene.watch.carried_out(revision, refusal());
    scene.pass(500);
    assert_eq!(told(&scene), 0);
}

#[test]
fn what_the_kernel_refuses_is_told_once_and_stands_until_it_takes_it() {
    let mut scene = moved_here();
    let revision = scene.watch.revision();
    let told = scene.watch.carried_out(revision, refusal());
    let saw = Sight::Refused {
        address: vip(0),
        interface: "eth0".to_owned(),
        why: "it is full".to_owned(),
    };
    assert_eq!(told, [Action::Tell(Some(group(0)), saw.clone())]);
    assert_eq!(scene.watch.carried_out(revision, refusal()), []);
    assert_eq!(scene.watch.stands(&saw), Some(true));
    assert_eq!(scene.watch.carried_out(revision, BTreeMap::new()), []);
    assert_eq!(scene.watch.stands(&saw), Some(false));
    assert_eq!(scene.watch.carried_out(revision, refusal()).len(), 1, "again");
}

#[test]
fn what_is_decided_elsewhere_holds_nothing_up() {
    let mut scene = moved_here();
    scene.watch.carried_out(scene.watch.revision(), BTreeMap::new());
    scene.lease(1, 3, 1, &[]);
    scene.pass(150);
    assert!(told(&scene) > 0);
}

#[test]
fn nor_on_an_interface_that_came_back_until_the_kernel_answers_there() {
    let mut scene = moved_here();
    scene.watch.carried_out(scene.watch.revision(), BTreeMap::new());
    scene
        .watch
        .observe_nics(nics(LinkState::NoCarrier), at(scene.now));
    scene.watch.observe_nics(nics(LinkState::Up), at(scene.now));
    let read = GroupView {
        former: Some(name(2)),
        ..bound(0, 1, 5, &[2, 3])
    };
    scene.read(0, read);
    scene.pass(500);
    assert_eq!(told(&scene), 0);
    scene.watch.carried_out(scene.watch.revision(), BTreeMap::new());
    scene.pass(150);
    assert!(told(&scene) > 0);
}

#[test]
fn only_what_changes_the_answers_is_carried_out() {
    let mut scene = Scene::new();
    let mut seen = scene.watch.revision();
    let mut is_news = |scene: &Scene| {
        let now = scene.watch.revision();
        std::mem::replace(&mut seen, now) != now
    };
    scene.lease(0, 2, 4, &[1, 3]);
    assert!(!is_news(&scene), "somebody else's");
    scene.lease(0, 1, 5, &[3]);
    assert!(is_news(&scene));
    scene.lease(0, 1, 5, &[2, 3]);
    assert!(!is_news(&scene), "another order of standbys");
    scene.lease(0, 1, 6, &[2, 3]);
    assert!(is_news(&scene), "another epoch");
    let mut narrowed = bound(0, 1, 6, &[2, 3]);
    narrowed.targets.clear();
    scene.see(0, narrowed);
    assert!(is_news(&scene), "fewer addresses");
    scene.watch.observe_group(&group(0), None, None, at(0));
    assert!(is_news(&scene), "no lease");
}
