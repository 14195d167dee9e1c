//! Every step of every journey by name, each in this one place, and where the scenarios that walk them are written.

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Such as `J3.5`.
    pub name: &'static str,
    /// What a person does and sees.
    pub what: &'static str,
}

/// One journey.
#[derive(Debug, Clone, Copy)]
pub struct Journey {
    /// Such as `J3`.
    pub name: &'static str,
    /// Whose it is.
    pub what: &'static str,
    /// Its steps in order.
    pub steps: &'static [Step],
    /// The sources of its scenarios: results of a run count for as long as these stay as they were.
    pub sources: &'static [&'static str],
}

const fn step(name: &'static str, what: &'static str) -> Step {
    Step { name, what }
}

/// All of them.
pub const JOURNEYS: &[Journey] = &[
    Journey {
        name: "J0",
        what: "an ingress address from nothing",
        steps: &[
            step("J0.1", "a service without an address is pending"),
            step(
                "J0.2",
                "a pool gives it its first address, and all of `kubectl get` and `describe` tells so",
            ),
            step("J0.3", "nobody answers for it yet, and an event says why"),
            step("J0.4", "a policy: gratuitous ARP, answers, the page"),
            step("J0.5", "the lease names the holder"),
            step("J0.6", "`bpftool` shows the entry and counts its answers"),
            step("J0.7", "without agent or entry the responder is silent"),
        ],
        sources: &[
            include_str!("j0.rs"),
            include_str!("j0_way.rs"),
            include_str!("observed.rs"),
            include_str!("../../tests/j0.rs"),
        ],
    },
    Journey {
        name: "J1",
        what: "several segments, IPv6, Gateway API",
        steps: &[
            step(
                "J1.1",
                "one address of each family for the service with the label; the other is told which label it lacks",
            ),
            step(
                "J1.2",
                "a label on a Gateway is enough for the service generated for it, which serves its page",
            ),
            step(
                "J1.3",
                "`arping`, `ndisc6`, `ip neigh` and `tcpdump` show the holder's MAC address",
            ),
            step(
                "J1.4",
                "the node loses its power: the client's neighbour table and `curl` follow by themselves",
            ),
            step("J1.5", "two segments work independently in one cluster"),
        ],
        sources: &[
            include_str!("j1.rs"),
            include_str!("j1_segments.rs"),
            include_str!("typed.rs"),
            include_str!("../../tests/j1.rs"),
        ],
    },
    Journey {
        name: "J2",
        what: "a homelab coming from MetalLB",
        steps: &[
            step(
                "J2.1",
                "one node, pool and policy with a namespace, `enp0s25` or no interface named",
            ),
            step(
                "J2.2",
                "requested and shared addresses: DNS on TCP and UDP, the web port joins, a clash does not",
            ),
            step(
                "J2.3",
                "`lightship import metallb`: every service keeps its address",
            ),
            step(
                "J2.4",
                "sixty services: no request throttled, none for renewing any of them",
            ),
        ],
        sources: &[
            include_str!("j2.rs"),
            include_str!("typed.rs"),
            include_str!("../../tests/j2.rs"),
            include_str!("../../tests/cli_import.rs"),
        ],
    },
    Journey {
        name: "J3",
        what: "external IPs and a node that dies",
        steps: &[
            step(
                "J3.1",
                "an external IP outside the nodes' subnet, answered on `net0` alone once the label is blue",
            ),
            step(
                "J3.2",
                "a second one that has the label from the start, and its lease",
            ),
            step(
                "J3.3",
                "a pool in the oldest form; a service gets an address by its label",
            ),
            step("J3.4", "`lightship config view` shows the timings"),
            step(
                "J3.5",
                "the holder dies while `arping` runs: another answers, the lease shows the move",
            ),
        ],
        sources: &[
            include_str!("j3.rs"),
            include_str!("typed.rs"),
            include_str!("../../tests/j3.rs"),
        ],
    },
    Journey {
        name: "J4",
        what: "labels, leases, troubleshooting",
        steps: &[
            step(
                "J4.1",
                "the label of a Gateway counts for its service, in pools and policies",
            ),
            step("J4.2", "the address answers ping"),
            step(
                "J4.3",
                "`kubectl describe lease` and `lightship config view` tell holder and timings",
            ),
            step(
                "J4.4",
                "each thing that commonly goes wrong is told by `lightship why` and mended by what it says",
            ),
        ],
        sources: &[
            include_str!("j4/mod.rs"),
            include_str!("j4/cases/pools.rs"),
            include_str!("j4/cases/requests.rs"),
            include_str!("j4/cases/announcements.rs"),
            include_str!("j4_lease.rs"),
            include_str!("typed.rs"),
            include_str!("../../tests/j4.rs"),
            include_str!("../../tests/gateway.rs"),
        ],
    },
];

/// The journey that has a step of this name.
#[must_use]
pub fn journey_of(step: &str) -> Option<&'static Journey> {
    JOURNEYS
        .iter()
        .find(|journey| journey.steps.iter().any(|one| one.name == step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_in_order() {
        for journey in JOURNEYS {
            for (step, number) in journey.steps.iter().zip(1..) {
                assert_eq!(step.name, format!("{}.{number}", journey.name));
            }
        }
    }
}
