//! What the kernel should hold: the leases of this node laid over its devices. Pure.

use std::collections::{BTreeMap, BTreeSet};

use lightship_core::binding::{Announcement, Binding};
use lightship_core::interfaces::{InterfaceExpressionError, InterfaceSelector};
use lightship_core::inventory::LinkState;
use lightship_core::names::{NodeName, ServiceId};
use lightship_datapath::devices::{Device, Selection};
use lightship_datapath::plan::{Desired, Hold, Observed, View};
use lightship_datapath::{Entry, InterfaceIndex, MacAddress, Order};

use crate::inventory::interface;

/// What the kernel should hold, and what of the leases cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What the kernel should hold.
    pub(crate) desired: Desired,
    /// Interface expressions that do not parse, by service.
    pub(crate) unreadable: BTreeMap<ServiceId, InterfaceExpressionError>,
}

/// Lays the bindings that name `node` as holder over its devices.
///
/// While the view is partial, interfaces that have a program keep it: a new program takes the old one's place, and
/// nothing is taken away.
pub(crate) fn wanted(
    bindings: &BTreeMap<ServiceId, Binding>,
    node: &NodeName,
    devices: &[Device],
    selection: &Selection,
    observed: &Observed,
    view: View,
) -> Wanted {
    let mut entries = BTreeMap::new();
    let mut unreadable = BTreeMap::new();
    for (service, binding) in bindings.iter().filter(|(_, binding)| binding.holder == *node) {
        for announcement in &binding.order.announcements {
            match InterfaceSelector::compile(&announcement.interfaces) {
                Ok(selector) => {
                    let hold = Hold::unconfirmed(binding_order(binding));
                    let found = of_announcement(announcement, &selector, devices, selection);
                    entries.extend(found.into_iter().map(|entry| (entry, hold)));
                }
                Err(error) => {
                    unreadable.insert(service.clone(), error);
                }
            }
        }
    }
    let used = |index: InterfaceIndex| {
        entries.keys().any(|entry: &Entry| entry.interface == index)
            || (view == View::Partial && observed.attached.contains_key(&index))
    };
    let interfaces: BTreeMap<InterfaceIndex, MacAddress> = devices
        .iter()
        .filter(|device| used(device.index))
        .filter_map(|device| Some((device.index, device.mac?)))
        .collect();
    Wanted {
        desired: Desired {
            interfaces,
            entries,
            members: BTreeSet::new(),
            view,
        },
        unreadable,
    }
}

/// The order of the binding by which its holder answers.
fn binding_order(binding: &Binding) -> Order {
    Order::of_holder(u32::try_from(binding.transitions).unwrap_or(0))
}

fn of_announcement(
    announcement: &Announcement,
    selector: &InterfaceSelector,
    devices: &[Device],
    selection: &Selection,
) -> Vec<Entry> {
    let meant = devices.iter().filter(|device| {
        let interface = interface(device, selection);
        interface.mac.is_some() && interface.link == LinkState::Up && selector.selects(&interface)
    });
    meant
        .flat_map(|device| {
            announcement.addresses.iter().map(|&address| Entry {
                address,
                interface: device.index,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use lightship_core::binding::WorkOrder;
    use lightship_datapath::devices::{AdminState, Carrier, Kind, Reach};
    use lightship_datapath::plan::Attachment;

    use super::*;

    fn device(index: u32, name: &str) -> Device {
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
        }
    }

    fn bindings(holder: &str, interfaces: &[&str]) -> BTreeMap<ServiceId, Binding> {
        let service = ServiceId::new("default", "web");
        let announcement = Announcement {
            policy: "policy1".into(),
            addresses: vec!["10.0.10.0".parse().unwrap(), "2004::1".parse().unwrap()],
            interfaces: interfaces.iter().map(|one| (*one).to_owned()).collect(),
        };
        let order = WorkOrder {
            service: service.clone(),
            primary: service.clone(),
            announcements: vec![announcement],
            standbys: vec![],
            former: None,
            deposed: None,
        };
        [(
            service,
            Binding {
                holder: holder.into(),
                transitions: 0,
                order,
            },
        )]
        .into()
    }

    fn entries(bindings: &BTreeMap<ServiceId, Binding>, devices: &[Device]) -> Vec<String> {
        let observed = Observed::default();
        let wanted = wanted(
            bindings,
            &"node-1".into(),
            devices,
            &Selection::Automatic,
            &observed,
            View::Complete,
        );
        wanted.desired.entries.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_this_node_holds_on_interfaces_that_match_and_are_up() {
        let devices = [device(2, "eth0"), device(3, "eth1"), device(4, "wlan0")];
        let named = bindings("node-1", &["^eth"]);
        assert_eq!(
            entries(&named, &devices),
            [
                "10.0.10.0 on interface 2",
                "10.0.10.0 on interface 3",
                "2004::1 on interface 2",
                "2004::1 on interface 3"
            ]
        );
        let unplugged = [
            Device {
                carrier: Carrier::Absent,
                ..device(2, "eth0")
            },
            device(3, "eth1"),
        ];
        assert_eq!(
            entries(&named, &unplugged),
            ["10.0.10.0 on interface 3", "2004::1 on interface 3"]
        );
        assert_eq!(entries(&bindings("node-2", &["^eth"]), &devices), [] as [&str; 0]);
    }

    #[test]
    fn without_expressions_every_suitable_interface() {
        let bare = Device {
            addresses: vec![],
            ..device(3, "eth1")
        };
        assert_eq!(
            entries(&bindings("node-1", &[]), &[device(2, "eth0"), bare]),
            ["10.0.10.0 on interface 2", "2004::1 on interface 2"]
        );
    }

    #[test]
    fn a_partial_view_keeps_programs_where_they_are() {
        let observed = Observed {
            attached: [(InterfaceIndex(2), Attachment::Outdated)].into(),
            ..Observed::default()
        };
        let (none, devices) = (BTreeMap::new(), [device(2, "eth0")]);
        let of_view = |view| {
            let wanted = wanted(
                &none,
                &"node-1".into(),
                &devices,
                &Selection::Automatic,
                &observed,
                view,
            );
            wanted.desired.interfaces.len()
        };
        assert_eq!((of_view(View::Partial), of_view(View::Complete)), (1, 0));
    }

    #[test]
    fn an_expression_that_does_not_parse_is_told() {
        let observed = Observed::default();
        let bad = bindings("node-1", &["eth["]);
        let wanted = wanted(
            &bad,
            &"node-1".into(),
            &[],
            &Selection::Automatic,
            &observed,
            View::Complete,
        );
        assert_eq!(wanted.unreadable.len(), 1);
    }
}
