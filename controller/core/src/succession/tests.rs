//! Who is the authority while one primary follows another.

use super::*;
use crate::binding::{Announcement, WorkOrder};

fn id(name: &str) -> ServiceId {
    ServiceId::new("default", name)
}

fn order(name: &str, primary: &str) -> WorkOrder {
    WorkOrder {
        service: id(name),
        primary: id(primary),
        announcements: vec![Announcement {
            policy: "policy".into(),
            addresses: vec!["10.0.10.0".parse().unwrap()],
            interfaces: vec![],
        }],
        standbys: vec![],
        former: None,
        deposed: None,
    }
}

fn bindings(all: &[(&str, &str, &str, i32)]) -> Bindings {
    let bound = |(name, primary, holder, transitions): &(&str, &str, &str, i32)| {
        let binding = Binding {
            holder: (*holder).into(),
            transitions: *transitions,
            order: order(name, primary),
        };
        (id(name), binding)
    };
    all.iter().map(bound).collect()
}

#[test]
fn a_retired_primary_is_the_authority_until_its_heir_names_itself() {
    let leads = |all: &[_], name| leader::leader(&id(name), &bindings(all)).cloned();
    let before = [
        ("a", "b", "node-2", 5),
        ("b", "a", "node-1", 4),
        ("c", "a", "node-1", 4),
    ];
    for name in ["a", "b", "c"] {
        assert_eq!(leads(&before, name), Some(id("a")));
    }
    let after = [
        ("a", "b", "node-2", 5),
        ("b", "b", "node-2", 5),
        ("c", "a", "node-1", 4),
    ];
    for name in ["a", "b", "c"] {
        assert_eq!(leads(&after, name), Some(id("b")));
    }
    assert_eq!(leads(&[("c", "a", "node-1", 4)], "c"), None);
}

#[test]
fn a_copy_that_lags_behind_keeps_nobody_from_an_address() {
    let all = bindings(&[
        ("a", "b", "node-2", 5),
        ("b", "a", "node-1", 4),
        ("c", "a", "node-1", 4),
    ]);
    let placed = |holder: &str| Placed {
        holder: holder.into(),
        order: order("b", "b"),
        moved: None,
        caveats: BTreeSet::new(),
    };
    assert!(!keeps_from(&id("c"), &all, &placed("node-2")));
    assert!(keeps_from(&id("c"), &all, &placed("node-3")));
}

fn placed(name: &str, primary: &str, holder: &str) -> Outcome {
    Outcome::Placed(Placed {
        holder: holder.into(),
        order: order(name, primary),
        moved: None,
        caveats: BTreeSet::new(),
    })
}

fn bound(all: &[(&str, &str, &str, i32)]) -> (Succession, Bindings) {
    let (mut succession, bindings) = (Succession::default(), bindings(all));
    for name in bindings.keys() {
        succession.bound(name, &bindings);
    }
    (succession, bindings)
}

#[test]
fn who_goes_waits_until_it_knows_who_counts_on_it() {
    let (succession, bindings) = bound(&[("a", "a", "node-1", 0)]);
    let waits = |outcome, named| succession.awaits(&id("a"), outcome, &id("b"), &id(named), &bindings);
    assert!(waits(None, "a"));
    assert!(!waits(None, "b"), "it has another primary");
    assert!(!waits(Some(&placed("a", "a", "node-1")), "a"), "it stays");
}

#[test]
fn who_leaves_waits_until_it_knows_what_its_primary_says() {
    let (succession, bindings) = bound(&[("a", "a", "node-1", 0), ("b", "a", "node-1", 0)]);
    let waits = |outcome: Outcome, written| {
        succession.awaits(&id("b"), Some(&outcome), &id(written), &id("a"), &bindings)
    };
    assert!(waits(placed("b", "b", "node-1"), "a"));
    assert!(!waits(placed("b", "d", "node-1"), "c"));
    assert!(!waits(placed("b", "a", "node-1"), "a"), "it stays");
}

#[test]
fn who_is_to_lead_waits_until_it_knows_in_which_epoch_another_does() {
    let (succession, bindings) = bound(&[("a", "b", "node-1", 0)]);
    let waits = |named| {
        let outcome = placed("a", "a", "node-1");
        succession.awaits(&id("a"), Some(&outcome), &id("c"), &id(named), &bindings)
    };
    assert!(waits("c"));
    assert!(!waits("a"), "it is led by it");
}

/// A group whose other service is to leave it.
fn leaving(standbys: &[&str]) -> (Succession, Bindings, Placements) {
    let (succession, mut bindings) = bound(&[("a", "a", "node-1", 0), ("b", "a", "node-1", 0)]);
    bindings.get_mut(&id("a")).unwrap().order.standbys = standbys.iter().map(|one| (*one).into()).collect();
    let placements = ["a", "b"].map(|name| (id(name), placed(name, name, "node-1")));
    (succession, bindings, placements.into_iter().collect())
}

#[test]
fn nobody_stands_by_for_a_primary_that_a_part_of_its_group_leaves() {
    for (standbys, awaited) in [(&["node-2"][..], Some(First::Part(id("a")))), (&[], None)] {
        let (succession, bindings, placements) = leaving(standbys);
        let outcome = placed("b", "b", "node-1");
        let first = succession.first(&id("b"), Some(&outcome), &bindings, &placements);
        assert_eq!(first, awaited, "{standbys:?}");
    }
}

#[test]
fn a_primary_has_its_standbys_back_when_who_leaves_has_left() {
    let (mut succession, mut bindings, placements) = leaving(&[]);
    let stands_by = |succession: &Succession, bindings: &Bindings| {
        let mut outcome = placed("a", "a", "node-1");
        if let Outcome::Placed(placed) = &mut outcome {
            placed.order.standbys = vec!["node-2".into()];
        }
        let parted = succession.parted(&id("a"), Some(&outcome), bindings, &placements);
        match parted.unwrap_or(outcome) {
            Outcome::Placed(placed) => placed.order.standbys.len(),
            _ => 0,
        }
    };
    assert_eq!(stands_by(&succession, &bindings), 0);
    bindings.get_mut(&id("b")).unwrap().order.primary = id("b");
    succession.bound(&id("b"), &bindings);
    assert_eq!(stands_by(&succession, &bindings), 1);
}
