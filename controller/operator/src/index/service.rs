//! Services.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use lightship_core::ipam::{DifferentPods, Family, Namespaces, Port, Protocol, Sharing, SharingKey, Traffic};
use lightship_core::names::ServiceId;
use lightship_core::placement::{Announceable, Announcer, Endpoints};
use lightship_core::selector::Labels;
use lightship_core::service::{
    DefaultClass, IngressOwner, Service as Facts, asked_families, handling, requested,
};
use lightship_core::time::Timestamp;
use lightship_crd::condition::service::{REASON_KEPT, REQUEST_SATISFIED};
use lightship_crd::{annotation, class, field_owner, label};
use serde_json::Value;

/// Which service an object is.
pub(crate) fn id(service: &Service) -> ServiceId {
    let meta = &service.metadata;
    ServiceId::new(
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

/// The namespace and name of the Gateway a service was generated for.
pub(crate) fn gateway(service: &Service) -> Option<(String, String)> {
    let labels = service.metadata.labels.as_ref()?;
    let name = labels.get(label::GATEWAY_NAME)?.clone();
    Some((service.metadata.namespace.clone()?, name))
}

/// A service as address management sees it; `inherited` are the labels of its Gateway.
pub(crate) fn facts(service: &Service, inherited: &Labels, default: DefaultClass) -> Facts {
    let spec = service.spec.clone().unwrap_or_default();
    let annotations = service.metadata.annotations.clone().unwrap_or_default();
    let families: Vec<Family> = spec
        .ip_families
        .iter()
        .flatten()
        .filter_map(|name| family(name))
        .collect();
    Facts {
        id: id(service),
        created: super::created(&service.metadata),
        labels: labels(service, inherited),
        handling: handling(
            spec.type_.as_deref(),
            spec.load_balancer_class.as_deref(),
            class::L2_ANNOUNCER,
            default,
        ),
        families: asked_families(spec.ip_family_policy.as_deref(), &families),
        requested: requested(
            spec.load_balancer_ip.as_deref(),
            annotation::IPS.value(&annotations),
        ),
        pool: annotation::POOL.value(&annotations).map(Into::into),
        sharing: sharing(&spec, &annotations),
        ingress: addresses(service),
        ingress_owner: ingress_owner(service),
        satisfied_since: satisfied_since(service),
    }
}

/// With whom the service shares; without a key it does not, whatever else it says.
fn sharing(spec: &ServiceSpec, annotations: &BTreeMap<String, String>) -> Option<Sharing> {
    let key = SharingKey::new(annotation::SHARING_KEY.value(annotations)?)?;
    let different = DifferentPods::read(annotation::SHARING_PERMIT_DIFFERENT_PODS.value(annotations));
    let traffic = match spec.external_traffic_policy.as_deref() {
        Some("Local") => Traffic::Local {
            pods: spec.selector.clone().unwrap_or_default(),
            different,
        },
        _ => Traffic::Cluster,
    };
    Some(Sharing {
        key,
        namespaces: Namespaces::read(annotation::SHARING_CROSS_NAMESPACE.value(annotations)),
        ports: spec.ports.iter().flatten().map(port).collect(),
        traffic,
    })
}

fn port(port: &ServicePort) -> Port {
    let protocol = match port.protocol.as_deref() {
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        _ => Protocol::Tcp,
    };
    Port {
        number: port.port,
        protocol,
    }
}

/// Since when the status says that the service has all it asked for, by us.
fn satisfied_since(service: &Service) -> Option<Timestamp> {
    let conditions = service.status.as_ref()?.conditions.as_ref()?;
    let satisfied = conditions
        .iter()
        .find(|one| one.type_ == REQUEST_SATISFIED && one.status == "True")
        .filter(|one| one.reason != REASON_KEPT)?;
    let Time(since) = &satisfied.last_transition_time;
    Some(Timestamp(since.as_second()))
}

/// A service as placement sees it; `given` are the addresses it has or is about to have.
pub(crate) fn announceable(
    service: &Service,
    inherited: &Labels,
    given: Vec<IpAddr>,
    endpoints: Endpoints,
) -> Announceable {
    let spec = service.spec.as_ref();
    let external = spec
        .and_then(|spec| spec.external_ips.as_ref())
        .into_iter()
        .flatten();
    let foreign = spec
        .and_then(|spec| spec.load_balancer_class.as_deref())
        .filter(|class| *class != class::L2_ANNOUNCER);
    Announceable {
        labels: labels(service, inherited),
        announcer: foreign.map_or(Announcer::Us, |class| Announcer::Foreign(class.to_owned())),
        load_balancer: given,
        external: external.filter_map(|text| parsed(text)).collect(),
        endpoints,
    }
}

/// Whether only nodes with a ready endpoint take traffic from outside for the service.
pub(crate) fn is_local(service: &Service) -> bool {
    let policy = service
        .spec
        .as_ref()
        .and_then(|spec| spec.external_traffic_policy.as_deref());
    policy == Some("Local")
}

/// The entries of the load balancer's ingress.
pub(crate) fn ingress(service: &Service) -> &[LoadBalancerIngress] {
    let status = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    status
        .and_then(|balancer| balancer.ingress.as_deref())
        .unwrap_or_default()
}

/// The addresses of the load balancer's ingress.
pub(crate) fn addresses(service: &Service) -> Vec<IpAddr> {
    ingress(service).iter().filter_map(address).collect()
}

/// The address of an ingress entry; entries of cloud providers may have only a hostname.
pub(crate) fn address(entry: &LoadBalancerIngress) -> Option<IpAddr> {
    parsed(entry.ip.as_deref()?)
}

/// An IPv4 address in the notation of IPv6 is that IPv4 address, whoever wrote it.
fn parsed(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

fn family(name: &str) -> Option<Family> {
    match name {
        "IPv4" => Some(Family::V4),
        "IPv6" => Some(Family::V6),
        _ => None,
    }
}

/// Labels of its own win over those of its Gateway. The pseudo-labels come last, so that none of either can pass for them.
fn labels(service: &Service, inherited: &Labels) -> Labels {
    let ServiceId { namespace, name } = id(service);
    let mut labels = inherited.clone();
    labels.extend(service.metadata.labels.clone().unwrap_or_default());
    labels.insert(label::SERVICE_NAMESPACE.to_owned(), namespace);
    labels.insert(label::SERVICE_NAME.to_owned(), name);
    labels
}

/// Who wrote the ingress, by the API server's own record; an empty ingress is nobody's and free for us.
pub(crate) fn ingress_owner(service: &Service) -> IngressOwner {
    if ingress(service).is_empty() {
        return IngressOwner::Us;
    }
    let by = |manager: &str| {
        let entries = service.metadata.managed_fields.iter().flatten();
        let mut theirs = entries.filter(|entry| entry.manager.as_deref() == Some(manager));
        theirs.any(|entry| {
            let fields = entry.fields_v1.as_ref();
            fields.is_some_and(|fields| owns_ingress(&fields.0))
        })
    };
    if by(field_owner::OPERATOR) {
        IngressOwner::Us
    } else if by(field_owner::CILIUM_OPERATOR) {
        IngressOwner::Cilium
    } else {
        IngressOwner::Another
    }
}

/// Drops what nobody here looks at. Most of an object, decoded, is the record of who wrote which field, and of that only
/// who wrote the ingress counts. Lists are decoded with room for more.
pub(crate) fn slim(service: &mut Service) {
    if let Some(ports) = service.spec.as_mut().and_then(|spec| spec.ports.as_mut()) {
        ports.shrink_to_fit();
    }
    if let Some(status) = &mut service.status {
        let ingress = status.load_balancer.as_mut();
        if let Some(entries) = ingress.and_then(|balancer| balancer.ingress.as_mut()) {
            entries.shrink_to_fit();
        }
        if let Some(conditions) = &mut status.conditions {
            conditions.shrink_to_fit();
        }
    }
    let managers = [field_owner::OPERATOR, field_owner::CILIUM_OPERATOR].map(Some);
    if let Some(entries) = &mut service.metadata.managed_fields {
        entries.retain_mut(|entry| {
            let fields = entry.fields_v1.as_mut();
            let fields = fields.filter(|fields| owns_ingress(&fields.0));
            let counts = fields.is_some() && managers.contains(&entry.manager.as_deref());
            if let Some(fields) = fields {
                fields.0 = OWNS_INGRESS;
            }
            counts
        });
        entries.shrink_to_fit();
    }
}

/// What is left of fields that have the ingress among them; the API server writes no such fields.
const OWNS_INGRESS: Value = Value::Null;

/// Cilium's operator replaces the whole status, which the API server records as deep as it is structured.
fn owns_ingress(fields: &Value) -> bool {
    if *fields == OWNS_INGRESS {
        return true;
    }
    let balancer = fields
        .get("f:status")
        .and_then(|status| status.get("f:loadBalancer"));
    balancer.is_some_and(|balancer| balancer.get("f:ingress").is_some() || balancer == &serde_json::json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(managed_by: &str) -> Service {
        serde_json::from_value(serde_json::json!({
            "metadata": {
                "namespace": "default", "name": "web",
                "labels": {"color": "blue", "io.kubernetes.service.name": "forged"},
                "annotations": {"io.cilium/lb-ipam-ips": "10.0.10.7"},
                "managedFields": [{
                    "manager": managed_by, "operation": "Update", "subresource": "status",
                    "fieldsV1": {"f:status": {"f:loadBalancer": {"f:ingress": {}}}},
                }],
            },
            "spec": {"type": "LoadBalancer", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.0.10.7"}, {"hostname": "web.example"}]}},
        }))
        .unwrap()
    }

    #[test]
    fn pseudo_labels_cannot_be_forged() {
        let facts = facts(&service("metallb"), &Labels::new(), DefaultClass::LbIpam);
        assert_eq!(facts.labels["io.kubernetes.service.name"], "web");
        assert_eq!(facts.labels["io.kubernetes.service.namespace"], "default");
        assert_eq!(facts.labels["color"], "blue");
    }

    #[test]
    fn a_gateways_labels_are_seen_behind_its_services_own() {
        let of = |labels: serde_json::Value| {
            let mut service = service("metallb");
            service.metadata.labels = serde_json::from_value(labels).unwrap();
            let inherited = [
                ("color", "red"),
                ("ippool", "l2"),
                ("io.kubernetes.service.name", "forged"),
            ];
            let inherited = inherited.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let facts = facts(&service, &inherited.into(), DefaultClass::LbIpam);
            (gateway(&service), facts.labels)
        };
        let (gateway, labels) =
            of(serde_json::json!({"color": "blue", "gateway.networking.k8s.io/gateway-name": "central"}));
        assert_eq!(gateway, Some(("default".to_owned(), "central".to_owned())));
        assert_eq!(
            (labels["color"].as_str(), labels["ippool"].as_str()),
            ("blue", "l2")
        );
        assert_eq!(labels["io.kubernetes.service.name"], "web");
        assert_eq!(of(serde_json::json!({"color": "blue"})).0, None);
    }

    #[test]
    fn only_what_we_or_cilium_wrote_is_ours() {
        let owner = |manager| facts(&service(manager), &Labels::new(), DefaultClass::LbIpam).ingress_owner;
        assert_eq!(owner(field_owner::OPERATOR), IngressOwner::Us);
        assert_eq!(owner(field_owner::CILIUM_OPERATOR), IngressOwner::Cilium);
        assert_eq!(owner("metallb"), IngressOwner::Another);
        let empty = Service {
            status: None,
            ..service("metallb")
        };
        assert_eq!(
            facts(&empty, &Labels::new(), DefaultClass::LbIpam).ingress_owner,
            IngressOwner::Us
        );
    }

    #[test]
    fn what_is_kept_from_somebody_else_was_not_satisfied_by_us() {
        let since = |reason| {
            let mut object = service("metallb");
            let satisfied = serde_json::json!([{"type": REQUEST_SATISFIED, "status": "True", "reason": reason, "message": "",
                "lastTransitionTime": "1970-01-01T00:00:07Z"}]);
            let status = object.status.get_or_insert_default();
            status.conditions = serde_json::from_value(satisfied).unwrap();
            facts(&object, &Labels::new(), DefaultClass::LbIpam).satisfied_since
        };
        assert_eq!((since("satisfied"), since("kept")), (Some(Timestamp(7)), None));
    }

    #[test]
    fn sharing_is_read_in_both_spellings() {
        let shared = |key: &str, namespaces: &str, pods: &str| {
            let mut object = service("metallb");
            let annotations = [(key, " dns "), (namespaces, "a, b"), (pods, "true")];
            let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned()));
            object.metadata.annotations = Some(annotations.into());
            let spec = object.spec.as_mut().unwrap();
            spec.external_traffic_policy = Some("Local".to_owned());
            spec.ports =
                serde_json::from_value(serde_json::json!([{"port": 53, "protocol": "UDP"}, {"port": 53}]))
                    .ok();
            facts(&object, &Labels::new(), DefaultClass::LbIpam).sharing
        };
        let port = |protocol| Port { number: 53, protocol };
        let expected = Sharing {
            key: SharingKey::new("dns").unwrap(),
            namespaces: Namespaces::Listed(["a".to_owned(), "b".to_owned()].into()),
            ports: [port(Protocol::Tcp), port(Protocol::Udp)].into(),
            traffic: Traffic::Local {
                pods: Labels::new(),
                different: DifferentPods::Permitted,
            },
        };
        let new = shared(
            "lbipam.cilium.io/sharing-key",
            "lbipam.cilium.io/sharing-cross-namespace",
            "lbipam.cilium.io/sharing-permit-different-pods",
        );
        let old = shared(
            "io.cilium/lb-ipam-sharing-key",
            "io.cilium/lb-ipam-sharing-cross-namespace",
            "io.cilium/lb-ipam-sharing-permit-different-pods",
        );
        assert_eq!((new.as_ref(), old.as_ref()), (Some(&expected), Some(&expected)));
        assert_eq!(
            facts(&service("metallb"), &Labels::new(), DefaultClass::LbIpam).sharing,
            None
        );
    }

    #[test]
    fn what_is_dropped_is_missed_by_nobody() {
        for manager in [field_owner::OPERATOR, field_owner::CILIUM_OPERATOR, "metallb"] {
            let whole = service(manager);
            let mut slimmed = whole.clone();
            slim(&mut slimmed);
            let kept = slimmed.metadata.managed_fields.as_deref().unwrap_or_default();
            assert_eq!(kept.is_empty(), manager == "metallb");
            let of = |service: &Service| facts(service, &Labels::new(), DefaultClass::LbIpam);
            assert_eq!(of(&slimmed), of(&whole), "{manager}");
            let once = slimmed.clone();
            slim(&mut slimmed);
            assert_eq!(slimmed, once);
        }
    }

    #[test]
    fn an_entry_without_an_address_is_no_address() {
        let facts = facts(&service("metallb"), &Labels::new(), DefaultClass::LbIpam);
        assert_eq!(facts.ingress, ["10.0.10.7".parse::<IpAddr>().unwrap()]);
    }
}
