//! What the kernel should hold: what this node answers for, laid over its devices. Pure.

use std::collections::{BTreeMap, BTreeSet};

use lightship_core::inventory::LinkState;
use lightship_core::members::Members;
use lightship_core::watch::{Answer, NicIndex, Part, Target};
use lightship_datapath::devices::{Device, Selection};
use lightship_datapath::plan::{Confirmation, Desired, Hold, Member, Observed, View};
use lightship_datapath::{Entry, InterfaceIndex, MacAddress};

use crate::inventory::interface;

/// The node's side of it: its devices, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    /// The node's devices.
    pub(crate) devices: &'a [Device],
    /// Which of them announce where no policy says so.
    pub(crate) selection: &'a Selection,
    /// What the kernel holds now.
    pub(crate) observed: &'a Observed,
    /// Who the members are, once it was told.
    pub(crate) members: Option<&'a Members>,
    /// Whether every lease was seen.
    pub(crate) view: View,
}

/// What the kernel should hold, and which of it is not announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What the kernel should hold.
    pub(crate) desired: Desired,
    /// Entries of bindings that went elsewhere: they are answered, and no longer announced.
    pub(crate) leaving: BTreeSet<Entry>,
    /// Entries that their former holder answers too until it hears of this one.
    pub(crate) handed_over: BTreeSet<Entry>,
}

/// Lays what this node answers for over its devices; `kernel_time` turns a moment into the kernel's time.
///
/// While the view is partial, interfaces that have a program keep it: a new program takes the old one's place, and
/// nothing is taken away.
pub(crate) fn wanted<'a>(
    answers: impl Iterator<Item = Answer<'a>>,
    is_sure_of: impl Fn(NicIndex) -> bool,
    kernel_time: impl Fn(lightship_core::time::Instant) -> u64,
    ground: Ground<'_>,
) -> Wanted {
    let interfaces: Vec<_> = ground
        .devices
        .iter()
        .filter(|device| is_sure_of(NicIndex(device.index.0)))
        .map(|device| (device.index, interface(device, ground.selection)))
        .filter(|(_, interface)| interface.mac.is_some() && interface.link == LinkState::Up)
        .collect();
    let mut entries = BTreeMap::new();
    let (mut leaving, mut handed_over) = (BTreeSet::new(), BTreeSet::new());
    for answer in answers {
        let confirmed = answer.confirmed.map_or(Confirmation::Unconfirmed, |read| {
            Confirmation::After(kernel_time(read))
        });
        let hold = Hold {
            order: answer.order,
            confirmed,
        };
        for (index, interface) in &interfaces {
            let meant = |target: &&Target| target.interfaces.selects(interface);
            for address in answer
                .targets
                .iter()
                .filter(meant)
                .flat_map(|target| &target.addresses)
            {
                let entry = Entry {
                    address: *address,
                    interface: *index,
                };
                entries.insert(entry, hold);
                if answer.part == Part::Leaver {
                    leaving.insert(entry);
                }
                if answer.former.is_some() {
                    handed_over.insert(entry);
                }
            }
        }
    }
    let used: BTreeSet<InterfaceIndex> = entries.keys().map(|entry: &Entry| entry.interface).collect();
    let is_used = |index: InterfaceIndex| {
        used.contains(&index)
            || (ground.view == View::Partial && ground.observed.attached.contains_key(&index))
    };
    let interfaces: BTreeMap<InterfaceIndex, MacAddress> = ground
        .devices
        .iter()
        .filter(|device| is_used(device.index))
        .filter_map(|device| Some((device.index, device.mac?)))
        .collect();
    let desired = Desired {
        interfaces,
        entries,
        members: match ground.members {
            Some(known) => members(known, ground.devices),
            None => others(ground.observed),
        },
        view: ground.view,
    };
    Wanted {
        desired,
        leaving,
        handed_over,
    }
}

/// The stations whose claims count already.
fn others(observed: &Observed) -> BTreeSet<MacAddress> {
    let known = observed.members.iter();
    known
        .filter(|(_, member)| **member == Member::Other)
        .map(|(mac, _)| *mac)
        .collect()
}

