//! What keeps an address from being answered.

use crate::journey::j4::{Case, Repair};

/// In the order of the journey.
pub(super) const ANNOUNCEMENTS: &[Case] = &[
    Case {
        name: "no_policy",
        title: "There is no policy",
        broken: "kubectl delete l2announcement --all\n",
        cause: "there is no CiliumL2AnnouncementPolicy",
        repair: Repair::Typed(&[
            r#"echo '{"apiVersion":"cilium.io/v2alpha1","kind":"CiliumL2AnnouncementPolicy","metadata":{"name":"first-policy"},"spec":{"loadBalancerIPs":true}}' | kubectl apply -f -"#,
        ]),
    },
    Case {
        name: "policy_flags",
        title: "The policy asks for nothing: both flags are off",
        broken: "kubectl patch l2announcement mdhlabs-policy --type=merge -p '{\"spec\":{\"loadBalancerIPs\":false,\"externalIPs\":false}}'\n",
        cause: "policy mdhlabs-policy does not announce it",
        repair: Repair::Typed(&[
            r#"kubectl patch ciliuml2announcementpolicies mdhlabs-policy --type=merge -p '{"spec":{"loadBalancerIPs":true}}'"#,
        ]),
    },
    Case {
        name: "policy_selector",
        title: "No policy selects the service",
        broken: "kubectl patch l2announcement mdhlabs-policy --type=merge -p '{\"spec\":{\"serviceSelector\":{\"matchLabels\":{\"color\":\"blue\"}}}}'\n",
        cause: "its serviceSelector wants color=blue",
        repair: Repair::Typed(&["kubectl -n prod label service cdtrackerapi-service --overwrite color=blue"]),
    },
    Case {
        name: "bad_regex",
        title: "An interface's regular expression cannot be read",
        broken: "kubectl patch l2announcement mdhlabs-policy --type=merge -p '{\"spec\":{\"interfaces\":[\"eth[\"]}}'\n",
        cause: "policy mdhlabs-policy is not in force: interfaces",
        repair: Repair::Edited(
            "kubectl edit ciliuml2announcementpolicies mdhlabs-policy",
            "s/- eth\\[/- ^eth0$/",
        ),
    },
    Case {
        name: "bad_selector",
        title: "A selector cannot be read",
        broken: "kubectl patch l2announcement mdhlabs-policy --type=merge -p '{\"spec\":{\"nodeSelector\":{\"matchExpressions\":[{\"key\":\"rack\",\"operator\":\"NotIn\"}]}}}'\n",
        cause: "policy mdhlabs-policy is not in force: nodeSelector",
        repair: Repair::Edited(
            "kubectl edit ciliuml2announcementpolicies mdhlabs-policy",
            "s/operator: NotIn/operator: DoesNotExist/",
        ),
    },
    Case {
        name: "no_node",
        title: "No node matches the policy",
        broken: "kubectl patch l2announcement mdhlabs-policy --type=merge -p '{\"spec\":{\"nodeSelector\":{\"matchLabels\":{\"rack\":\"1\"}}}}'\n",
        cause: "the nodeSelector wants rack=1",
        repair: Repair::Typed(&["kubectl label node node-1 --overwrite rack=1"]),
    },
    Case {
        name: "no_interface",
        title: "No interface matches the policy",
        broken: "kubectl patch l2announcement mdhlabs-policy --type=merge -p '{\"spec\":{\"interfaces\":[\"^wlan\"]}}'\n",
        cause: "none of its interfaces matches ^wlan",
        repair: Repair::Edited(
            "kubectl edit ciliuml2announcementpolicies mdhlabs-policy",
            "s/- ^wlan/- ^eth0$/",
        ),
    },
    Case {
        name: "interface_down",
        title: "The interface is down",
        broken: concat!(
            "kubectl patch l2announcement mdhlabs-policy --type=merge -p ",
            "'{\"spec\":{\"interfaces\":[\"^eth0$\"],\"nodeSelector\":{\"matchLabels\":{\"kubernetes.io/hostname\":\"node-1\"}}}}'\n"
        ),
        cause: "eth0 is down or has no carrier",
        repair: Repair::OnNode("ip link set eth0 up"),
    },
    Case {
        name: "agent_silent",
        title: "The agent of the only eligible node does not run",
        broken: "kubectl patch l2announcement mdhlabs-policy --type=merge -p '{\"spec\":{\"nodeSelector\":{\"matchLabels\":{\"kubernetes.io/hostname\":\"node-1\"}}}}'\n",
        cause: "the agent on node-1 has not been heard of",
        repair: Repair::Agent,
    },
    Case {
        name: "agent_never",
        title: "No agent has ever run on an eligible node",
        broken: "kubectl patch l2announcement mdhlabs-policy --type=merge -p '{\"spec\":{\"nodeSelector\":{\"matchLabels\":{\"kubernetes.io/hostname\":\"node-1\"}}}}'\n",
        cause: "no Lightship agent has reported from it",
        repair: Repair::Agent,
    },
];
