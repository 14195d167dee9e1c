//! Reasons of the events on services, pools, policies and nodes. One event per change, written after the change.

/// Service: a pool gave it an address.
pub const ADDRESS_ASSIGNED: &str = "AddressAssigned";
/// Service: an address was taken back; the message says why.
pub const ADDRESS_RELEASED: &str = "AddressReleased";
/// Service: it lacks an address it asks for; the message says why.
pub const REQUEST_UNSATISFIED: &str = "RequestUnsatisfied";
/// Service: somebody else put an address into its status, which is left.
pub const FOREIGN_ADDRESS: &str = "ForeignAddress";
/// Service: a node answers for its addresses.
pub const ANNOUNCED: &str = "Announced";
/// Service: nobody answers for its addresses; the message says what is missing.
pub const NOT_ANNOUNCED: &str = "NotAnnounced";
/// Service: no node answers for it any more, because nothing asks for it.
pub const WITHDRAWN: &str = "Withdrawn";
/// Service: another node answers for its addresses now; the message says why.
pub const MOVED: &str = "Moved";
/// Service: another station on the network says that it has the address.
pub const ADDRESS_CONFLICT: &str = "AddressConflict";
/// Service: a former holder fell silent because another node claimed the address.
pub const FENCED: &str = "Fenced";
/// Service: a former holder goes on answering because the new one does not.
pub const LINGERS: &str = "Lingers";
/// Service: the node that holds its address cannot be made to answer; the message says why.
pub const NOT_ANSWERED: &str = "NotAnswered";
/// Service: a standby took over from a silent holder.
pub const CLAIMED: &str = "Claimed";

/// Pool: it is in use, with so many addresses.
pub const POOL_READY: &str = "PoolReady";
/// Pool: it overlaps another and gives nothing new.
pub const POOL_CONFLICT: &str = "PoolConflict";
/// Pool: it overlaps no other any more.
pub const POOL_CONFLICT_RESOLVED: &str = "PoolConflictResolved";
/// Pool: a part of it cannot be used.
pub const BAD_BLOCK: &str = "BadBlock";

/// Policy: something is announced because of it.
pub const ANNOUNCING: &str = "Announcing";
/// Policy: nothing is announced because of it; the message says what is missing.
pub const NOT_ANNOUNCING: &str = "NotAnnouncing";
/// Policy: its node selector cannot be evaluated.
pub const BAD_NODE_SELECTOR: &str = "BadNodeSelector";
/// Policy: an interface expression does not compile.
pub const BAD_INTERFACE_REGEX: &str = "BadInterfaceRegex";
/// Policy: its service selector cannot be evaluated.
pub const BAD_SERVICE_SELECTOR: &str = "BadServiceSelector";

/// Node: it reports a hardware address that another node reported first.
pub const FOREIGN_HARDWARE_ADDRESS: &str = "ForeignHardwareAddress";

/// Definition: another stands in its place, so nothing is given or taken and no status of the kind is written.
pub const DEFINITION_REPLACED: &str = "DefinitionReplaced";
/// Definition: ours is in place again.
pub const DEFINITION_RESTORED: &str = "DefinitionRestored";
