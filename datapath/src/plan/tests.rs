use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

mod fence;

const ETH0: InterfaceIndex = InterfaceIndex(2);
const ETH1: InterfaceIndex = InterfaceIndex(3);
const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const OTHER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

const HOLD: Hold = Hold::unconfirmed(Order { epoch: 5, rank: 0 });

fn kept(responses_sent: u64) -> Kept {
    Kept {
        responses_sent,
        fence: Fence {
            hold: Some(HOLD),
            tombstone: None,
        },
    }
}

fn entry(last: u8, interface: InterfaceIndex) -> Entry {
    Entry {
        address: Ipv4Addr::new(10, 0, 10, last).into(),
        interface,
    }
}

/// An IPv6 address; those whose last part is the same modulo 4 share a group.
fn entry_v6(last: u16, interface: InterfaceIndex) -> Entry {
    Entry {
        address: Ipv6Addr::new(0x2004, 0, 0, 0, 0, last / 4, 0, last % 4).into(),
        interface,
    }
}

fn group(last: u16, interface: InterfaceIndex) -> Group {
    Group {
        address: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, last % 4),
        interface,
    }
}

fn desired(interfaces: &[(InterfaceIndex, MacAddress)], entries: &[Entry], view: View) -> Desired {
    Desired {
        interfaces: interfaces.iter().copied().collect(),
        entries: entries.iter().map(|&entry| (entry, HOLD)).collect(),
        members: BTreeSet::new(),
        view,
    }
}

fn observed(attachment: Attachment, entries: &[(Entry, u64)]) -> Observed {
    Observed {
        attached: [(ETH0, attachment)].into(),
        interfaces: [(ETH0, MAC)].into(),
        entries: entries.iter().map(|&(entry, sent)| (entry, kept(sent))).collect(),
        strays: BTreeMap::new(),
        members: [(MAC, Member::Own)].into(),
        groups: BTreeSet::new(),
        unpinned: BTreeSet::new(),
    }
}

/// What the kernel is known to hold once the actions were carried out.
fn apply(mut kernel: Observed, actions: &[Action]) -> Observed {
    for action in actions {
        kernel.carried_out(*action);
    }
    kernel
}

#[test]
fn a_pin_that_was_taken_away_is_made_again_before_all_else() {
    let kernel = Observed {
        unpinned: ["cilium_l2_responder_v4"].into(),
        ..observed(Attachment::Current, &[(entry(0, ETH0), 7)])
    };
    let wanted = desired(&[(ETH0, MAC)], &[entry(0, ETH0), entry(1, ETH0)], View::Partial);
    assert_eq!(
        plan(&wanted, &kernel)[..2],
        [
            Action::Pin("cilium_l2_responder_v4"),
            Action::AddEntry(entry(1, ETH0), HOLD)
        ]
    );
}

#[test]
fn from_nothing_what_answers_is_built_in_order() {
    let wanted = desired(&[(ETH0, MAC)], &[entry(0, ETH0)], View::Complete);
    assert_eq!(
        plan(&wanted, &Observed::default()),
        [
            Action::SetMember(MAC, Member::Own),
            Action::SetMac(ETH0, MAC),
            Action::Attach(ETH0),
            Action::AddEntry(entry(0, ETH0), HOLD),
            Action::Announce(entry(0, ETH0), MAC, HOLD.order),
        ]
    );
}

#[test]
fn after_a_restart_the_program_is_replaced_and_nothing_is_announced() {
    let wanted = desired(&[(ETH0, MAC)], &[entry(0, ETH0)], View::Complete);
    let found = observed(Attachment::Outdated, &[(entry(0, ETH0), 7)]);
    assert_eq!(plan(&wanted, &found), [Action::Replace(ETH0)]);
}

