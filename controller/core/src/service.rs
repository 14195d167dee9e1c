//! A service as address management and placement see it: the contract of annotations, classes and families, decided.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::ipam::{Family, Sharing};
use crate::names::{PoolName, ServiceId};
use crate::selector::Labels;
use crate::time::Timestamp;

/// Who serves services without a `loadBalancerClass` (`--default-lb-service-ipam`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DefaultClass {
    /// We do.
    #[default]
    LbIpam,
    /// Cilium's node IPAM does.
    NodeIpam,
    /// Nobody does.
    None,
}

/// Whether address management serves a service, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It does.
    Ours,
    /// The service is not of type `LoadBalancer`.
    NotLoadBalancer,
    /// The service names a class that is not ours.
    ForeignClass(String),
    /// The service names no class, and those are not ours by configuration.
    DefaultElsewhere,
}

/// Decides whether a service is ours by its type and class; `our_class` is the class we serve by name.
#[must_use]
pub fn handling(
    service_type: Option<&str>,
    class: Option<&str>,
    our_class: &str,
    default: DefaultClass,
) -> Handling {
    match (service_type, class) {
        (Some("LoadBalancer"), None) if default == DefaultClass::LbIpam => Handling::Ours,
        (Some("LoadBalancer"), None) => Handling::DefaultElsewhere,
        (Some("LoadBalancer"), Some(class)) if class == our_class => Handling::Ours,
        (Some("LoadBalancer"), Some(class)) => Handling::ForeignClass(class.to_owned()),
        _ => Handling::NotLoadBalancer,
    }
}

/// One item of the requested addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requested {
    /// An address.
    Address(IpAddr),
    /// Text that is no address; reported, never replaced by an arbitrary one.
    Unreadable(String),
}

/// More than any service needs; an annotation has room for tens of thousands, each to be looked for and reported.
const MOST_REQUESTED: usize = 256;

/// Longer than any address: of text that is none so much is quoted.
const LONGEST_QUOTE: usize = 64;

/// Reads `spec.loadBalancerIP` and the requested-addresses annotation; empty values count as absent.
#[must_use]
pub fn requested(load_balancer_ip: Option<&str>, annotation: Option<&str>) -> Vec<Requested> {
    let items = load_balancer_ip
        .into_iter()
        .chain(annotation.unwrap_or_default().split(','));
    let mut known = BTreeSet::new();
    let mut requested = Vec::new();
    let mut more: usize = 0;
    for item in items.map(str::trim).filter(|item| !item.is_empty()) {
        let item = read(item);
        if !known.insert(item.clone()) {
            continue;
        }
        if requested.len() < MOST_REQUESTED {
            requested.push(item);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        let rest = format!("{more} more items; at most {MOST_REQUESTED} are read");
        requested.push(Requested::Unreadable(rest));
    }
    requested
}

/// An IPv4 address in the notation of IPv6 (`::ffff:10.0.10.5`) is that IPv4 address, as it is for the kernel.
fn read(item: &str) -> Requested {
    match item.parse::<IpAddr>() {
        Ok(address) => Requested::Address(address.to_canonical()),
        Err(_) if item.chars().count() > LONGEST_QUOTE => {
            let start: String = item.chars().take(LONGEST_QUOTE).collect();
            Requested::Unreadable(format!("{start}…"))
        }
        Err(_) => Requested::Unreadable(item.to_owned()),
    }
}

/// The families a service asks for by `ipFamilyPolicy` and `ipFamilies`, IPv4 first.
#[must_use]
pub fn asked_families(policy: Option<&str>, families: &[Family]) -> Vec<Family> {
    let mut asked = match (policy, families) {
        (Some("RequireDualStack"), _) | (Some("PreferDualStack"), []) => vec![Family::V4, Family::V6],
        (Some("PreferDualStack"), listed) => listed.to_vec(),
        (_, [first, ..]) => vec![*first],
        (_, []) => vec![Family::V4],
    };
    asked.sort_unstable();
    asked.dedup();
    asked
}

/// Who put the addresses into a service's ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngressOwner {
    /// We did, or nobody: we may take them away.
    Us,
    /// Cilium's LB-IPAM did; we inherit what is ours by type and class, and may take that away.
    Cilium,
    /// Somebody else did: we leave them.
    Another,
}

