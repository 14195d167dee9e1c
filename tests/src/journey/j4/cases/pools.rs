//! What is wrong with the pools.

use crate::journey::j4::{Case, Repair};

/// Makes the service anew, so that it has to be given an address.
macro_rules! anew {
    ($meanwhile:literal) => {
        concat!(
            "kubectl -n prod delete service cdtrackerapi-service\n",
            $meanwhile,
            "\nkubectl apply -f $SAMPLES/service.yaml\n"
        )
    };
}

/// In the order of the journey.
pub(super) const POOLS: &[Case] = &[
    Case {
        name: "no_pool",
        title: "There is no pool",
        broken: anew!("kubectl delete ippools --all"),
        cause: "there is no CiliumLoadBalancerIPPool",
        repair: Repair::Typed(&[
            r#"echo '{"apiVersion":"cilium.io/v2","kind":"CiliumLoadBalancerIPPool","metadata":{"name":"first-pool"},"spec":{"blocks":[{"cidr":"10.0.10.0/24"}]}}' | kubectl apply -f -"#,
        ]),
    },
    Case {
        name: "pool_selector",
        title: "No pool selects the service",
        broken: anew!(
            "kubectl patch ippools mdhlabs-pool --type=merge -p '{\"spec\":{\"serviceSelector\":{\"matchLabels\":{\"color\":\"blue\"}}}}'"
        ),
        cause: "its serviceSelector wants color=blue",
        repair: Repair::Typed(&["kubectl -n prod label service cdtrackerapi-service --overwrite color=blue"]),
    },
    Case {
        name: "pool_exhausted",
        title: "The pool is exhausted",
        broken: concat!(
            "kubectl -n prod delete service cdtrackerapi-service\n",
            "kubectl patch ippools mdhlabs-pool --type=merge -p '{\"spec\":{\"blocks\":[{\"start\":\"10.0.20.10\",\"stop\":\"10.0.20.10\"}]}}'\n",
            "kubectl -n prod create service loadbalancer older --tcp=80\n",
            "kubectl -n prod label service older mdhlabs-arp=enable\n",
            "until kubectl -n prod get service older | grep -q 10.0.20.10; do sleep 0.1; done\n",
            "kubectl apply -f $SAMPLES/service.yaml\n"
        ),
        cause: "no free address in pool mdhlabs-pool",
        repair: Repair::Edited(
            "kubectl edit ippools mdhlabs-pool",
            "s/stop: 10.0.20.10/stop: 10.0.20.50/",
        ),
    },
    Case {
        name: "pool_disabled",
        title: "The pool is disabled",
        broken: anew!("kubectl patch ippools mdhlabs-pool --type=merge -p '{\"spec\":{\"disabled\":true}}'"),
        cause: "pool mdhlabs-pool: it is disabled",
        repair: Repair::Typed(&[
            r#"kubectl patch ippools mdhlabs-pool --type=merge -p '{"spec":{"disabled":false}}'"#,
        ]),
    },
    Case {
        name: "pools_in_conflict",
        title: "Two pools are in conflict",
        broken: anew!(
            "kubectl delete ippools mdhlabs-pool\nkubectl apply -f - <<'END'\n\
             {apiVersion: cilium.io/v2, kind: CiliumLoadBalancerIPPool, metadata: {name: lab-pool},\n\
             spec: {blocks: [{cidr: 10.0.20.0/26}], serviceSelector: {matchLabels: {color: blue}}}}\nEND\n\
             kubectl apply -f $SAMPLES/pool.yaml"
        ),
        cause: "it conflicts with another pool",
        repair: Repair::Edited("kubectl edit ippools mdhlabs-pool", "s/10\\.0\\.20\\./10.0.21./"),
    },
    Case {
        name: "bad_block",
        title: "A block of the pool cannot be used",
        broken: anew!(
            "kubectl patch ippools mdhlabs-pool --type=merge -p '{\"spec\":{\"blocks\":[{\"start\":\"2004::9\",\"stop\":\"2004::1\"}]}}'"
        ),
        cause: "part of pool mdhlabs-pool is not used",
        repair: Repair::Edited(
            "kubectl edit ippools mdhlabs-pool",
            "s/2004::9/10.0.20.10/; s/2004::1/10.0.20.50/",
        ),
    },
];
