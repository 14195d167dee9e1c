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

/// How many frames about each IPv4 entry ended in which outcome. User space makes the place when it makes the entry; only
/// the program writes to it.
pub const OUTCOMES_V4: &str = "lightship_outcomes_v4";

/// As [`OUTCOMES_V4`], of each IPv6 entry.
pub const OUTCOMES_V6: &str = "lightship_outcomes_v6";

/// Which last two octets the addresses of IPv4 entries have: see [`crate::suffix`]. Only user space writes it.
pub const SUFFIXES_V4: &str = "lightship_suffixes_v4";

/// Which IPv4 entries may have yielded: see [`crate::yielded`]. The program raises flags; user space brings them in step.
pub const YIELDED_V4: &str = "lightship_yielded_v4";

/// Whose frames somebody wants to see at the moment: see [`crate::trace`].
pub const TRACE: &str = "lightship_trace";

/// The frames that are wanted, each with what became of it.
pub const TRACED: &str = "lightship_traced";

/// What is left of each processor's allowance of echo replies.
pub const ECHO_BUCKETS: &str = "lightship_echo_buckets";

/// What user space knows of the binding of each IPv4 entry. Only user space writes it.
pub const HOLDS_V4: &str = "lightship_holds_v4";

/// As [`HOLDS_V4`], of each IPv6 entry.
pub const HOLDS_V6: &str = "lightship_holds_v6";

/// The claim to which each IPv4 entry yielded last. User space makes the place when it makes the entry, so that the
/// program never needs memory to yield; only the program writes to it.
pub const TOMBSTONES_V4: &str = "lightship_tombstones_v4";

/// As [`TOMBSTONES_V4`], of each IPv6 entry.
pub const TOMBSTONES_V6: &str = "lightship_tombstones_v6";

/// The hardware addresses of members, whose claims count, and of this node's own interfaces.
pub const MEMBERS: &str = "lightship_members";

/// Records of what user space should look at now.
pub const WAKEUPS: &str = "lightship_wakeups";

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
