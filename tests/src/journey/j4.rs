//! J4.4: everything that commonly goes wrong, broken on purpose, and repaired by what `lightship why` says alone.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{
    client::arping::arping,
    command::Outcome,
    eventually,
    lab::{Lab, host::CONTROL_PLANE, unit::Action},
    objects, snapshot,
};

/// The service of this journey.
pub const SERVICE: &str = "cdtrackerapi-service";
/// Its namespace.
pub const NAMESPACE: &str = "prod";
/// Where the agent runs that some of the cases stop.
pub const NODE: &str = "node-1";

/// Long against a heartbeat that expires and a leader's lease.
const SOON: Duration = Duration::from_mins(1);

/// How somebody who does as told mends it. Every command has to stand in what the tool says, word by word.
#[derive(Debug, Clone, Copy)]
pub enum Repair {
    /// Commands typed as they stand there.
    Typed(&'static [&'static str]),
    /// A command that opens an editor, and what is done there, as sed would.
    Edited(&'static str, &'static str),
    /// A command that writes a file, what is changed in the file, and the command that uses it.
    Rewritten([&'static str; 3]),
    /// A command for a node.
    OnNode(&'static str),
    /// The agent is started, as is advised.
    Agent,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of its snapshot.
    pub name: &'static str,
    /// The heading in `docs/troubleshoot.md`.
    pub title: &'static str,
    /// What a new user does; `sh` runs it on a machine with kubectl.
    pub broken: &'static str,
    /// Words of the cause that is told.
    pub cause: &'static str,
    /// What mends it.
    pub repair: Repair,
}

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

/// All of them, in the order of the journey.
pub const CASES: &[Case] = &[
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

/// Brings the journey's service to where its address answers, whatever was there before.
pub fn whole(lab: &Lab) -> Result<()> {
    sh(
        lab,
        "kubectl -n prod delete service --all\nkubectl -n default delete service older --ignore-not-found\n\
         kubectl delete ippools --all\nkubectl delete l2announcement --all\nkubectl label nodes --all rack-\n\
         kubectl apply -f $SAMPLES/pool.yaml -f $SAMPLES/policy.yaml -f $SAMPLES/service.yaml\n\
         kubectl apply -f - <<'END'\n\
         {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: cdtrackerapi-service-lab, namespace: prod,\n\
         labels: {kubernetes.io/service-name: cdtrackerapi-service}}, addressType: IPv4, ports: [{port: 8080}],\n\
         endpoints: [{addresses: [10.0.1.100], nodeName: control-plane, conditions: {ready: true}}]}\nEND\n",
    )?;
    answered(lab)
}

/// Does what a new user does, sees that nobody answers and what is told about it, and does as told until the address answers.
pub fn play(lab: &Lab, case: &Case) -> Result<()> {
    sh(lab, case.broken)?;
    match case.name {
        "interface_down" => lab.exec(NODE, &["ip", "link", "set", "eth0", "down"]).map(drop)?,
        "agent_silent" => lab.agent(Action::Kill, NODE)?,
        "agent_never" => {
            lab.agent(Action::Kill, NODE)?;
            sh(
                lab,
                "kubectl -n kube-system delete lease lightship-agent-node-1\n",
            )?;
        }
        _ => {}
    }
    let told = eventually(&format!("why to tell of {}", case.title), SOON, || {
        let outcome = why(lab)?;
        let shown = outcome.stdout.clone() + &outcome.stderr;
        ensure!(outcome.code == 3, "exit code {}: {shown}", outcome.code);
        ensure!(shown.contains(case.cause), "{shown}");
        snapshot::check(&format!("j4/{}", case.name), &snapshot::screen(TYPED, &outcome))?;
        Ok(shown)
    })?;
    eventually("silence", SOON, || {
        let Some(address) = objects::ingress(lab, "prod/cdtrackerapi-service")?.pop() else {
            return Ok(());
        };
        let answers = arping(lab, &address, 1)?;
        ensure!(
            answers.received == 0,
            "somebody answers for {address}: {answers:?}"
        );
        Ok(())
    })?;
    repair(lab, case.repair, &told)?;
    answered(lab)
}

/// The command that a person types.
pub const TYPED: &str = "lightship why -n prod cdtrackerapi-service";

fn why(lab: &Lab) -> Result<Outcome> {
    lab.try_exec(CONTROL_PLANE, &TYPED.split(' ').collect::<Vec<_>>())
}

fn repair(lab: &Lab, repair: Repair, told: &str) -> Result<()> {
    let advised = |command: &str| {
        ensure!(
            told.contains(command),
            "nobody said `{command}`; what was told is\n{told}"
        );
        Ok(())
    };
    match repair {
        Repair::Typed(commands) => {
            for command in commands {
                advised(command)?;
                sh(lab, command)?;
            }
        }
        Repair::Edited(command, change) => {
            advised(command)?;
            sh(
                lab,
                &format!("export KUBE_EDITOR=\"sed -i -e '{change}'\"\n{command}\n"),
            )?;
        }
        Repair::Rewritten([write, change, read]) => {
            advised(write)?;
            advised(read)?;
            sh(
                lab,
                &format!(
                    "cd \"$(mktemp -d)\"\n{write}\nsed -i -e '{change}' *.yaml\n{read}\nrm -r \"$PWD\"\n"
                ),
            )?;
        }
        Repair::OnNode(command) => {
            advised(&format!("on {NODE}: {command}"))?;
            lab.exec(NODE, &command.split(' ').collect::<Vec<_>>())?;
        }
        Repair::Agent => {
            advised("agent")?;
            lab.agent(Action::Start, NODE)?;
        }
    }
    Ok(())
}

/// Waits until the address that the service shows is answered and nothing is wrong with it.
fn answered(lab: &Lab) -> Result<()> {
    eventually("an answer", SOON, || {
        let outcome = why(lab)?;
        ensure!(outcome.code == 0, "{}{}", outcome.stdout, outcome.stderr);
        let shown = objects::ingress(lab, "prod/cdtrackerapi-service")?;
        let address = shown.first().map(String::as_str).unwrap_or_default();
        let answers = arping(lab, address, 1)?;
        ensure!(
            answers.received == 1,
            "{address}: {answers:?}; {}",
            outcome.stdout
        );
        Ok(())
    })
}

/// Commands as they are typed on a machine with kubectl.
fn sh(lab: &Lab, script: &str) -> Result<String> {
    let samples = crate::binaries::source().join("manifests/samples/j4");
    let tool = lab.tool(CONTROL_PLANE, &["sh", "-ec", script])?;
    tool.env("SAMPLES", samples).run()
}
