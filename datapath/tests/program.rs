//! The compiled program against the native decision: the same frames, by `BPF_PROG_TEST_RUN`, byte for byte.
#![expect(clippy::expect_used, reason = "a test's own tools may fail loudly")]

mod sandbox;

use std::cell::RefCell;

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, PerCpuArray},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use lightship_abi::{
    arp::FRAME_LEN,
    layout::{InterfaceValue, ResponderV4Key},
    liveness::Gate,
    mac::MacAddress,
    names::{INGRESS_PROGRAM, INTERFACES, LIVENESS, MAX_LIVENESS, OUTCOMES, RESPONDER_V4},
    outcome::Outcome,
    verdict::{Tables, Verdict, decide},
};
use proptest::prelude::*;

/// A test run's frames come in on the loopback device.
const LOOPBACK: u32 = 1;
const VIP: [u8; 4] = [10, 0, 10, 0];
const VIP_ELSEWHERE: [u8; 4] = [10, 0, 10, 1];
const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];
const MAX_AGE_NS: u64 = 3_600_000_000_000;
const NEXT: u32 = u32::MAX;
const REDIRECT: u32 = 7;

/// The program with maps of its own, pinned nowhere.
struct Responder {
    ebpf: Ebpf,
}

/// What a frame came to.
#[derive(Debug, PartialEq)]
struct Result {
    code: u32,
    frame: Vec<u8>,
    outcome: Option<Outcome>,
    responses_sent: u64,
}

impl Responder {
    fn load() -> Self {
        Self::load_with(MAX_AGE_NS)
    }

