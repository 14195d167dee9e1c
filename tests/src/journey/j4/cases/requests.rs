//! What a service asks for and cannot have.

use crate::journey::j4::{Case, Repair};

/// A second service, and what is asked for of the first.
macro_rules! beside {
    ($namespace:literal, $annotations:literal, $spec:literal, $($first:tt)*) => {
        concat!(
            "kubectl -n prod delete service cdtrackerapi-service\nkubectl apply -f - <<'END'\n",
            "{apiVersion: v1, kind: Service, metadata: {name: older, namespace: ",
            $namespace,
            ", labels: {mdhlabs-arp: enable}, annotations: {lbipam.cilium.io/ips: 10.0.20.15, ",
            $annotations,
            "}}, spec: {type: LoadBalancer, selector: {app: older}, ",
            $spec,
            "}}\nEND\nuntil kubectl -n ",
            $namespace,
            " get service older | grep -q 10.0.20.15; do sleep 0.1; done\n",
            $($first)*,
            "\n"
        )
    };
}

/// The first service, as it asks for the second's address.
macro_rules! asking {
    ($annotations:literal, $spec:literal) => {
        concat!(
            "kubectl apply -f - <<'END'\n",
            "{apiVersion: v1, kind: Service, metadata: {name: cdtrackerapi-service, namespace: prod, ",
            "labels: {mdhlabs-arp: enable}, annotations: {lbipam.cilium.io/ips: 10.0.20.15, ",
            $annotations,
            "}}, spec: {type: LoadBalancer, ",
            $spec,
            "}}\nEND"
        )
    };
}

/// In the order of the journey.
pub(super) const REQUESTS: &[Case] = &[
    Case {
        name: "address_taken",
        title: "The address that is asked for is another service's",
        broken: beside!(
            "prod",
            "note: none",
            "ports: [{port: 81}]",
            asking!("note: none", "ports: [{port: 80, targetPort: 8080}]")
        ),
        cause: "10.0.20.15 cannot be given: service prod/older has it",
        repair: Repair::Typed(&[
            "kubectl -n prod annotate service cdtrackerapi-service lbipam.cilium.io/ips-",
        ]),
    },
    Case {
        name: "sharing_key",
        title: "Sharing is refused: the keys differ",
        broken: beside!(
            "prod",
            "lbipam.cilium.io/sharing-key: web",
            "ports: [{port: 81}]",
            asking!(
                "lbipam.cilium.io/sharing-key: api",
                "ports: [{port: 80, targetPort: 8080}]"
            )
        ),
        cause: "10.0.20.15 cannot be given: service prod/older has it",
        repair: Repair::Typed(&[
            "kubectl -n prod annotate service cdtrackerapi-service --overwrite lbipam.cilium.io/sharing-key=web && kubectl -n prod annotate service older --overwrite lbipam.cilium.io/sharing-key=web",
        ]),
    },
    Case {
        name: "sharing_namespace",
        title: "Sharing is refused: the namespaces differ",
        broken: beside!(
            "default",
            "lbipam.cilium.io/sharing-key: web",
            "ports: [{port: 81}]",
            asking!(
                "lbipam.cilium.io/sharing-key: web",
                "ports: [{port: 80, targetPort: 8080}]"
            )
        ),
        cause: "not each of the two lists the namespace of the other",
        repair: Repair::Typed(&[
            "kubectl -n prod annotate service cdtrackerapi-service --overwrite lbipam.cilium.io/sharing-cross-namespace=default && kubectl -n default annotate service older --overwrite lbipam.cilium.io/sharing-cross-namespace=prod",
        ]),
    },
    Case {
        name: "sharing_port",
        title: "Sharing is refused: both use the same port",
        broken: beside!(
            "prod",
            "lbipam.cilium.io/sharing-key: web",
            "ports: [{port: 80}]",
            asking!(
                "lbipam.cilium.io/sharing-key: web",
                "ports: [{port: 80, targetPort: 8080}]"
            )
        ),
        cause: "both use port 80",
        repair: Repair::Edited(
            "kubectl -n prod edit service cdtrackerapi-service",
            "s/port: 80$/port: 8080/",
        ),
    },
    Case {
        name: "sharing_traffic_policy",
        title: "Sharing is refused: the traffic policies differ",
        broken: beside!(
            "prod",
            "lbipam.cilium.io/sharing-key: web",
            "externalTrafficPolicy: Local, ports: [{port: 81}]",
            asking!(
                "lbipam.cilium.io/sharing-key: web",
                "ports: [{port: 80, targetPort: 8080}]"
            )
        ),
        cause: "their externalTrafficPolicy differs",
        repair: Repair::Typed(&[
            r#"kubectl -n prod patch service cdtrackerapi-service --type=merge -p '{"spec":{"externalTrafficPolicy":"Cluster"}}' && kubectl -n prod patch service older --type=merge -p '{"spec":{"externalTrafficPolicy":"Cluster"}}'"#,
        ]),
    },
    Case {
        name: "foreign_class",
        title: "The service belongs to another controller's class",
        broken: concat!(
            "kubectl -n prod delete service cdtrackerapi-service\nkubectl apply -f - <<'END'\n",
            "{apiVersion: v1, kind: Service, metadata: {name: cdtrackerapi-service, namespace: prod, labels: {mdhlabs-arp: enable}},\n",
            "spec: {type: LoadBalancer, loadBalancerClass: metallb.io/l2, ports: [{port: 80, targetPort: 8080}]}}\nEND\n"
        ),
        cause: "loadBalancerClass metallb.io/l2 says that another controller serves it",
        repair: Repair::Rewritten([
            "kubectl -n prod get service cdtrackerapi-service -o yaml >cdtrackerapi-service.yaml",
            "/loadBalancerClass/d",
            "kubectl replace --force -f cdtrackerapi-service.yaml",
        ]),
    },
];
