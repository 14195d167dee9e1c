//! The compiled program with maps of its own, and in `native` the decision on tables that hold the same.
#![allow(dead_code, reason = "each test binary uses a part")]

use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues, RingBuf},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use lightship_abi::{
    fence::{HoldValue, Tombstone},
    layout::{self, InterfaceValue, MemberKey, ResponderV4Key, ResponderV6Key},
    mac::MacAddress,
    names::{
        ANSWER_ECHO, ECHO_BUCKETS, HOLDS_V4, HOLDS_V6, INGRESS_PROGRAM, INTERFACES, LIVENESS, MAX_LIVENESS,
        MEMBERS, OUTCOMES, OUTCOMES_V4, OUTCOMES_V6, RESPONDER_V4, RESPONDER_V6, SUFFIXES_V4, TOMBSTONES_V4,
        TOMBSTONES_V6, WAKEUPS, YIELDED_V4,
    },
    order::Order,
    outcome::{ENTRY_OUTCOMES_LEN, EntryOutcomes, Outcome},
    suffix,
    wakeup::Wakeup,
    yielded,
};

use crate::sandbox;

pub(crate) mod native;
pub(crate) mod telling;

/// A test run's frames come in on the loopback device.
pub(crate) const LOOPBACK: u32 = 1;
pub(crate) const VIP: [u8; 4] = [10, 0, 10, 0];
pub(crate) const VIP_ELSEWHERE: [u8; 4] = [10, 0, 10, 1];
pub(crate) const VIP6: [u8; 16] = [0x20, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef];
pub(crate) const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const MAX_AGE_NS: u64 = 3_600_000_000_000;
pub(crate) const NEXT: u32 = u32::MAX;
pub(crate) const REDIRECT: u32 = 7;
pub(crate) const DROP: u32 = 2;

/// Another member's station, and another interface of this node.
pub(crate) const MEMBER: [u8; 6] = [2, 0, 0, 0, 0, 3];
pub(crate) const SIBLING: [u8; 6] = [2, 0, 0, 0, 0, 4];
/// By which binding the addresses are held.
pub(crate) const ORDER: Order = Order { epoch: 5, rank: 1 };

/// The program with maps of its own, pinned nowhere.
pub(crate) struct Responder {
    ebpf: Ebpf,
    is_counted: bool,
}

/// What a frame came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Result {
    pub(crate) code: u32,
    pub(crate) frame: Vec<u8>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) responses_sent: u64,
}

fn keys() -> ([u8; 8], [u8; 24]) {
    let (v4, v6) = (
        ResponderV4Key::new(VIP, LOOPBACK),
        ResponderV6Key::new(VIP6, LOOPBACK),
    );
    (v4.to_bytes(), v6.to_bytes())
}

impl Responder {
    pub(crate) fn load() -> Self {
        Self::load_with(MAX_AGE_NS)
    }

    pub(crate) fn load_with(max_age_ns: u64) -> Self {
        Self::load_by(max_age_ns, None)
    }

    /// Without places for what becomes of the frames about an address: as with an entry that others made.
    pub(crate) fn load_uncounted() -> Self {
        let mut responder = Self::load();
        let (v4, v6) = keys();
        let of_v4 = responder
            .map::<[u8; 8], [u8; ENTRY_OUTCOMES_LEN]>(OUTCOMES_V4)
            .remove(&v4);
        let of_v6 = responder
            .map::<[u8; 24], [u8; ENTRY_OUTCOMES_LEN]>(OUTCOMES_V6)
            .remove(&v6);
        of_v4.and(of_v6).expect("removals");
        responder.is_counted = false;
        responder
    }

    /// With a place for one tombstone of each family.
    pub(crate) fn load_cramped() -> Self {
        Self::load_by(MAX_AGE_NS, Some(1))
    }

