//! Which devices answer: Cilium's rule, so that a policy without interfaces means what its users expect, and never
//! every pod's virtual cable.

use std::fmt;

use super::{AdminState, Device, Kind, Reach};

/// Which devices are candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Those that look like the node's own.
    #[default]
    Automatic,
    /// Those named; a name that ends in `+` stands for all that begin so.
    Named(Vec<String>),
}

/// Why a device is no candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsuitable {
    /// It has no Ethernet address, so it speaks no ARP.
    NoHardwareAddress,
    /// It has no IP address.
    NoAddress,
    /// It is set down.
    Down,
    /// It is not among those named.
    NotNamed,
    /// It is the loopback device.
    Loopback,
    /// It is a part of a bridge or bond.
    Enslaved,
    /// It is a bridge or an Open vSwitch device.
    Switch,
    /// It belongs to a container network or to Kubernetes, by its name.
    ForeignName,
    /// It is a virtual cable without a default route, as pods have.
    PodCable,
    /// No global unicast destination is reached over it.
    NoRoute,
}

/// Beginnings of names that container networks give to devices of their own.
const FOREIGN_PREFIXES: [&str; 10] = [
    "cilium_",
    "lxc",
    "cni",
    "docker",
    "cali",
    "flannel",
    "kube-",
    "nodelocaldns",
    "tunl",
    "vxlan.",
];

impl Device {
    /// Whether a policy may name the device at all: it speaks Ethernet and belongs to the node, not to a container
    /// network. Hundreds of pods' cables would only blow up what the node reports about itself.
    #[must_use]
    pub fn is_nodes_own(&self) -> bool {
        let foreign = FOREIGN_PREFIXES
            .iter()
            .any(|prefix| self.name.starts_with(prefix));
        let pod_cable = self.kind == Kind::Veth && self.name.starts_with("veth");
        self.mac.is_some() && self.kind != Kind::Loopback && !foreign && !pod_cable
    }
}

impl Selection {
    /// Whether a device is a candidate. Its line does not matter: a candidate without carrier is one that waits.
    ///
    /// # Errors
    /// Why it is none.
    pub fn admits(&self, device: &Device) -> Result<(), Unsuitable> {
        let refusals = [
            (device.mac.is_none(), Unsuitable::NoHardwareAddress),
            (device.admin == AdminState::Down, Unsuitable::Down),
        ];
        first(refusals)?;
        match self {
            Self::Named(patterns) => {
                let named = patterns.iter().any(|pattern| matches(pattern, &device.name));
                if named { Ok(()) } else { Err(Unsuitable::NotNamed) }
            }
            Self::Automatic => first([
                (device.addresses.is_empty(), Unsuitable::NoAddress),
                (device.kind == Kind::Loopback, Unsuitable::Loopback),
                (device.master.is_some(), Unsuitable::Enslaved),
                (
                    matches!(device.kind, Kind::Bridge | Kind::OpenVSwitch),
                    Unsuitable::Switch,
                ),
                (
                    FOREIGN_PREFIXES
                        .iter()
                        .any(|prefix| device.name.starts_with(prefix)),
                    Unsuitable::ForeignName,
                ),
                (
                    device.kind == Kind::Veth && device.reach < Reach::Everywhere,
                    Unsuitable::PodCable,
                ),
                (device.reach == Reach::Nowhere, Unsuitable::NoRoute),
            ]),
        }
    }
}

