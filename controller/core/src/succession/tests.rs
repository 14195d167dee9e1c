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
    assert!(!waits(placed("b", "b", "node-1"), "c"));
    assert!(!waits(placed("b", "a", "node-1"), "a"), "it stays");
}

#[test]
fn a_primary_that_was_written_again_is_written_once_more_before_anybody_leaves_it() {
    let (mut succession, bindings) = bound(&[("a", "a", "node-1", 0), ("b", "a", "node-1", 0)]);
    let first = |succession: &Succession| {
        let outcome = placed("b", "b", "node-1");
        succession.first(&id("b"), Some(&outcome), &bindings, &Placements::default())
    };
    let parts = Some(First::Part(id("a")));
    assert_eq!(first(&succession), parts);
    succession.part(&id("a"), 7);
    for (version, awaited) in [(7, &parts), (8, &None), (8, &None), (9, &parts)] {
        succession.seen(&id("a"), Some(version));
        assert_eq!(first(&succession), *awaited, "{version}");
    }
    assert!(!succession.parts(&id("a")));
    succession.part(&id("a"), 9);
    assert!(succession.parts(&id("a")));
    succession.seen(&id("a"), Some(10));
    assert_eq!(first(&succession), None);
}