#[test]
fn a_group_is_joined_before_it_is_asked_and_left_with_its_last_address() {
    let (one, other) = (entry_v6(1, ETH0), entry_v6(5, ETH0));
    let both = desired(&[(ETH0, MAC)], &[one, other], View::Complete);
    let found = observed(Attachment::Current, &[]);
    let actions = plan(&both, &found);
    let answered = [
        Action::JoinGroup(group(1, ETH0)),
        Action::AddEntry(one, HOLD),
        Action::Announce(one, MAC, HOLD.order),
        Action::AddEntry(other, HOLD),
        Action::Announce(other, MAC, HOLD.order),
    ];
    assert_eq!(actions, answered);
    let held = apply(found, &actions);
    let first_gone = desired(&[(ETH0, MAC)], &[other], View::Complete);
    assert_eq!(plan(&first_gone, &held), [Action::RemoveEntry(one)]);
    let held = apply(held.clone(), &plan(&first_gone, &held));
    assert_eq!(
        plan(&desired(&[(ETH0, MAC)], &[], View::Complete), &held),
        [Action::RemoveEntry(other), Action::LeaveGroup(group(1, ETH0))]
    );
}

#[test]
fn while_the_view_is_partial_nothing_goes() {
    let wanted = desired(&[], &[], View::Partial);
    let found = observed(Attachment::Current, &[(entry(0, ETH0), 7)]);
    assert_eq!(plan(&wanted, &found), []);
}

#[test]
fn what_goes_goes_in_order() {
    let wanted = desired(&[], &[], View::Complete);
    let found = observed(Attachment::Dead, &[(entry(0, ETH0), 7)]);
    assert_eq!(
        plan(&wanted, &found),
        [
            Action::RemoveEntry(entry(0, ETH0)),
            Action::Detach(ETH0),
            Action::ForgetMac(ETH0),
            Action::ForgetMember(MAC),
        ]
    );
}

#[test]
fn a_new_hardware_address_needs_no_new_program() {
    let wanted = desired(&[(ETH0, OTHER_MAC)], &[entry(0, ETH0)], View::Complete);
    let found = observed(Attachment::Current, &[(entry(0, ETH0), 7)]);
    assert_eq!(
        plan(&wanted, &found),
        [
            Action::SetMember(OTHER_MAC, Member::Own),
            Action::SetMac(ETH0, OTHER_MAC),
            Action::ForgetMember(MAC)
        ]
    );
}

#[test]
fn an_interface_made_again_under_its_index_is_attached_anew() {
    let wanted = desired(&[(ETH0, MAC)], &[], View::Complete);
    assert_eq!(
        plan(&wanted, &observed(Attachment::Dead, &[])),
        [Action::Attach(ETH0)]
    );
}

#[test]
fn an_entry_waits_for_its_interface() {
    let wanted = desired(&[(ETH0, MAC)], &[entry(0, ETH1)], View::Complete);
    assert_eq!(plan(&wanted, &observed(Attachment::Current, &[])), []);
}

fn wanting(
    interfaces: BTreeMap<InterfaceIndex, MacAddress>,
    entries: BTreeSet<Entry>,
    view: View,
) -> Desired {
    Desired {
        interfaces,
        entries: entries.into_iter().map(|entry| (entry, HOLD)).collect(),
        members: BTreeSet::new(),
        view,
    }
}

prop_compose! {
    fn some_macs()(which in prop::collection::btree_map(1..5u32, 0..2u8, 0..4)) -> BTreeMap<InterfaceIndex, MacAddress> {
        which.into_iter().map(|(index, mac)| (InterfaceIndex(index), MacAddress([2, 0, 0, 0, 0, mac]))).collect()
    }
}

prop_compose! {
    fn some_entries()(which in prop::collection::btree_set((0..12u8, 1..5u32), 0..12)) -> BTreeSet<Entry> {
        which.into_iter().map(|(last, index)| match last {
            0..4 => entry(last, InterfaceIndex(index)),
            _ => entry_v6(last.into(), InterfaceIndex(index)),
        }).collect()
    }
}