fn first<const N: usize>(refusals: [(bool, Unsuitable); N]) -> Result<(), Unsuitable> {
    refusals
        .into_iter()
        .find(|(applies, _)| *applies)
        .map_or(Ok(()), |(_, why)| Err(why))
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('+')
        .map_or(pattern == name, |beginning| name.starts_with(beginning))
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHardwareAddress => "has no Ethernet address",
            Self::NoAddress => "has no IP address",
            Self::Down => "is down",
            Self::NotNamed => "is not among the devices named",
            Self::Loopback => "is the loopback device",
            Self::Enslaved => "is part of a bridge or bond",
            Self::Switch => "is a bridge",
            Self::ForeignName => "belongs to a container network by its name",
            Self::PodCable => "is a veth without a default route, as pods have",
            Self::NoRoute => "has no route to a global unicast destination",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{devices::Carrier, entry::InterfaceIndex};
    use lightship_abi::mac::MacAddress;

    fn nic() -> Device {
        Device {
            index: InterfaceIndex(2),
            name: "eth0".into(),
            mac: Some(MacAddress([2, 0, 0, 0, 0, 1])),
            admin: AdminState::Up,
            carrier: Carrier::Present,
            kind: Kind::Other,
            master: None,
            addresses: vec!["192.0.2.1".parse().expect("an address")],
            reach: Reach::Somewhere,
            gateways: vec![],
        }
    }

    fn refused(device: &Device) -> Option<Unsuitable> {
        Selection::Automatic.admits(device).err()
    }

    #[test]
    fn the_nodes_own_devices_are_candidates() {
        assert_eq!(refused(&nic()), None);
        assert_eq!(
            refused(&Device {
                carrier: Carrier::Absent,
                ..nic()
            }),
            None
        );
        assert_eq!(
            refused(&Device {
                kind: Kind::Veth,
                reach: Reach::Everywhere,
                ..nic()
            }),
            None
        );
    }

    #[test]
    fn others_are_not_and_say_why() {
        let cases = [
            (Device { mac: None, ..nic() }, Unsuitable::NoHardwareAddress),
            (
                Device {
                    addresses: vec![],
                    ..nic()
                },
                Unsuitable::NoAddress,
            ),
            (
                Device {
                    admin: AdminState::Down,
                    ..nic()
                },
                Unsuitable::Down,
            ),
            (
                Device {
                    kind: Kind::Loopback,
                    ..nic()
                },
                Unsuitable::Loopback,
            ),
            (
                Device {
                    master: Some(InterfaceIndex(9)),
                    ..nic()
                },
                Unsuitable::Enslaved,
            ),
            (
                Device {
                    kind: Kind::Bridge,
                    ..nic()
                },
                Unsuitable::Switch,
            ),
            (
                Device {
                    kind: Kind::OpenVSwitch,
                    ..nic()
                },
                Unsuitable::Switch,
            ),
            (
                Device {
                    name: "lxc12ab".into(),
                    ..nic()
                },
                Unsuitable::ForeignName,
            ),
            (
                Device {
                    kind: Kind::Veth,
                    ..nic()
                },
                Unsuitable::PodCable,
            ),
            (
                Device {
                    reach: Reach::Nowhere,
                    ..nic()
                },
                Unsuitable::NoRoute,
            ),
        ];
        for (device, why) in cases {
            assert_eq!(refused(&device), Some(why), "{device:?}");
        }
    }

    #[test]
    fn a_named_device_need_only_be_able() {
        let named = Selection::Named(vec!["eth0".into(), "bond+".into()]);
        assert_eq!(
            named.admits(&Device {
                kind: Kind::Veth,
                reach: Reach::Nowhere,
                ..nic()
            }),
            Ok(())
        );
        assert_eq!(
            named.admits(&Device {
                name: "bond7".into(),
                kind: Kind::Bridge,
                ..nic()
            }),
            Ok(())
        );
        assert_eq!(
            named.admits(&Device {
                addresses: vec![],
                ..nic()
            }),
            Ok(())
        );
        assert_eq!(
            named.admits(&Device {
                name: "eth01".into(),
                ..nic()
            }),
            Err(Unsuitable::NotNamed)
        );
        assert_eq!(
            named.admits(&Device {
                admin: AdminState::Down,
                ..nic()
            }),
            Err(Unsuitable::Down)
        );
    }
}