/// The stations whose claims count: every member's but this node's own.
fn members(members: &Members, devices: &[Device]) -> BTreeSet<MacAddress> {
    let own: BTreeSet<MacAddress> = devices.iter().filter_map(|device| device.mac).collect();
    let interfaces = members.nodes.values().flatten();
    interfaces
        .filter_map(|interface| Some(MacAddress(interface.mac?.0)))
        .filter(|mac| !own.contains(mac))
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use lightship_core::interfaces::InterfaceSelector;
    use lightship_core::inventory::{Interface, Mac};
    use lightship_core::names::ServiceId;
    use lightship_datapath::Order;
    use lightship_datapath::devices::{AdminState, Carrier, Kind, Reach};
    use lightship_datapath::plan::Attachment;

    use super::*;

    /// A card of this node's that is up.
    pub(crate) fn device(index: u32, name: &str) -> Device {
        Device {
            index: InterfaceIndex(index),
            name: name.to_owned(),
            mac: Some(MacAddress([2, 0, 0, 0, 0, 1])),
            admin: AdminState::Up,
            carrier: Carrier::Present,
            kind: Kind::Other,
            master: None,
            addresses: vec!["10.0.0.1".parse().unwrap()],
            reach: Reach::Everywhere,
            gateways: vec![],
        }
    }

    fn targets(interfaces: &[&str]) -> Vec<Target> {
        let expressions: Vec<_> = interfaces.iter().map(|one| (*one).to_owned()).collect();
        vec![Target {
            addresses: ["10.0.10.0".parse().unwrap(), "2004::1".parse().unwrap()].into(),
            interfaces: InterfaceSelector::compile(&expressions).unwrap(),
        }]
    }

    fn lay(part: Part, targets: &[Target], devices: &[Device], view: View, observed: &Observed) -> Wanted {
        let primary = ServiceId::new("default", "web");
        let former = (part == Part::Holder).then(|| "node-2".into());
        let answer = Answer {
            primary: &primary,
            part,
            order: Order::of_holder(3),
            targets,
            confirmed: None,
            former: former.as_ref(),
        };
        let answers = (!targets.is_empty()).then_some(answer);
        let (selection, members) = (Selection::Automatic, Members::default());
        let ground = Ground {
            devices,
            selection: &selection,
            observed,
            members: Some(&members),
            view,
        };
        wanted(answers.into_iter(), |nic| nic != NicIndex(9), |_| 0, ground)
    }

    fn entries(targets: &[Target], devices: &[Device]) -> Vec<String> {
        let wanted = lay(
            Part::Holder,
            targets,
            devices,
            View::Complete,
            &Observed::default(),
        );
        wanted.desired.entries.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn on_interfaces_that_match_are_up_and_sure() {
        let devices = [
            device(2, "eth0"),
            device(3, "eth1"),
            device(4, "wlan0"),
            device(9, "eth9"),
        ];
        let named = targets(&["^eth"]);
        assert_eq!(
            entries(&named, &devices),
            [
                "10.0.10.0 on interface 2",
                "10.0.10.0 on interface 3",
                "2004::1 on interface 2",
                "2004::1 on interface 3"
            ]
        );
        let unplugged = Device {
            carrier: Carrier::Absent,
            ..device(2, "eth0")
        };
        assert_eq!(
            entries(&named, &[unplugged, device(3, "eth1")]),
            ["10.0.10.0 on interface 3", "2004::1 on interface 3"]
        );
    }

    #[test]
    fn without_expressions_every_suitable_interface() {
        let bare = Device {
            addresses: vec![],
            ..device(3, "eth1")
        };
        assert_eq!(
            entries(&targets(&[]), &[device(2, "eth0"), bare]),
            ["10.0.10.0 on interface 2", "2004::1 on interface 2"]
        );
    }

    #[test]
    fn a_partial_view_keeps_programs_where_they_are() {
        let observed = Observed {
            attached: [(InterfaceIndex(2), Attachment::Outdated)].into(),
            ..Observed::default()
        };
        let devices = [device(2, "eth0")];
        let of_view = |view| {
            lay(Part::Holder, &[], &devices, view, &observed)
                .desired
                .interfaces
                .len()
        };
        assert_eq!((of_view(View::Partial), of_view(View::Complete)), (1, 0));
    }

    #[test]
    fn what_went_elsewhere_is_answered_and_not_announced() {
        let (named, devices) = (targets(&["^eth"]), [device(2, "eth0")]);
        let leaving = |part| {
            lay(part, &named, &devices, View::Complete, &Observed::default())
                .leaving
                .len()
        };
        assert_eq!((leaving(Part::Leaver), leaving(Part::Holder)), (2, 0));
    }

    #[test]
    fn what_the_former_holder_answers_too_is_told_apart() {
        let (named, devices) = (targets(&["^eth"]), [device(2, "eth0")]);
        let handed_over = |part| {
            lay(part, &named, &devices, View::Complete, &Observed::default())
                .handed_over
                .len()
        };
        assert_eq!((handed_over(Part::Holder), handed_over(Part::Usurper)), (2, 0));
    }

    #[test]
    fn every_other_members_claims_count() {
        let interface = |mac| Interface {
            name: "eth0".to_owned(),
            mac: Some(Mac(mac)),
            link: LinkState::Up,
            suitable: true,
            addresses: vec![],
        };
        let others = [("node-1", [2, 0, 0, 0, 0, 1]), ("node-2", [2, 0, 0, 0, 0, 2])];
        let nodes = others.map(|(node, mac)| (node.into(), vec![interface(mac)]));
        let members = Members { nodes: nodes.into() };
        let known = super::members(&members, &[device(2, "eth0")]);
        assert_eq!(known, [MacAddress([2, 0, 0, 0, 0, 2])].into());
    }

    #[test]
    fn until_the_members_are_told_those_of_an_earlier_agent_count() {
        let stations = [
            (MacAddress([2; 6]), Member::Other),
            (MacAddress([4; 6]), Member::Own),
        ];
        let observed = Observed {
            members: stations.into(),
            ..Observed::default()
        };
        assert_eq!(others(&observed), [MacAddress([2; 6])].into());
    }
}
