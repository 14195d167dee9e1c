//! The node's devices in the words of the heartbeat.

use lightship_core::inventory::{Interface, Inventory, LinkState, Mac};
use lightship_datapath::devices::{AdminState, Carrier, Device, Selection};

/// The interfaces a policy may name, sorted by name; virtual cables to pods are none of them.
pub(crate) fn inventory(devices: &[Device], selection: &Selection) -> Inventory {
    let mut interfaces: Vec<_> = devices
        .iter()
        .filter(|device| device.is_nodes_own())
        .map(|device| interface(device, selection))
        .collect();
    interfaces.sort_by(|one, other| one.name.cmp(&other.name));
    Inventory {
        interfaces,
        ..Inventory::default()
    }
}

/// A device as policies see it.
pub(crate) fn interface(device: &Device, selection: &Selection) -> Interface {
    Interface {
        name: device.name.clone(),
        mac: device.mac.map(|mac| Mac(mac.0)),
        link: match (device.admin, device.carrier) {
            (AdminState::Down, _) => LinkState::Down,
            (AdminState::Up, Carrier::Absent) => LinkState::NoCarrier,
            (AdminState::Up, Carrier::Present) => LinkState::Up,
        },
        suitable: selection.admits(device).is_ok(),
        addresses: device.addresses.clone(),
    }
}