prop_compose! {
    fn some_kernel()(
        attached in prop::collection::btree_map(1..5u32, 0..3usize, 0..4),
        interfaces in some_macs(),
        entries in some_entries(),
        groups in prop::collection::btree_set((0..4_u16, 1..5u32), 0..4),
        is_unpinned in any::<bool>(),
    ) -> Observed {
        let kinds = [Attachment::Current, Attachment::Outdated, Attachment::Dead];
        let attached = attached.into_iter().map(|(index, kind)| (InterfaceIndex(index), kinds[kind])).collect();
        let entries = entries.into_iter().zip((1..).map(kept)).collect();
        let members = interfaces.values().map(|&mac| (mac, Member::Own)).collect();
        let groups = groups.into_iter().map(|(last, index)| group(last, InterfaceIndex(index))).collect();
        let unpinned = BTreeSet::from_iter(is_unpinned.then_some("cilium_l2_responder_v4"));
        Observed { attached, interfaces, entries, strays: BTreeMap::new(), members, groups, unpinned }
    }
}

proptest! {
    #[test]
    fn a_complete_view_is_reached_in_one_step(
        interfaces in some_macs(), entries in some_entries(), kernel in some_kernel(),
    ) {
        let wanted = wanting(interfaces, entries, View::Complete);
        let reached = apply(kernel.clone(), &plan(&wanted, &kernel));
        prop_assert_eq!(&reached.interfaces, &wanted.interfaces);
        let all_current = wanted.interfaces.keys().map(|interface| (*interface, Attachment::Current)).collect();
        prop_assert_eq!(&reached.attached, &all_current);
        let answerable: BTreeSet<_> = wanted.entries.keys().copied()
            .filter(|entry| wanted.interfaces.contains_key(&entry.interface)).collect();
        let asked_through: BTreeSet<_> = answerable.iter().filter_map(Group::of).collect();
        prop_assert_eq!(&reached.groups, &asked_through);
        prop_assert_eq!(reached.entries.keys().copied().collect::<BTreeSet<_>>(), answerable);
        for (entry, kept) in &reached.entries {
            prop_assert_eq!(kept.responses_sent, kernel.entries.get(entry).map_or(0, |kept| kept.responses_sent), "counters are kept");
        }
        prop_assert_eq!(plan(&wanted, &reached), []);
    }

    #[test]
    fn a_partial_view_only_adds(interfaces in some_macs(), entries in some_entries(), kernel in some_kernel()) {
        let wanted = wanting(interfaces, entries, View::Partial);
        let reached = apply(kernel.clone(), &plan(&wanted, &kernel));
        for (entry, counter) in &kernel.entries {
            prop_assert_eq!(reached.entries.get(entry), Some(counter));
        }
        prop_assert!(reached.groups.is_superset(&kernel.groups));
        for interface in kernel.attached.keys() {
            prop_assert!(reached.attached.contains_key(interface));
        }
    }

    #[test]
    fn announced_is_exactly_what_is_added(
        interfaces in some_macs(), entries in some_entries(), kernel in some_kernel(),
    ) {
        let wanted = wanting(interfaces, entries, View::Complete);
        let actions = plan(&wanted, &kernel);
        let added: Vec<_> = actions.iter().filter_map(|action| match action {
            Action::AddEntry(entry, _) => Some(*entry), _ => None,
        }).collect();
        let announced: Vec<_> = actions.iter().filter_map(|action| match action {
            Action::Announce(entry, ..) => Some(*entry), _ => None,
        }).collect();
        prop_assert_eq!(added, announced);
    }
}

#[test]
fn members_are_known_before_anything_is_answered_and_forgotten_last() {
    let mut wanted = desired(&[(ETH0, MAC)], &[entry(0, ETH0)], View::Complete);
    wanted.members = [OTHER_MAC, MAC].into();
    let found = observed(Attachment::Current, &[]);
    let actions = plan(&wanted, &found);
    assert_eq!(actions[0], Action::SetMember(OTHER_MAC, Member::Other));
    assert_eq!(
        actions.len(),
        3,
        "this node's own interface is its own, whoever lists it: {actions:?}"
    );
    let held = apply(found, &actions);
    wanted.members.clear();
    assert_eq!(plan(&wanted, &held), [Action::ForgetMember(OTHER_MAC)]);
    wanted.view = View::Partial;
    assert_eq!(plan(&wanted, &held), []);
}
