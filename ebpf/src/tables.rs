//! The maps. Names and layout are `lightship_abi`'s; capacities are set by the loader.

mod fence;

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_RB_AVAIL_DATA},
    btf_maps::{Array, HashMap, PerCpuArray, RingBuf},
    helpers::{bpf_ktime_get_ns, bpf_ringbuf_query},
    macros::btf_map,
};
use lightship_abi::{
    bucket,
    fence::{HoldValue, Tombstone},
    kind::Ping,
    layout::{
        DEFAULT_CAPACITY, ECHO_BUCKET_SLOT, InterfaceValue, LIVENESS_SLOT, MAX_INTERFACES, MAX_MEMBERS,
        MEMBER, MemberKey, OWN, ResponderV4Key, ResponderV6Key, ResponderValue,
    },
    liveness::{self, Gate},
    mac::MacAddress,
    outcome::{EntryOutcomes, OUTCOME_SLOTS},
    suffix,
    trace::{self, Filter, Record},
    verdict::{Leave, Station, Tables},
    wakeup::{CONFLICT_BYTES, RING_BYTES, Wakeup},
};

pub(crate) use fence::{leave_v4, leave_v6};

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's, which is Cilium's")]
static cilium_l2_responder_v4: HashMap<
    ResponderV4Key,
    ResponderValue,
    { DEFAULT_CAPACITY as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's, which is Cilium's")]
static cilium_l2_responder_v6: HashMap<
    ResponderV6Key,
    ResponderValue,
    { DEFAULT_CAPACITY as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_liveness: Array<u64, 1> = Array::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_interfaces: HashMap<
    u32,
    InterfaceValue,
    { MAX_INTERFACES as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_outcomes: PerCpuArray<u64, { OUTCOME_SLOTS as usize }> = PerCpuArray::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_echo_buckets: PerCpuArray<u64, 1> = PerCpuArray::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_members: HashMap<MemberKey, u64, { MAX_MEMBERS as usize }, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_wakeups: RingBuf<Wakeup, { RING_BYTES as usize }> = RingBuf::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_outcomes_v4: HashMap<
    ResponderV4Key,
    EntryOutcomes,
    { DEFAULT_CAPACITY as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_outcomes_v6: HashMap<
    ResponderV6Key,
    EntryOutcomes,
    { DEFAULT_CAPACITY as usize },
    { BPF_F_NO_PREALLOC as usize },
> = HashMap::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_suffixes_v4: Array<u64, { suffix::WORDS as usize }> = Array::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_trace: Array<Filter, 1> = Array::new();

#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_traced: RingBuf<Record, { trace::RING_BYTES as usize }> = RingBuf::new();

/// Pinned nowhere: nothing in it outlives a frame.
#[btf_map]
#[expect(non_upper_case_globals, reason = "the name is the map's")]
static lightship_note: PerCpuArray<Record, 1> = PerCpuArray::new();

/// Set by the loader; 0 passes echo requests on.
// SAFETY: nothing else in this object has the name.
#[unsafe(no_mangle)]
static LIGHTSHIP_ANSWER_ECHO: u32 = 1;

/// Set by the loader; 0 would close the gate at once.
// SAFETY: nothing else in this object has the name.
#[unsafe(no_mangle)]
static LIGHTSHIP_MAX_LIVENESS_NS: u64 = 0;

/// The tables as the kernel keeps them.
pub(crate) struct Kernel;

/// The counter of an entry. The kernel frees an entry only after the program has ended.
pub(crate) struct Counter(pub(crate) *mut ResponderValue);

impl Counter {
    #[inline(always)]
    pub(crate) fn increment(&self) {
        let counter = self.0.cast::<u64>();
        // SAFETY: the pointer came from the map and is valid while the program runs; the value is one aligned u64
        // that every processor changes by atomic additions only.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, 1) };
    }
}

impl Tables for Kernel {
    type Entry = Counter;

    #[inline(always)]
    fn entry_v4(&self, key: &ResponderV4Key) -> Option<Counter> {
        cilium_l2_responder_v4.get_ptr_mut(key).map(Counter)
    }

    #[inline(always)]
    fn entry_v6(&self, key: &ResponderV6Key) -> Option<Counter> {
        cilium_l2_responder_v6.get_ptr_mut(key).map(Counter)
    }

    #[inline(always)]
    fn is_entry_v4(&self, key: &ResponderV4Key) -> bool {
        let (word, bit) = suffix::place(key.ip4.to_ne_bytes());
        // SAFETY: the value is one aligned u64, which user space only ever replaces.
        let bits = lightship_suffixes_v4.get(word).map_or(u64::MAX, |bits| *bits);
        bits & bit != 0 && self.entry_v4(key).is_some()
    }

    #[inline(always)]
    fn interface(&self, ifindex: u32) -> Option<MacAddress> {
        let value = lightship_interfaces.get_ptr(ifindex)?;
        // SAFETY: the pointer came from the map and is valid while the program runs; user space replaces the value
        // as a whole, and a reader that meets the change sees one byte string or, briefly, a mixture, as it would on
        // any device whose address changes.
        Some(MacAddress(unsafe { (*value).mac }))
    }

    #[inline(always)]
    fn gate(&self) -> Gate {
        let Some(beat) = lightship_liveness.get(LIVENESS_SLOT) else {
            return Gate::Closed;
        };
        // SAFETY: reads a static; volatile because the loader changes it after the compiler has seen its value.
        let max_age = unsafe { core::ptr::read_volatile(&raw const LIGHTSHIP_MAX_LIVENESS_NS) };
        // SAFETY: the helper takes nothing and returns a number.
        let now = unsafe { bpf_ktime_get_ns() };
        liveness::gate(*beat, now, max_age)
    }

    #[inline(always)]
    fn hold_v4(&self, key: &ResponderV4Key) -> HoldValue {
        fence::hold_v4(key)
    }

    #[inline(always)]
    fn hold_v6(&self, key: &ResponderV6Key) -> HoldValue {
        fence::hold_v6(key)
    }

    #[inline(always)]
    fn tombstone_v4(&self, key: &ResponderV4Key) -> Tombstone {
        fence::tombstone_v4(key)
    }

    #[inline(always)]
    fn tombstone_v6(&self, key: &ResponderV6Key) -> Tombstone {
        fence::tombstone_v6(key)
    }

    #[inline(always)]
    fn station(&self, mac: MacAddress) -> Station {
        // SAFETY: the value is one aligned u64, which user space only ever replaces.
        match unsafe { lightship_members.get(MemberKey::new(mac)) } {
            Some(&MEMBER) => Station::Member,
            Some(&OWN) => Station::Own,
            _ => Station::Stranger,
        }
    }

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        // SAFETY: the helper takes nothing and returns a number.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn leave_to_echo(&self) -> Leave {
        let Some(bucket) = lightship_echo_buckets.get_ptr_mut(ECHO_BUCKET_SLOT) else {
            return Leave::Refused;
        };
        // SAFETY: the helper takes nothing and returns a number.
        let now = unsafe { bpf_ktime_get_ns() };
        // SAFETY: the slot is this processor's own, valid while the program runs.
        match bucket::take(unsafe { *bucket }, now) {
            Some(after) => {
                // SAFETY: as above; a program of ours that interrupted this one could at worst send one reply more.
                unsafe { *bucket = after };
                Leave::Granted
            }
            None => Leave::Refused,
        }
    }
}

/// A value as it is now. Another processor may be changing it; the next frame then sees it whole.
#[inline(always)]
fn copy<V: Copy>(value: *const V) -> V {
    // SAFETY: the pointer came from a map and is valid while the program runs; every bit pattern is a value.
    unsafe { value.read_volatile() }
}

/// Tells user space; a record that finds no room is lost.
#[inline(always)]
pub(crate) fn wake(record: Wakeup) {
    if let Some(mut room) = lightship_wakeups.reserve(0) {
        room.write(record);
        room.submit(0);
    }
}

/// How many bytes of records user space has not taken yet.
#[inline(always)]
pub(crate) fn waiting_bytes() -> u64 {
    let ring = (&raw const lightship_wakeups).cast_mut().cast();
    // SAFETY: the pointer is that of the map, which the loader puts in its place.
    unsafe { bpf_ringbuf_query(ring, u64::from(BPF_RB_AVAIL_DATA)) }
}

/// Whether conflicts may take more room.
#[inline(always)]
pub(crate) fn has_room_for_conflicts() -> bool {
    waiting_bytes() < CONFLICT_BYTES
}

/// What became of the frames about an entry, if there is a place for it.
#[inline(always)]
pub(crate) fn outcomes_v4(key: &ResponderV4Key) -> Option<*mut EntryOutcomes> {
    lightship_outcomes_v4.get_ptr_mut(key)
}

/// As [`outcomes_v4`].
#[inline(always)]
pub(crate) fn outcomes_v6(key: &ResponderV6Key) -> Option<*mut EntryOutcomes> {
    lightship_outcomes_v6.get_ptr_mut(key)
}

/// The filter of whoever looks on, whether or not anybody does.
#[inline(always)]
pub(crate) fn filter() -> Option<*mut Filter> {
    lightship_trace.get_ptr_mut(trace::SLOT)
}

/// Whether somebody looks on.
#[inline(always)]
pub(crate) fn is_tracing() -> bool {
    let Some(filter) = filter() else {
        return false;
    };
    // SAFETY: the pointer came from the map and is valid while the program runs.
    let until_ns = unsafe { (&raw const (*filter).until_ns).read_volatile() };
    until_ns != 0 && Kernel.now_ns() < until_ns
}

/// Where this processor notes the frame that it judges.
#[inline(always)]
pub(crate) fn note() -> Option<*mut Record> {
    lightship_note.get_ptr_mut(0)
}

/// Shows a record to whoever looks on; whether there was room.
#[inline(always)]
pub(crate) fn show(record: &Record) -> bool {
    lightship_traced.output(record, 0).is_ok()
}

/// Whether echo requests are answered, as the loader set it.
#[inline(always)]
pub(crate) fn ping() -> Ping {
    // SAFETY: reads a static; volatile because the loader changes it after the compiler has seen its value.
    match unsafe { core::ptr::read_volatile(&raw const LIGHTSHIP_ANSWER_ECHO) } {
        0 => Ping::Passed,
        _ => Ping::Answered,
    }
}

/// Counts an outcome on this processor, by its slot.
#[inline(always)]
pub(crate) fn count(slot: u32) {
    if let Some(counter) = lightship_outcomes.get_ptr_mut(slot) {
        // SAFETY: the slot is this processor's own, valid while the program runs; another program of ours that
        // interrupts this one could at worst lose a count.
        unsafe { *counter += 1 };
    }
}
