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
