//! Whatever an object says: it is read as meant or told with words, nothing panics, and reading costs what there is to read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use lightship_core::ipam::{DifferentPods, Family, Namespaces, SharingKey, Traffic};
use lightship_core::names::PoolName;
use lightship_core::selector::Labels;
use lightship_core::service::{DefaultClass, IngressOwner, Requested, Service as Facts};
use lightship_crd::annotation::{self, ServiceAnnotation};
use lightship_crd::{
    CiliumL2AnnouncementPolicy, CiliumLoadBalancerIPPool, LabelSelector, Operator, field_owner, label,
};
use nix::time::{ClockId, clock_gettime};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::service;

/// Texts near what is meant, so that more than noise is tried.
fn near() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9a-f:./, *-]{0,40}",
        "(10\\.0\\.[0-9]{1,3}\\.[0-9]{1,3}|2004::[0-9a-f]{0,4})(/[0-9]{1,3})?([-,] ?(10\\.0\\.0\\.[0-9]{1,3})?)?",
        "(LoadBalancer|ClusterIP|Local|Cluster|IPv4|IPv6|RequireDualStack|PreferDualStack|UDP|true|io.cilium/l2-announcer)",
    ]
}

/// Anything that JSON can say.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        near().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let names = prop_oneof![near(), "f:(status|loadBalancer|ingress)".prop_map(String::from)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..4).prop_map(|all| json!(all)),
        ]
    })
}

/// A field that is missing, or one of these, or now and then anything.
fn field<T: Into<Value> + std::fmt::Debug + 'static>(
    meant: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(Value::Null),
        20 => meant.prop_map(Into::into),
        1 => anything(),
    ]
}

fn list(meant: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    field(prop::collection::vec(meant, 0..4))
}

fn text() -> impl Strategy<Value = Value> {
    field(near())
}

fn written_annotations() -> impl Strategy<Value = Value> {
    let ours = [
        annotation::IPS,
        annotation::SHARING_KEY,
        annotation::SHARING_CROSS_NAMESPACE,
        annotation::SHARING_PERMIT_DIFFERENT_PODS,
        annotation::POOL,
    ];
    let names: Vec<_> = ours
        .iter()
        .flat_map(|one| std::iter::once(one.name).chain(one.alias))
        .map(str::to_owned)
        .collect();
    let names = prop_oneof![9 => prop::sample::select(names), 1 => near()];
    prop::collection::btree_map(names, near(), 0..6).prop_map(|all| json!(all))
}

prop_compose! {
    fn written_spec()(
        type_ in text(), class in text(), policy in text(), traffic in text(), address in text(),
        families in list(text()), external in list(text()), selector in field(prop::collection::btree_map(near(), near(), 0..3).prop_map(|all| json!(all))),
        ports in list((any::<i32>(), text()).prop_map(|(port, protocol)| json!({"port": port, "protocol": protocol}))),
    ) -> Value {
        json!({
            "type": type_, "loadBalancerClass": class, "ipFamilyPolicy": policy, "externalTrafficPolicy": traffic,
            "loadBalancerIP": address, "ipFamilies": families, "externalIPs": external, "selector": selector, "ports": ports,
        })
    }
}

prop_compose! {
    fn written_service()(
        annotations in written_annotations(), labels in prop::collection::btree_map(near(), near(), 0..3), spec in written_spec(),
        ingress in list((text(), text()).prop_map(|(ip, hostname)| json!({"ip": ip, "hostname": hostname}))),
        conditions in anything(), fields in anything(),
        manager in prop_oneof![Just(field_owner::OPERATOR.to_owned()), Just(field_owner::CILIUM_OPERATOR.to_owned()), near()],
    ) -> Value {
        json!({
            "metadata": {
                "namespace": "default", "name": "web", "labels": labels, "annotations": annotations,
                "managedFields": [{"manager": manager, "fieldsV1": fields}],
            },
            "spec": spec,
            "status": {"loadBalancer": {"ingress": ingress}, "conditions": conditions},
        })
    }
}

fn read(service: &Service) -> Facts {
    service::facts(service, &Labels::new(), DefaultClass::LbIpam)
}

