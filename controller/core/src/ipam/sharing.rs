//! Whether two services may have one address.

use std::collections::BTreeSet;
use std::fmt;

use crate::selector::Labels;
use crate::service::Service;

/// The value of the sharing-key annotation; never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharingKey(String);

impl SharingKey {
    /// The key; `None` for an empty text, which shares with nobody.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for SharingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The namespaces a service shares with, beside its own.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Namespaces {
    /// None.
    #[default]
    Own,
    /// Those listed.
    Listed(BTreeSet<String>),
    /// Every one: `*`.
    All,
}

impl Namespaces {
    /// Reads the comma list of the annotation, each item trimmed; `*` means all.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        let items = text.unwrap_or_default().split(',').map(str::trim);
        let listed: BTreeSet<String> = items.filter(|item| !item.is_empty()).map(str::to_owned).collect();
        if listed.contains("*") {
            Self::All
        } else if listed.is_empty() {
            Self::Own
        } else {
            Self::Listed(listed)
        }
    }

    fn admit(&self, own: &str, other: &str) -> bool {
        own == other
            || match self {
                Self::Own => false,
                Self::Listed(listed) => listed.contains(other),
                Self::All => true,
            }
    }
}

/// A transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// A port of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// Its number.
    pub number: i32,
    /// Its protocol.
    pub protocol: Protocol,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

/// Whether services with `externalTrafficPolicy: Local` share with those of other pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DifferentPods {
    /// They do not: a node might have pods of the one and none of the other.
    #[default]
    Refused,
    /// The user says it is all right.
    Permitted,
}

impl DifferentPods {
    /// Reads a boolean as Go writes it; anything else does not permit.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        match text {
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Self::Permitted,
            _ => Self::Refused,
        }
    }
}

/// Where a service's traffic goes: `externalTrafficPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// To pods of any node.
    Cluster,
    /// To pods of the node it arrives at.
    Local {
        /// The pod selector.
        pods: Labels,
        /// The opt-in for different ones.
        different: DifferentPods,
    },
}

/// What a service that shares brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Its key.
    pub key: SharingKey,
    /// Other namespaces it shares with.
    pub namespaces: Namespaces,
    /// Its ports.
    pub ports: BTreeSet<Port>,
    /// Where its traffic goes.
    pub traffic: Traffic,
}

/// Why two services may not have one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clash {
    /// One of them has no key, or they differ.
    Key,
    /// One of them does not list the other's namespace.
    Namespace,
    /// Both use the port.
    Port(Port),
    /// Their external traffic policies differ.
    TrafficPolicy,
    /// Their policy is Local, and one has no pod selector.
    NoPods,
    /// Their policy is Local, they select different pods, and not both opt in.
    DifferentPods,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("it has another sharing key, or none"),
            Self::Namespace => f.write_str("not each of the two lists the namespace of the other"),
            Self::Port(port) => write!(f, "both use port {port}"),
            Self::TrafficPolicy => f.write_str("their externalTrafficPolicy differs"),
            Self::NoPods => f.write_str("externalTrafficPolicy is Local, and one of the two has no selector"),
            Self::DifferentPods => f.write_str(
                "externalTrafficPolicy is Local, they select different pods, and not both permit that by annotation",
            ),
        }
    }
}

/// Whether the two may have one address; the first rule that forbids it.
pub(super) fn may_share(one: &Service, other: &Service) -> Result<(), Clash> {
    let (Some(mine), Some(theirs)) = (&one.sharing, &other.sharing) else {
        return Err(Clash::Key);
    };
    if mine.key != theirs.key {
        return Err(Clash::Key);
    }
    let (here, there) = (&one.id.namespace, &other.id.namespace);
    if !mine.namespaces.admit(here, there) || !theirs.namespaces.admit(there, here) {
        return Err(Clash::Namespace);
    }
    if let Some(port) = mine.ports.intersection(&theirs.ports).next() {
        return Err(Clash::Port(*port));
    }
    let permitted = DifferentPods::Permitted;
    match (&mine.traffic, &theirs.traffic) {
        (Traffic::Cluster, Traffic::Cluster) => Ok(()),
        (
            Traffic::Local { pods, different },
            Traffic::Local {
                pods: other_pods,
                different: other_different,
            },
        ) => {
            if pods.is_empty() || other_pods.is_empty() {
                Err(Clash::NoPods)
            } else if pods == other_pods || (*different == permitted && *other_different == permitted) {
                Ok(())
            } else {
                Err(Clash::DifferentPods)
            }
        }
        _ => Err(Clash::TrafficPolicy),
    }
}
