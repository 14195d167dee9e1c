//! What is to be announced for a service, policy by policy, and why nothing is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use crate::binding::Announcement;
use crate::interfaces::InterfaceSelector;
use crate::names::{NodeName, PolicyName};
use crate::selector::{Labels, Selector};

/// Which addresses of a service a policy announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKinds {
    /// Neither flag is set: the policy is inert.
    None,
    /// `loadBalancerIPs` only.
    LoadBalancer,
    /// `externalIPs` only.
    External,
    /// Both.
    Both,
}

impl AddressKinds {
    /// From the policy's two flags.
    #[must_use]
    pub fn from_flags(load_balancer_ips: Option<bool>, external_ips: Option<bool>) -> Self {
        match (
            load_balancer_ips.unwrap_or_default(),
            external_ips.unwrap_or_default(),
        ) {
            (false, false) => Self::None,
            (true, false) => Self::LoadBalancer,
            (false, true) => Self::External,
            (true, true) => Self::Both,
        }
    }
}

/// A policy whose selectors and expressions could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Nodes that may hold.
    pub nodes: Selector,
    /// Services it announces.
    pub services: Selector,
    /// Interfaces it announces on.
    pub interfaces: InterfaceSelector,
    /// Addresses it announces.
    pub kinds: AddressKinds,
}

/// Who announces a service, by its `loadBalancerClass`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcer {
    /// We do: no class, or ours.
    Us,
    /// Another class.
    Foreign(String),
}

/// Where a service's endpoints have to be for a node to hold its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Endpoints {
    /// Anywhere: `externalTrafficPolicy` is `Cluster`, or no endpoint names a node, as with a Gateway's placeholders.
    #[default]
    Anywhere,
    /// On the node itself: those with a ready endpoint.
    On(BTreeSet<NodeName>),
}

/// A service as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announceable {
    /// Its labels with the two pseudo-labels.
    pub labels: Labels,
    /// Who announces it.
    pub announcer: Announcer,
    /// Addresses of its load balancer ingress.
    pub load_balancer: Vec<IpAddr>,
    /// `spec.externalIPs`.
    pub external: Vec<IpAddr>,
    /// Where its endpoints have to be.
    pub endpoints: Endpoints,
}

/// Why a policy does not announce a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Its serviceSelector does not match; the requirement that fails.
    ServiceSelector(String),
    /// It announces other kinds of addresses than the service has.
    AddressKind,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceSelector(unmet) => write!(f, "its serviceSelector wants {unmet}"),
            Self::AddressKind => f.write_str(
                "its flags loadBalancerIPs and externalIPs leave out the kind of address the service has",
            ),
        }
    }
}

/// Why nothing is to be announced for a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// It has no address.
    NoAddress,
    /// Its class says that somebody else announces it.
    ForeignClass(String),
    /// No policy exists that could be read.
    NoPolicy,
    /// Policies exist, and none announces it.
    NotSelected(Vec<(PolicyName, Mismatch)>),
}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the service has no address yet"),
            Self::ForeignClass(class) => write!(f, "loadBalancerClass {class} is announced by somebody else"),
            Self::NoPolicy => {
                f.write_str("there is no CiliumL2AnnouncementPolicy; create one that selects this service")
            }
            Self::NotSelected(mismatches) => {
                f.write_str("no CiliumL2AnnouncementPolicy announces it")?;
                for (policy, mismatch) in mismatches.iter().take(8) {
                    write!(f, "; policy {policy}: {mismatch}")?;
                }
                Ok(())
            }
        }
    }
}

/// What each policy wants announced for a service, sorted by policy.
pub(super) fn demand(
    service: &Announceable,
    policies: &BTreeMap<PolicyName, Policy>,
) -> Result<Vec<Announcement>, Unwanted> {
    if let Announcer::Foreign(class) = &service.announcer {
        return Err(Unwanted::ForeignClass(class.clone()));
    }
    if service.load_balancer.is_empty() && service.external.is_empty() {
        return Err(Unwanted::NoAddress);
    }
    if policies.is_empty() {
        return Err(Unwanted::NoPolicy);
    }
    let (mut wanted, mut mismatches) = (Vec::new(), Vec::new());
    for (name, policy) in policies {
        match asked_by(policy, service) {
            Ok(addresses) => wanted.push(Announcement {
                policy: name.clone(),
                addresses,
                interfaces: policy.interfaces.expressions().to_vec(),
            }),
            Err(mismatch) => mismatches.push((name.clone(), mismatch)),
        }
    }
    if wanted.is_empty() {
        Err(Unwanted::NotSelected(mismatches))
    } else {
        Ok(wanted)
    }
}

fn asked_by(policy: &Policy, service: &Announceable) -> Result<Vec<IpAddr>, Mismatch> {
    if let Some(unmet) = policy.services.unmet(&service.labels) {
        return Err(Mismatch::ServiceSelector(unmet));
    }
    let (load_balancer, external) = (&service.load_balancer, &service.external);
    let mut addresses = match policy.kinds {
        AddressKinds::None => vec![],
        AddressKinds::LoadBalancer => load_balancer.clone(),
        AddressKinds::External => external.clone(),
        AddressKinds::Both => load_balancer.iter().chain(external).copied().collect(),
    };
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        Err(Mismatch::AddressKind)
    } else {
        Ok(addresses)
    }
}