proptest! {
    #[test]
    fn a_service_is_read_as_meant_whatever_it_says(written in written_service()) {
        // What is not even of the right type the API server refuses.
        let Ok(object) = serde_json::from_value::<Service>(written) else { return Ok(()) };
        let facts = read(&object);
        prop_assert_eq!(facts.labels[label::SERVICE_NAME].as_str(), "web");
        prop_assert_eq!(facts.labels[label::SERVICE_NAMESPACE].as_str(), "default");
        prop_assert!(!facts.families.is_empty() && facts.families.is_sorted_by(|one, next| one < next));

        let none = BTreeMap::new();
        let annotations = object.metadata.annotations.as_ref().unwrap_or(&none);
        prop_assert_eq!(facts.pool.as_ref().map(PoolName::as_str), annotation::POOL.value(annotations));
        prop_assert_eq!(facts.sharing.is_some(), annotation::SHARING_KEY.value(annotations).is_some());
        let single = object.spec.as_ref().and_then(|spec| spec.load_balancer_ip.as_deref());
        let listed = annotation::IPS.value(annotations).unwrap_or_default().split(',');
        let asked: Vec<&str> = single.into_iter().chain(listed).map(str::trim).filter(|item| !item.is_empty()).collect();
        for item in asked.iter().filter(|item| item.chars().count() <= 64) {
            let expected = item.parse().map_or_else(|_| Requested::Unreadable((*item).to_owned()), |one: IpAddr| Requested::Address(one.to_canonical()));
            prop_assert!(facts.requested.contains(&expected), "{item:?} is lost");
        }
        prop_assert!(facts.requested.len() <= asked.len());

        let entries = service::ingress(&object);
        let shown: Vec<IpAddr> = entries.iter().filter_map(|entry| entry.ip.as_deref()?.parse::<IpAddr>().ok()).map(|one| one.to_canonical()).collect();
        prop_assert_eq!(&facts.ingress, &shown);
        prop_assert!(!entries.is_empty() || facts.ingress_owner == IngressOwner::Us);

        let mut slimmed = object.clone();
        service::slim(&mut slimmed);
        prop_assert_eq!(read(&slimmed), facts);
    }

    #[test]
    fn a_request_comes_back_as_the_addresses_written(
        addresses in prop::collection::vec(any::<IpAddr>(), 1..20), spaces in "[ ,]{0,3}", spelling in 0..2usize,
    ) {
        let mut asked: Vec<IpAddr> = Vec::new();
        for address in addresses.iter().map(IpAddr::to_canonical) {
            if !asked.contains(&address) {
                asked.push(address);
            }
        }
        let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let object = annotated(&[(spelled(annotation::IPS, spelling), &list.join(&format!(",{spaces}")))]);
        let expected: Vec<_> = asked.into_iter().map(Requested::Address).collect();
        prop_assert_eq!(read(&object).requested, expected);
    }

    #[test]
    fn sharing_comes_back_as_written(
        key in "[!-~]{1,20}", namespaces in prop::collection::btree_set("[a-z]([a-z0-9-]{0,8}[a-z0-9])?", 0..4),
        permitted in any::<bool>(), ports in prop::collection::btree_set(1..65_536i32, 0..4), spelling in 0..2usize,
    ) {
        let listed = Vec::from_iter(namespaces.clone()).join(", ");
        let mut object = annotated(&[
            (spelled(annotation::SHARING_KEY, spelling), &key),
            (spelled(annotation::SHARING_CROSS_NAMESPACE, spelling), &listed),
            (spelled(annotation::SHARING_PERMIT_DIFFERENT_PODS, spelling), &permitted.to_string()),
        ]);
        let ports_written: Vec<_> = ports.iter().map(|port| json!({"port": port})).collect();
        object.spec = serde_json::from_value(json!({"externalTrafficPolicy": "Local", "ports": ports_written})).ok();
        let sharing = read(&object).sharing.unwrap();
        prop_assert_eq!(Some(sharing.key), SharingKey::new(&key));
        let expected = if namespaces.is_empty() { Namespaces::Own } else { Namespaces::Listed(namespaces) };
        prop_assert_eq!(sharing.namespaces, expected);
        let different = if permitted { DifferentPods::Permitted } else { DifferentPods::Refused };
        prop_assert_eq!(sharing.traffic, Traffic::Local { pods: Labels::new(), different });
        prop_assert!(sharing.ports.iter().map(|port| port.number).eq(ports));
    }

    #[test]
    fn every_block_of_a_pool_is_in_force_or_told(
        blocks in list((text(), text(), text()).prop_map(|(cidr, start, stop)| json!({"cidr": cidr, "start": start, "stop": stop}))),
        reserved in list(text()), selector in written_selector(), priority in field(any::<i32>()), disabled in any::<bool>(),
    ) {
        let spec = without_nulls(json!({
            "blocks": blocks, "reserved": reserved, "serviceSelector": selector, "priority": priority, "disabled": disabled,
        }));
        let Ok(object) = serde_json::from_value::<CiliumLoadBalancerIPPool>(pool_of(&spec)) else { return Ok(()) };
        let read = super::pool::pool(&object);
        let written = object.spec.blocks.len() + object.spec.reserved.len() + usize::from(read.selector.is_err());
        prop_assert_eq!(read.blocks.len() + read.reserved.len() + read.problems.len(), written);
        for problem in &read.problems {
            prop_assert!(problem.contains(": failed to "), "{problem}");
        }
        for block in &read.blocks {
            let (first, last) = block.range.ends();
            prop_assert!(first <= last && Family::of(first) == Family::of(last));
        }
    }

    #[test]
    fn a_block_comes_back_as_the_range_written(first in any::<u32>(), length in 0..1_000u32, form in 0..3u8) {
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        let (first, last) = match form {
            0 => (first & !0xff, first | 0xff),
            1 => (first, first.saturating_add(length)),
            _ => (first, first),
        };
        let (start, stop) = (address(first), address(last));
        let (block, reserved) = match form {
            0 => (json!({"cidr": format!("{start}/24")}), format!("{start}/24")),
            1 => (json!({"start": start, "stop": stop}), format!("{start} - {stop}")),
            _ => (json!({"start": start}), start.to_string()),
        };
        let object = pool_of(&json!({"blocks": [block], "reserved": [reserved]}));
        let read = super::pool::pool(&serde_json::from_value(object).unwrap());
        prop_assert_eq!(read.problems, Vec::<String>::new());
        prop_assert_eq!(read.blocks[0].range.ends(), (start, stop));
        prop_assert_eq!(read.reserved[0].ends(), (start, stop));
    }

    #[test]
    fn a_selector_matches_as_written_or_names_what_is_wrong(written in written_selector(), labels in labels()) {
        let Ok(written) = serde_json::from_value::<LabelSelector>(written) else { return Ok(()) };
        match super::selector(Some(&written)) {
            Ok(selector) => prop_assert_eq!(selector.matches(&labels), is_meant(&written, &labels)),
            Err(error) => {
                let error = error.to_string();
                let keys = written.match_labels.keys().chain(written.match_expressions.iter().map(|one| &one.key));
                prop_assert!(error.starts_with("failed to read the requirement on "), "{error}");
                prop_assert!(keys.into_iter().any(|key| error.contains(key.as_str())), "{error}");
            }
        }
    }

    #[test]
    fn a_policy_is_read_or_each_part_says_why_not(
        interfaces in list(text()), nodes in written_selector(), services in written_selector(), external in any::<bool>(),
    ) {
        let spec = without_nulls(json!({
            "interfaces": interfaces, "nodeSelector": nodes, "serviceSelector": services, "externalIPs": external,
        }));
        let object = json!({"apiVersion": "cilium.io/v2alpha1", "kind": "CiliumL2AnnouncementPolicy", "metadata": {"name": "p"}, "spec": spec});
        let Ok(object) = serde_json::from_value::<CiliumL2AnnouncementPolicy>(object) else { return Ok(()) };
        let read = super::policy::policy(&object);
        let errors = [read.nodes.err().map(|error| error.to_string()), read.interfaces.err().map(|error| error.to_string()), read.services.err().map(|error| error.to_string())];
        prop_assert_eq!(read.policy.is_none(), errors.iter().any(Option::is_some));
        prop_assert!(errors.iter().flatten().all(|error| error.starts_with("failed to ")));
    }
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[ab]", "[xy]", 0..3)
}

