use super::*;
use crate::binding::{Announcement, WorkOrder};

fn binding(service: &str, primary: &str, holder: &str, address: &str) -> (ServiceId, Binding) {
    let service = ServiceId::new("default", service);
    let order = WorkOrder {
        service: service.clone(),
        primary: ServiceId::new("default", primary),
        announcements: vec![Announcement {
            policy: "policy1".into(),
            addresses: vec![address.parse().unwrap()],
            interfaces: vec!["^eth".into()],
        }],
        standbys: vec!["node-2".into()],
        former: None,
        deposed: None,
    };
    let binding = Binding {
        holder: holder.into(),
        transitions: 3,
        order,
    };
    (service, binding)
}

#[test]
fn the_primary_says_who_and_all_say_what() {
    let mut groups = Groups::default();
    for (name, address, holder) in [("a", "10.0.10.0", "node-1"), ("b", "10.0.10.1", "node-3")] {
        let (service, binding) = binding(name, "a", holder, address);
        groups.set(service, Some(binding));
    }
    let laid = groups.group(&ServiceId::new("default", "a")).unwrap();
    assert_eq!(laid.view.holder.as_str(), "node-1", "the other lease is a copy");
    assert_eq!(laid.view.epoch, 3);
    assert_eq!(laid.view.targets.len(), 2);
    assert!(
        groups.group(&ServiceId::new("default", "b")).is_none(),
        "no group of its own"
    );
}

#[test]
fn a_service_that_changes_its_group_touches_both() {
    let mut groups = Groups::default();
    for name in ["a", "b"] {
        let (service, binding) = binding(name, "a", "node-1", "10.0.10.0");
        groups.set(service, Some(binding));
    }
    let (service, alone) = binding("b", "b", "node-1", "10.0.10.0");
    let touched = groups.set(service.clone(), Some(alone));
    assert_eq!(touched, [ServiceId::new("default", "a"), service.clone()].into());
    assert_eq!(groups.group(&service).unwrap().view.targets.len(), 1);
    assert_eq!(groups.set(service.clone(), None), [service.clone()].into());
    assert!(groups.group(&service).is_none());
}

#[test]
fn an_expression_that_does_not_parse_leaves_the_others() {
    let mut groups = Groups::default();
    let (service, mut broken) = binding("a", "a", "node-1", "10.0.10.0");
    let mut second = broken.order.announcements[0].clone();
    second.interfaces = vec!["(".into()];
    broken.order.announcements.push(second);
    groups.set(service.clone(), Some(broken));
    let laid = groups.group(&service).unwrap();
    assert_eq!((laid.view.targets.len(), laid.unreadable.len()), (1, 1));
}

#[test]
fn a_primary_that_is_retired_leads_until_its_heir_does() {
    let mut groups = Groups::default();
    let set = |groups: &mut Groups, name, primary| {
        let (service, binding) = binding(name, primary, "node-1", "10.0.10.0");
        groups.set(service, Some(binding))
    };
    let leads = |groups: &mut Groups, name| {
        let laid = groups.group(&ServiceId::new("default", name));
        laid.map(|laid| (laid.view.targets.len(), laid.view.standbys.len()))
    };
    for name in ["a", "b", "c"] {
        set(&mut groups, name, "a");
    }
    assert_eq!(leads(&mut groups, "a"), Some((3, 1)));
    set(&mut groups, "a", "b");
    assert_eq!(
        (leads(&mut groups, "a"), leads(&mut groups, "b")),
        (Some((3, 0)), None)
    );
    let touched = set(&mut groups, "b", "b");
    assert_eq!(
        touched,
        ["a", "b"].map(|name| ServiceId::new("default", name)).into()
    );
    assert_eq!(
        (leads(&mut groups, "a"), leads(&mut groups, "b")),
        (None, Some((3, 1)))
    );
    groups.set(ServiceId::new("default", "a"), None);
    assert_eq!(
        leads(&mut groups, "b"),
        Some((1, 1)),
        "who still names the old one is without a primary"
    );
}