    fn load_by(max_age_ns: u64, places: Option<u32>) -> Self {
        sandbox::require_root();
        let mut loader = EbpfLoader::new();
        if let Some(places) = places {
            loader
                .map_max_entries(TOMBSTONES_V4, places)
                .map_max_entries(TOMBSTONES_V6, places);
        }
        let mut ebpf = loader
            .override_global(MAX_LIVENESS, &max_age_ns, true)
            .override_global(ANSWER_ECHO, &1_u32, true)
            .load(aya::include_bytes_aligned!("../../responder.o"))
            .expect("an object");
        let program: &mut SchedClassifier = ebpf
            .program_mut(INGRESS_PROGRAM)
            .expect("the program")
            .try_into()
            .expect("a classifier");
        sandbox::load(program);
        let mut responder = Self {
            ebpf,
            is_counted: true,
        };
        responder.enter(VIP, LOOPBACK);
        responder.enter(VIP_ELSEWHERE, LOOPBACK + 1);
        let mut addresses: HashMap<_, [u8; 24], u64> = responder
            .ebpf
            .map_mut(RESPONDER_V6)
            .expect("a map")
            .try_into()
            .expect("a hash");
        addresses
            .insert(ResponderV6Key::new(VIP6, LOOPBACK).to_bytes(), 0, 0)
            .expect("an insertion");
        let mut interfaces: HashMap<_, u32, [u8; 8]> = responder
            .ebpf
            .map_mut(INTERFACES)
            .expect("a map")
            .try_into()
            .expect("a hash");
        interfaces
            .insert(LOOPBACK, InterfaceValue::new(OURS).to_bytes(), 0)
            .expect("an insertion");
        let hold = HoldValue {
            order: ORDER,
            confirmed_ns: 0,
        };
        responder.hold(Some(hold));
        for (mac, member) in [(MEMBER, layout::MEMBER), (SIBLING, layout::OWN)] {
            let key = MemberKey::new(MacAddress(mac)).to_bytes();
            responder
                .map::<[u8; 8], u64>(MEMBERS)
                .insert(key, member, 0)
                .expect("an insertion");
        }
        responder.make_counters();
        responder.set_flags(yielded::IN_STEP);
        responder.beat(sandbox::monotonic_ns());
        responder
    }

    pub(crate) fn map<K: Pod, V: Pod>(&mut self, name: &str) -> HashMap<&mut MapData, K, V> {
        self.ebpf
            .map_mut(name)
            .expect("a map")
            .try_into()
            .expect("a hash")
    }

    /// Sets what the program knows of the binding of both addresses.
    pub(crate) fn hold(&mut self, hold: Option<HoldValue>) {
        let (v4, v6) = keys();
        if let Some(hold) = hold {
            self.map::<[u8; 8], [u8; 16]>(HOLDS_V4)
                .insert(v4, hold.to_bytes(), 0)
                .expect("an insertion");
            self.map::<[u8; 24], [u8; 16]>(HOLDS_V6)
                .insert(v6, hold.to_bytes(), 0)
                .expect("an insertion");
        } else {
            self.map::<[u8; 8], [u8; 16]>(HOLDS_V4)
                .remove(&v4)
                .expect("a removal");
            self.map::<[u8; 24], [u8; 16]>(HOLDS_V6)
                .remove(&v6)
                .expect("a removal");
        }
    }

    /// The tombstones of both addresses.
    pub(crate) fn tombstones(&mut self) -> [Option<Tombstone>; 2] {
        let (v4, v6) = keys();
        let v4 = self.map::<[u8; 8], [u8; 24]>(TOMBSTONES_V4).get(&v4, 0).ok();
        let v6 = self.map::<[u8; 24], [u8; 24]>(TOMBSTONES_V6).get(&v6, 0).ok();
        [v4, v6].map(|value| Tombstone::from_bytes(&value?))
    }

    /// Makes places for the tombstones of both addresses, empty ones.
    pub(crate) fn make_places(&mut self) {
        self.leave(Tombstone::NONE);
    }

