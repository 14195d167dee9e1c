//! The names under which the kernel, `bpftool` and other programs find our objects. Each is written here only.

/// The responder's IPv4 addresses: Cilium's name and layout, so that guides written for Cilium apply.
pub const RESPONDER_V4: &str = "cilium_l2_responder_v4";

/// The responder's IPv6 addresses, likewise.
pub const RESPONDER_V6: &str = "cilium_l2_responder_v6";

/// Where Cilium pins its maps, below the mount point of bpffs.
pub const SHARED_PIN_DIRECTORY: &str = "tc/globals";

/// Where our own maps and links are pinned, below the mount point of bpffs.
pub const OWN_PIN_DIRECTORY: &str = "lightship";

/// The agent's last sign of life.
pub const LIVENESS: &str = "lightship_liveness";

/// The interfaces that may answer, with the hardware address each answers with.
pub const INTERFACES: &str = "lightship_interfaces";

/// How many frames ended in which outcome.
pub const OUTCOMES: &str = "lightship_outcomes";

/// What is left of each processor's allowance of echo replies.
pub const ECHO_BUCKETS: &str = "lightship_echo_buckets";

/// Read-only data of the program, set when it is loaded: whether echo requests are answered (1) or passed (0).
pub const ANSWER_ECHO: &str = "LIGHTSHIP_ANSWER_ECHO";

/// Read-only data of the program, set when it is loaded: the age in nanoseconds past which the agent counts as dead.
pub const MAX_LIVENESS: &str = "LIGHTSHIP_MAX_LIVENESS_NS";

/// The program at TCX ingress. The kernel keeps 15 bytes of it: `lightship_ingre`.
pub const INGRESS_PROGRAM: &str = "lightship_ingress";

/// Begins the name of a pinned link; the interface index follows (bpffs refuses the dots an interface name may have).
pub const INGRESS_LINK_PREFIX: &str = "ingress_";

/// Begins the name under which the program of a clsact filter is pinned; the interface index follows.
pub const INGRESS_FILTER_PREFIX: &str = "filter_";