    fn load_with(max_age_ns: u64) -> Self {
        sandbox::require_root();
        let mut ebpf = EbpfLoader::new()
            .override_global(MAX_LIVENESS, &max_age_ns, true)
            .load(aya::include_bytes_aligned!("../responder.o"))
            .expect("an object");
        let program: &mut SchedClassifier = ebpf
            .program_mut(INGRESS_PROGRAM)
            .expect("the program")
            .try_into()
            .expect("a classifier");
        program.load().expect("a program the verifier accepts");
        let mut responder = Self { ebpf };
        responder.enter(VIP, LOOPBACK);
        responder.enter(VIP_ELSEWHERE, LOOPBACK + 1);
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

    fn beat(&mut self, at_ns: u64) {
        let mut map: Array<_, u64> = self
            .ebpf
            .map_mut(LIVENESS)
            .expect("a map")
            .try_into()
            .expect("an array");
        map.set(0, at_ns, 0).expect("a write");
    }

    fn outcomes(&self) -> Vec<u64> {
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
        map.get(&ResponderV4Key::new(VIP, LOOPBACK).to_bytes(), 0)
            .expect("an entry")
    }

    fn run(&self, frame: &[u8]) -> Result {
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
    type Entry = ();

    fn entry(&self, key: ResponderV4Key) -> Option<()> {
        let entries = [
            ResponderV4Key::new(VIP, LOOPBACK),
            ResponderV4Key::new(VIP_ELSEWHERE, LOOPBACK + 1),
        ];
        entries.contains(&key).then_some(())
    }

    fn interface(&self, ifindex: u32) -> Option<MacAddress> {
        (ifindex == LOOPBACK).then_some(OURS)
    }

    fn gate(&self) -> Gate {
        Gate::Open
    }
}

fn native(frame: &[u8]) -> Result {
    let untouched = |outcome| Result {
        code: NEXT,
        frame: frame.to_vec(),
        outcome,
        responses_sent: 0,
    };
    if frame[12..14] != [8, 6] {
        return untouched(None);
    }
    let Some((head, padding)) = frame.split_first_chunk::<FRAME_LEN>() else {
        return untouched(Some(Outcome::PassedShort));
    };
    let mut head = *head;
    match decide(&mut head, LOOPBACK, &Native) {
        Verdict::Answer(()) => Result {
            code: REDIRECT,
            frame: [&head[..], padding].concat(),
            outcome: Some(Outcome::Answered),
            responses_sent: 1,
        },
        Verdict::Pass(outcome) => untouched(Some(outcome)),
    }
}

fn request(destination: [u8; 6], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let ask = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    [&destination[..], &PEER, &ask, &PEER, &sender, &[0; 6], &target].concat()
}

fn padded(mut frame: Vec<u8>, padding: &[u8]) -> Vec<u8> {
    frame.extend(padding);
    frame
}

#[test]
fn requests_are_answered_byte_for_byte() {
    let responder = Responder::load();
    let broadcast = [0xff; 6];
    let client = [10, 0, 10, 99];
    for frame in [
        request(broadcast, client, VIP),
        request(OURS.0, client, VIP),
        request(broadcast, [0; 4], VIP),
        padded(request(broadcast, client, VIP), &[0; 18]),
        padded(
            request(broadcast, client, VIP),
            b"eighteen bytes yet and a tail that is longer than any padding",
        ),
    ] {
        let result = responder.run(&frame);
        assert_eq!(result.code, REDIRECT);
        assert_eq!(result, native(&frame));
        let reply = [
            &PEER[..],
            &OURS.0,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
            &OURS.0,
            &VIP,
            &PEER,
        ]
        .concat();
        assert_eq!(
            result.frame[..38],
            reply,
            "written out, so that both cannot be wrong alike"
        );
        assert_eq!(result.frame[38..], [&frame[28..32], &frame[42..]].concat());
    }
}

#[test]
fn everything_else_passes_unmodified() {
    let responder = Responder::load();
    let broadcast = [0xff; 6];
    let client = [10, 0, 10, 99];
    let mut reply = request(broadcast, client, VIP);
    reply[21] = 2;
    let mut group_sender = request(broadcast, client, VIP);
    group_sender[22] |= 1;
    let mut ipv4 = request(broadcast, client, VIP);
    ipv4[13] = 0;
    for (frame, outcome) in [
        (reply, Some(Outcome::PassedOperation)),
        (group_sender, Some(Outcome::PassedMalformed)),
        (ipv4, None),
        (
            request([2, 9, 9, 9, 9, 9], client, VIP),
            Some(Outcome::PassedForeignDestination),
        ),
        (
            request(broadcast, client, [10, 0, 10, 7]),
            Some(Outcome::PassedNoEntry),
        ),
        (
            request(broadcast, client, VIP_ELSEWHERE),
            Some(Outcome::PassedNoEntry),
        ),
        (request(broadcast, VIP, VIP), Some(Outcome::PassedClaim)),
        (
            request(broadcast, client, VIP)[..41].to_vec(),
            Some(Outcome::PassedShort),
        ),
        (
            request(broadcast, client, VIP)[..20].to_vec(),
            Some(Outcome::PassedShort),
        ),
    ] {
        let result = responder.run(&frame);
        assert_eq!(
            result,
            Result {
                code: NEXT,
                frame: frame.clone(),
                outcome,
                responses_sent: 0
            }
        );
        assert_eq!(result, native(&frame));
    }
}

#[test]
fn the_gate_is_that_of_the_library() {
    let mut responder = Responder::load();
    let frame = request([0xff; 6], [10, 0, 10, 99], VIP);
    // The machine may be up for less than an hour, so expired beats are made with a small age, not a small beat.
    let mut impatient = Responder::load_with(1);
    let gated = Result {
        code: NEXT,
        frame: frame.clone(),
        outcome: Some(Outcome::Gated),
        responses_sent: 0,
    };
    responder.beat(0);
    assert_eq!(responder.run(&frame), gated, "never");
    responder.beat(sandbox::monotonic_ns() + MAX_AGE_NS);
    assert_eq!(responder.run(&frame), gated, "in the future");
    responder.beat(sandbox::monotonic_ns());
    assert_eq!(responder.run(&frame).code, REDIRECT, "now");
    impatient.beat(sandbox::monotonic_ns() - 1_000_000);
    assert_eq!(impatient.run(&frame), gated, "too long ago");
}

thread_local! {
    /// Loading takes longer than a run, so one program serves all cases of a property.
    static RESPONDER: RefCell<Option<Responder>> = const { RefCell::new(None) };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn kernel_and_library_agree(
        destination in prop_oneof![Just([0xff; 6]), Just(OURS.0), any::<[u8; 6]>()],
        sender in prop_oneof![Just([0; 4]), Just(VIP), any::<[u8; 4]>()],
        target in prop_oneof![3 => Just(VIP), 1 => Just(VIP_ELSEWHERE), 1 => any::<[u8; 4]>()],
        padding in prop::collection::vec(any::<u8>(), 0..80),
        damage in prop::option::weighted(0.5, (0..FRAME_LEN, any::<u8>())),
        cut in prop::option::weighted(0.2, 15..FRAME_LEN),
    ) {
        let mut frame = padded(request(destination, sender, target), &padding);
        if let Some((at, byte)) = damage {
            frame[at] = byte;
        }
        if let Some(length) = cut {
            frame.truncate(length);
        }
        let ran = RESPONDER.with_borrow_mut(|responder| responder.get_or_insert_with(Responder::load).run(&frame));
        prop_assert_eq!(ran, native(&frame));
    }
}