fn written_selector() -> impl Strategy<Value = Value> {
    let key = || prop_oneof![4 => "[ab]".prop_map(String::from), 1 => near()];
    let value = || prop_oneof![6 => "[xy]".prop_map(String::from), 1 => near()];
    let operators = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist", "in"]);
    let expression = (key(), operators, prop::collection::vec(value(), 0..3))
        .prop_map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values}));
    let labels = prop::collection::btree_map(key(), value(), 0..2);
    let expressions = prop::collection::vec(expression, 0..3);
    (labels, expressions)
        .prop_map(|(labels, expressions)| json!({"matchLabels": labels, "matchExpressions": expressions}))
}

/// What Kubernetes says a selector means.
fn is_meant(written: &LabelSelector, labels: &Labels) -> bool {
    let by_label = written
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    by_label
        && written.match_expressions.iter().all(|one| {
            let value = labels.get(&one.key);
            let listed = value.is_some_and(|value| one.values.contains(value));
            match one.operator {
                Operator::In => listed,
                Operator::NotIn => !listed,
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
}

fn spelled(annotation: ServiceAnnotation, spelling: usize) -> &'static str {
    annotation
        .alias
        .filter(|_| spelling == 1)
        .unwrap_or(annotation.name)
}

fn annotated(annotations: &[(&str, &str)]) -> Service {
    let mut object = Service::default();
    let annotations = annotations
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    object.metadata.annotations = Some(annotations.collect());
    object
}

fn pool_of(spec: &Value) -> Value {
    json!({"apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": "p"}, "spec": spec})
}

/// The API server drops a null where the schema does not allow one.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name, without_nulls(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        Value::Array(items) => items
            .into_iter()
            .filter(|item| !item.is_null())
            .map(without_nulls)
            .collect(),
        other => other,
    }
}