    /// Leaves a tombstone for both addresses.
    pub(crate) fn leave(&mut self, tombstone: Tombstone) {
        let ((v4, v6), value) = (keys(), tombstone.to_bytes());
        self.map::<[u8; 8], [u8; 24]>(TOMBSTONES_V4)
            .insert(v4, value, 0)
            .expect("an insertion");
        self.map::<[u8; 24], [u8; 24]>(TOMBSTONES_V6)
            .insert(v6, value, 0)
            .expect("an insertion");
    }

    /// Says whether the flags of what yielded are in step with the tombstones.
    pub(crate) fn set_flags(&mut self, state: u64) {
        let map = self.ebpf.map_mut(YIELDED_V4).expect("a map");
        let mut flags: Array<_, u64> = map.try_into().expect("an array");
        flags.set(yielded::STATE, state, 0).expect("a write");
    }

    /// Takes what the program told.
    pub(crate) fn wakeups(&mut self) -> Vec<Wakeup> {
        let mut ring = RingBuf::try_from(self.ebpf.map_mut(WAKEUPS).expect("a map")).expect("a ring");
        let mut records = Vec::new();
        while let Some(record) = ring.next() {
            records.push(Wakeup::from_bytes(record.first_chunk().expect("a whole record")));
        }
        records
    }

    /// Makes places for what becomes of the frames about both addresses.
    pub(crate) fn make_counters(&mut self) {
        let (v4, v6) = keys();
        self.map::<[u8; 8], [u8; ENTRY_OUTCOMES_LEN]>(OUTCOMES_V4)
            .insert(v4, [0; ENTRY_OUTCOMES_LEN], 0)
            .expect("an insertion");
        self.map::<[u8; 24], [u8; ENTRY_OUTCOMES_LEN]>(OUTCOMES_V6)
            .insert(v6, [0; ENTRY_OUTCOMES_LEN], 0)
            .expect("an insertion");
    }

    /// What became of the frames about the address of each family.
    pub(crate) fn counted(&self) -> [Vec<u64>; 2] {
        let (v4, v6) = keys();
        let frames = |value: [u8; ENTRY_OUTCOMES_LEN]| {
            Outcome::ALL
                .map(|outcome| EntryOutcomes::frames_in(&value, outcome))
                .to_vec()
        };
        let map = |name| self.ebpf.map(name).expect("a map");
        let of_v4: HashMap<_, [u8; 8], _> = map(OUTCOMES_V4).try_into().expect("a hash");
        let of_v6: HashMap<_, [u8; 24], _> = map(OUTCOMES_V6).try_into().expect("a hash");
        [
            of_v4.get(&v4, 0).map_or(Vec::new(), frames),
            of_v6.get(&v6, 0).map_or(Vec::new(), frames),
        ]
    }

    fn enter(&mut self, ip: [u8; 4], ifindex: u32) {
        let (word, bit) = suffix::place(ip);
        let mut suffixes: Array<_, u64> = self
            .ebpf
            .map_mut(SUFFIXES_V4)
            .expect("a map")
            .try_into()
            .expect("an array");
        let before = suffixes.get(&word, 0).expect("a word");
        suffixes.set(word, before | bit, 0).expect("a write");
        let mut map: HashMap<_, [u8; 8], u64> = self
            .ebpf
            .map_mut(RESPONDER_V4)
            .expect("a map")
            .try_into()
            .expect("a hash");
        map.insert(ResponderV4Key::new(ip, ifindex).to_bytes(), 0, 0)
            .expect("an insertion");
    }

    pub(crate) fn beat(&mut self, at_ns: u64) {
        let mut map: Array<_, u64> = self
            .ebpf
            .map_mut(LIVENESS)
            .expect("a map")
            .try_into()
            .expect("an array");
        map.set(0, at_ns, 0).expect("a write");
    }

