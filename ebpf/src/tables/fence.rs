//! What is known of each entry's binding, and the claims that entries yielded to.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::{Array, HashMap},
    macros::btf_map,
};
use lightship_abi::{
    fence::{HoldValue, Tombstone},
    layout::{DEFAULT_CAPACITY, ResponderV4Key, ResponderV6Key, ResponderValue},
    yielded,
};

use super::{cilium_l2_responder_v4, cilium_l2_responder_v6, copy};

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_holds_v4: HashMap<
    ResponderV4Key,
    HoldValue,
    { DEFAULT_CAPACITY as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_holds_v6: HashMap<
    ResponderV6Key,
    HoldValue,
    { DEFAULT_CAPACITY as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_tombstones_v4: HashMap<
    ResponderV4Key,
    Tombstone,
    { DEFAULT_CAPACITY as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_tombstones_v6: HashMap<
    ResponderV6Key,
    Tombstone,
    { DEFAULT_CAPACITY as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_yielded_v4: Array<u64, { yielded::SLOTS as usize }> = Array::new();

/// As [`lightship_abi::verdict::Tables::hold_v4`].
#[inline(always)]
pub(super) fn hold_v4(key: &ResponderV4Key) -> HoldValue {
    lightship_holds_v4.get_ptr(key).map_or(HoldValue::UNKNOWN, copy)
}

/// As [`lightship_abi::verdict::Tables::hold_v6`].
#[inline(always)]
pub(super) fn hold_v6(key: &ResponderV6Key) -> HoldValue {
    lightship_holds_v6.get_ptr(key).map_or(HoldValue::UNKNOWN, copy)
}

/// As [`lightship_abi::verdict::Tables::tombstone_v4`].
#[inline(always)]
pub(super) fn tombstone_v4(key: &ResponderV4Key) -> Tombstone {
    if !may_have_yielded(key) {
        return Tombstone::NONE;
    }
    lightship_tombstones_v4.get_ptr(key).map_or(Tombstone::NONE, copy)
}

/// As [`lightship_abi::verdict::Tables::tombstone_v6`].
#[inline(always)]
pub(super) fn tombstone_v6(key: &ResponderV6Key) -> Tombstone {
    lightship_tombstones_v6.get_ptr(key).map_or(Tombstone::NONE, copy)
}

/// Whether an IPv4 entry may have a tombstone.
#[inline(always)]
fn may_have_yielded(key: &ResponderV4Key) -> bool {
    let slot = |slot| lightship_yielded_v4.get_ptr(slot).map_or(0, copy);
    slot(yielded::STATE) != yielded::IN_STEP || slot(yielded::slot(key.ip4.to_ne_bytes())) != 0
}

/// Leaves a tombstone, and raises the flag only then: who brings the flags in step meanwhile finds the one or leaves the
/// other.
#[inline(always)]
pub(crate) fn leave_v4(key: &ResponderV4Key, tombstone: &Tombstone) {
    leave(&lightship_tombstones_v4, &cilium_l2_responder_v4, key, tombstone);
    if let Some(flag) = lightship_yielded_v4.get_ptr_mut(yielded::slot(key.ip4.to_ne_bytes())) {
        // SAFETY: the pointer came from the map and is valid while the program runs; every writer writes the same.
        unsafe { flag.write_volatile(yielded::UP) };
    }
}

/// As [`leave_v4`]; these have no flags.
#[inline(always)]
pub(crate) fn leave_v6(key: &ResponderV6Key, tombstone: &Tombstone) {
    leave(&lightship_tombstones_v6, &cilium_l2_responder_v6, key, tombstone);
}

type ByEntry<K, V> = HashMap<K, V, { DEFAULT_CAPACITY as usize }, { BPF_F_NO_PREALLOC as usize }>;

/// Leaves a tombstone. Without a place for it nor memory to make one, the entry itself goes: better silent than two.
#[inline(always)]
fn leave<K>(
    tombstones: &ByEntry<K, Tombstone>,
    entries: &ByEntry<K, ResponderValue>,
    key: &K,
    tombstone: &Tombstone,
) {
    if let Some(place) = tombstones.get_ptr_mut(key) {
        // SAFETY: the pointer came from the map and is valid while the program runs.
        unsafe { place.write_volatile(*tombstone) };
    } else if tombstones.insert(key, tombstone, 0).is_err() {
        // Gone already is as good.
        let _ = entries.remove(key);
    }
}
