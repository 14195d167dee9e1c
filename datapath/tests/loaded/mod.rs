//! The compiled program with maps of its own, and the native decision on tables that hold the same.

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, PerCpuArray, PerCpuValues},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use lightship_abi::{
    arp, echo,
    kind::{self, Glance, Kind, Ping},
    layout::{InterfaceValue, ResponderV4Key, ResponderV6Key},
    liveness::Gate,
    mac::MacAddress,
    names::{
        ANSWER_ECHO, ECHO_BUCKETS, INGRESS_PROGRAM, INTERFACES, LIVENESS, MAX_LIVENESS, OUTCOMES,
        RESPONDER_V4, RESPONDER_V6,
    },
    ndp::{self, BLOCK_LEN},
    outcome::Outcome,
    verdict::{self, Arrival, Leave, Tables, Verdict},
};

use crate::sandbox;

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

/// The program with maps of its own, pinned nowhere.
pub(crate) struct Responder {
    ebpf: Ebpf,
}

/// What a frame came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Result {
    pub(crate) code: u32,
    pub(crate) frame: Vec<u8>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) responses_sent: u64,
}

impl Responder {
    pub(crate) fn load() -> Self {
        Self::load_with(MAX_AGE_NS)
    }

    pub(crate) fn load_with(max_age_ns: u64) -> Self {
        sandbox::require_root();
        let mut ebpf = EbpfLoader::new()
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
        let mut responder = Self { ebpf };
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
        responder.beat(sandbox::monotonic_ns());
        responder
    }

    fn enter(&mut self, ip: [u8; 4], ifindex: u32) {
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
        let sent = map
            .get(&ResponderV4Key::new(VIP, LOOPBACK).to_bytes(), 0)
            .expect("an entry");
        let map: HashMap<_, [u8; 24], u64> = self
            .ebpf
            .map(RESPONDER_V6)
            .expect("a map")
            .try_into()
            .expect("a hash");
        sent + map
            .get(&ResponderV6Key::new(VIP6, LOOPBACK).to_bytes(), 0)
            .expect("an entry")
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

    /// Nanoseconds a run takes, on average.
    pub(crate) fn time(&self, frame: &[u8], runs: u32) -> u64 {
        let program: &SchedClassifier = self
            .ebpf
            .program(INGRESS_PROGRAM)
            .expect("the program")
            .try_into()
            .expect("a classifier");
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: runs,
            ..TestRunOptions::default()
        };
        let ran = program.test_run(options).expect("a test run");
        u64::try_from(ran.duration.as_nanos()).expect("short")
    }

    pub(crate) fn run(&self, frame: &[u8]) -> Result {
        let (counted, sent) = (self.outcomes(), self.responses_sent());
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
        Result {
            code: ran.return_value,
            frame: out,
            outcome: changed.first().copied(),
            responses_sent: self.responses_sent() - sent,
        }
    }
}

/// The tables of [`Responder::load`], natively.
struct Native;

impl Tables for Native {
    type Entry = u64;

    fn entry_v4(&self, key: &ResponderV4Key) -> Option<u64> {
        (*key == ResponderV4Key::new(VIP, LOOPBACK)).then_some(1)
    }

    fn entry_v6(&self, key: &ResponderV6Key) -> Option<u64> {
        (*key == ResponderV6Key::new(VIP6, LOOPBACK)).then_some(1)
    }

    fn interface(&self, ifindex: u32) -> Option<MacAddress> {
        (ifindex == LOOPBACK).then_some(OURS)
    }

    fn gate(&self) -> Gate {
        Gate::Open
    }

    fn leave_to_echo(&self) -> Leave {
        Leave::Granted
    }
}

struct Rest<'a>(&'a [u8]);

impl ndp::Options for Rest<'_> {
    fn block(&self, at: usize) -> Option<[u8; BLOCK_LEN]> {
        self.0.get(at..at + BLOCK_LEN)?.try_into().ok()
    }
}

/// What the library makes of a frame.
pub(crate) fn native(frame: &[u8]) -> Result {
    let arrival = Arrival {
        ifindex: LOOPBACK,
        length: frame.len(),
    };
    let ethertype = u16::from_be_bytes([frame[12], frame[13]]);
    let glance = || Glance::new(Glance::AT.map(|at| frame.get(at).copied().unwrap_or(0)));
    let judged = match kind::of(ethertype, Ping::Answered, glance) {
        Kind::Other => None,
        Kind::Arp => Some(in_place::<{ arp::FRAME_LEN }, _>(frame, |head| {
            Some(verdict::arp::decide(head, LOOPBACK, &Native))
        })),
        Kind::Solicitation => Some(solicitation(frame, arrival)),
        Kind::EchoV4 => Some(in_place::<{ echo::V4_LEN }, _>(frame, |head| {
            verdict::echo::decide_v4(head, arrival, &Native)
        })),
        Kind::EchoV6 => Some(in_place::<{ echo::V6_LEN }, _>(frame, |head| {
            verdict::echo::decide_v6(head, arrival, &Native)
        })),
    };
    judged.unwrap_or_else(|| untouched(frame, None))
}

fn untouched(frame: &[u8], outcome: Option<Outcome>) -> Result {
    Result {
        code: NEXT,
        frame: frame.to_vec(),
        outcome,
        responses_sent: 0,
    }
}

fn solicitation(frame: &[u8], arrival: Arrival) -> Result {
    let Some(head) = frame.first_chunk::<{ ndp::HEAD_LEN }>() else {
        return untouched(frame, Some(Outcome::PassedShort));
    };
    let mut reply = [0; ndp::FRAME_LEN];
    reply[..ndp::HEAD_LEN].copy_from_slice(head);
    match verdict::ndp::decide(&mut reply, arrival, &Rest(frame), &Native) {
        Verdict::Answer(counted) => Result {
            code: REDIRECT,
            frame: reply.to_vec(),
            outcome: Some(Outcome::Answered),
            responses_sent: counted,
        },
        Verdict::Pass(outcome) | Verdict::Drop(outcome) => untouched(frame, Some(outcome)),
    }
}

trait Counted {
    fn counted(self) -> (Outcome, u64);
}

impl Counted for u64 {
    fn counted(self) -> (Outcome, u64) {
        (Outcome::Answered, self)
    }
}

impl Counted for () {
    fn counted(self) -> (Outcome, u64) {
        (Outcome::AnsweredEcho, 0)
    }
}

fn in_place<const N: usize, C: Counted>(
    frame: &[u8],
    decide: impl FnOnce(&mut [u8; N]) -> Option<Verdict<C>>,
) -> Result {
    let Some((head, rest)) = frame.split_first_chunk::<N>() else {
        let is_arp = frame[12..14] == [8, 6];
        return untouched(frame, is_arp.then_some(Outcome::PassedShort));
    };
    let mut head = *head;
    match decide(&mut head) {
        None => untouched(frame, None),
        Some(Verdict::Answer(entry)) => {
            let (outcome, responses_sent) = entry.counted();
            Result {
                code: REDIRECT,
                frame: [&head[..], rest].concat(),
                outcome: Some(outcome),
                responses_sent,
            }
        }
        Some(Verdict::Pass(outcome) | Verdict::Drop(outcome)) => untouched(frame, Some(outcome)),
    }
}