    pub(crate) fn outcomes(&self) -> Vec<u64> {
        let map: PerCpuArray<_, u64> = self
            .ebpf
            .map(OUTCOMES)
            .expect("a map")
            .try_into()
            .expect("a per-CPU array");
        let sum = |outcome: Outcome| map.get(&outcome.slot(), 0).expect("a read").iter().sum();
        Outcome::ALL.into_iter().map(sum).collect()
    }

    fn responses_sent(&self) -> u64 {
        let map: HashMap<_, [u8; 8], u64> = self
            .ebpf
            .map(RESPONDER_V4)
            .expect("a map")
            .try_into()
            .expect("a hash");
        let sent = map.get(&keys().0, 0).unwrap_or(0);
        let map: HashMap<_, [u8; 24], u64> = self
            .ebpf
            .map(RESPONDER_V6)
            .expect("a map")
            .try_into()
            .expect("a hash");
        sent + map.get(&keys().1, 0).unwrap_or(0)
    }

    /// Fills every processor's allowance of echo replies.
    pub(crate) fn refill(&mut self) {
        let mut map: PerCpuArray<_, u64> = self
            .ebpf
            .map_mut(ECHO_BUCKETS)
            .expect("a map")
            .try_into()
            .expect("a per-CPU array");
        let full = vec![0; aya::util::nr_cpus().expect("a count")];
        map.set(0, PerCpuValues::try_from(full).expect("one each"), 0)
            .expect("a write");
    }

    /// How many instructions the verifier walked before it took the program.
    pub(crate) fn verified_instructions(&self) -> u32 {
        let program: &SchedClassifier = self
            .ebpf
            .program(INGRESS_PROGRAM)
            .expect("the program")
            .try_into()
            .expect("a classifier");
        let info = program.info().expect("its information");
        info.verified_instruction_count().expect("Linux 5.16 or newer")
    }

    pub(crate) fn run(&self, frame: &[u8]) -> Result {
        let (counted, sent, of_entries) = (self.outcomes(), self.responses_sent(), self.counted());
        let mut out = vec![0; frame.len() + 64];
        let program: &SchedClassifier = self
            .ebpf
            .program(INGRESS_PROGRAM)
            .expect("the program")
            .try_into()
            .expect("a classifier");
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ..TestRunOptions::default()
        };
        let ran = program.test_run(options).expect("a test run");
        out.truncate(ran.data_size_out as usize);
        let changed: Vec<_> = Outcome::ALL
            .into_iter()
            .zip(counted.iter().zip(self.outcomes()))
            .filter(|(_, (before, after))| *before != after)
            .map(|(outcome, (before, after))| {
                assert_eq!(before + 1, after, "{outcome:?} counted once");
                outcome
            })
            .collect();
        assert!(changed.len() <= 1, "one outcome per frame: {changed:?}");
        if self.is_counted {
            assert_counted_on_its_entry(changed.first(), &of_entries, &self.counted());
        }
        Result {
            code: ran.return_value,
            frame: out,
            outcome: changed.first().copied(),
            responses_sent: self.responses_sent() - sent,
        }
    }
}

/// A frame about an address of ours is counted on its entry, as the same; other frames on none.
fn assert_counted_on_its_entry(outcome: Option<&Outcome>, before: &[Vec<u64>; 2], after: &[Vec<u64>; 2]) {
    let mut counted = Vec::new();
    for (before, after) in before.iter().zip(after) {
        let news = Outcome::ALL.into_iter().zip(before.iter().zip(after));
        counted.extend(
            news.filter(|(_, (before, after))| before != after)
                .map(|(outcome, (before, after))| (outcome, after - before)),
        );
    }
    match outcome {
        // Its answers the entry counts itself.
        None | Some(Outcome::PassedNoEntry | Outcome::PassedTagged | Outcome::Answered) => {
            assert_eq!(counted, []);
        }
        // Too short to tell, or just long enough.
        Some(Outcome::PassedShort) => assert!(counted.len() <= 1, "{counted:?}"),
        Some(outcome) => assert_eq!(counted, [(*outcome, 1)]),
    }
}