/// Eight times as much to read costs about eight times as much; were it read pair by pair, it would be 64 times.
#[test]
fn reading_costs_what_there_is_to_read() {
    let names = |count: usize| (0..count).map(|number| format!("x{number}")).collect::<Vec<_>>();
    let many = |count: usize| {
        let list = names(count).join(",");
        let mut object = annotated(&[
            (annotation::IPS.name, &list),
            (annotation::SHARING_KEY.name, "key"),
            (annotation::SHARING_CROSS_NAMESPACE.name, &list),
        ]);
        let ingress: Vec<_> = names(count)
            .iter()
            .map(|name| json!({"hostname": name, "ip": "10.0.0.1"}))
            .collect();
        object.status = serde_json::from_value(json!({"loadBalancer": {"ingress": ingress}})).ok();
        object
    };
    let services = [4_000, 32_000].map(many);
    grows_with_what_is_read("a service", services, |object| drop(read(object)));

    let pools = [128, 1_024].map(|count| {
        let blocks: Vec<_> = names(count).iter().map(|name| json!({"cidr": name})).collect();
        let spec = json!({"blocks": blocks, "reserved": names(count)});
        serde_json::from_value::<CiliumLoadBalancerIPPool>(pool_of(&spec)).unwrap()
    });
    grows_with_what_is_read("a pool", pools, |object| drop(super::pool::pool(object)));

    let selectors = [4_000, 32_000].map(|count| {
        let expression = json!({"key": "a", "operator": "In", "values": names(count)});
        let labels: BTreeMap<_, _> = names(count).into_iter().map(|name| (name, "v")).collect();
        let written = json!({"matchLabels": labels, "matchExpressions": [expression]});
        serde_json::from_value::<LabelSelector>(written).unwrap()
    });
    grows_with_what_is_read("a selector", selectors, |object| {
        assert!(super::selector(Some(object)).is_ok());
    });
}

/// Of this thread: whatever else the machine does takes none of it.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn grows_with_what_is_read<T>(what: &str, [few, many]: [T; 2], read: impl Fn(&T)) {
    let least = |object: &T| {
        let once = || {
            let start = processor_time();
            read(object);
            processor_time().saturating_sub(start)
        };
        (0..9).map(|_| once()).min().unwrap_or(Duration::MAX)
    };
    let ratio = least(&many).as_secs_f64() / least(&few).as_secs_f64();
    assert!(ratio < 32.0, "{what}: {ratio:.1} times for eight times as much");
}