/// A service, with everything that decides about its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which service.
    pub id: ServiceId,
    /// When it was created; the older one waits in front.
    pub created: Timestamp,
    /// Its labels with the two pseudo-labels, which users cannot forge.
    pub labels: Labels,
    /// Whether we serve it.
    pub handling: Handling,
    /// Families it asks for, IPv4 first.
    pub families: Vec<Family>,
    /// Addresses it asks for by name.
    pub requested: Vec<Requested>,
    /// The only pool it may be served from, if it says so.
    pub pool: Option<PoolName>,
    /// With whom it shares an address, if it does.
    pub sharing: Option<Sharing>,
    /// Addresses in its status, in their order.
    pub ingress: Vec<IpAddr>,
    /// Who put them there; somebody else may have put names there only.
    pub ingress_owner: IngressOwner,
    /// Since when its status says that it has all it asked for: of two that claim one address, the earlier keeps it.
    pub satisfied_since: Option<Timestamp>,
}

impl Service {
    /// Whether it asks for this very address.
    #[must_use]
    pub fn requests(&self, address: IpAddr) -> bool {
        self.requested
            .iter()
            .any(|item| matches!(item, Requested::Address(one) if *one == address))
    }

    /// Whether it asks for any addresses by name; then families decide nothing.
    #[must_use]
    pub fn names_addresses(&self) -> bool {
        self.requested
            .iter()
            .any(|item| matches!(item, Requested::Address(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_the_policy() {
        let both = vec![Family::V4, Family::V6];
        assert_eq!(asked_families(None, &[]), [Family::V4]);
        assert_eq!(asked_families(Some("SingleStack"), &[Family::V6]), [Family::V6]);
        assert_eq!(
            asked_families(Some("SingleStack"), &[Family::V6, Family::V4]),
            [Family::V6]
        );
        assert_eq!(asked_families(Some("PreferDualStack"), &[]), both);
        assert_eq!(
            asked_families(Some("PreferDualStack"), &[Family::V6, Family::V4]),
            both
        );
        assert_eq!(asked_families(Some("RequireDualStack"), &[Family::V4]), both);
    }

    #[test]
    fn a_class_decides_who_serves() {
        let ours = "io.cilium/l2-announcer";
        let lb = Some("LoadBalancer");
        assert_eq!(handling(lb, None, ours, DefaultClass::LbIpam), Handling::Ours);
        assert_eq!(
            handling(lb, None, ours, DefaultClass::None),
            Handling::DefaultElsewhere
        );
        assert_eq!(handling(lb, Some(ours), ours, DefaultClass::None), Handling::Ours);
        assert_eq!(
            handling(lb, Some("x/y"), ours, DefaultClass::LbIpam),
            Handling::ForeignClass("x/y".into())
        );
        assert_eq!(
            handling(Some("ClusterIP"), None, ours, DefaultClass::LbIpam),
            Handling::NotLoadBalancer
        );
    }

    #[test]
    fn an_absurd_request_is_read_as_far_as_anybody_needs_and_reported() {
        let many: Vec<_> = (0..60_000).map(|number| format!("x{number}")).collect();
        let read = requested(None, Some(&many.join(",")));
        assert_eq!(read.len(), MOST_REQUESTED + 1);
        let rest = "59744 more items; at most 256 are read";
        assert_eq!(read.last(), Some(&Requested::Unreadable(rest.to_owned())));
        let long = requested(None, Some(&"é".repeat(10_000)));
        assert_eq!(long, [Requested::Unreadable(format!("{}…", "é".repeat(64)))]);
    }

    #[test]
    fn requests_keep_what_cannot_be_read() {
        assert_eq!(requested(None, Some(" , ")), []);
        assert_eq!(
            requested(Some("10.0.0.1"), Some("10.0.0.1, fe, 2004::1")),
            [
                Requested::Address("10.0.0.1".parse().unwrap()),
                Requested::Unreadable("fe".into()),
                Requested::Address("2004::1".parse().unwrap()),
            ]
        );
    }
}
