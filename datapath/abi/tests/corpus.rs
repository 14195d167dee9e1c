//! Replays the frames that the fuzzer found to take different ways (`hack/fuzz` looks for more), without a fuzzer.

mod model;
mod node;
mod wire;

use std::{fs, path::Path};

use model::{Icmp4, Icmp6, advertisement, solicitation};
use node::{OURS, VIP, VIP6};

const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// One sound frame of every kind that is answered or heard.
fn sound() -> Vec<(&'static str, Vec<u8>)> {
    let (vip, client) = (VIP6.into(), [9; 16].into());
    let request = [
        &[0xff; 6][..],
        &PEER,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        &PEER,
        &[10, 0, 10, 99],
        &[0; 6],
        &VIP,
        &[0; 18],
    ];
    let mut gratuitous = request.concat();
    gratuitous[28..32].copy_from_slice(&VIP);
    gratuitous[42..58].copy_from_slice(b"LSHP\x01\0\0\0\0\0\0\x09\0\0\0\0");
    let own = [&[1, 1][..], &PEER].concat();
    let ping = Icmp4 {
        to: OURS.0,
        from: PEER,
        service: 0,
        identification: 5,
        fragment: 0,
        lifetime: 64,
        source: [10, 0, 10, 99].into(),
        destination: VIP.into(),
        kind: 8,
        code: 0,
        body: vec![1; 13],
        padding: vec![0; 9],
    };
    let ping6 = Icmp6 {
        to: OURS.0,
        destination: vip,
        kind: 128,
        body: vec![1; 13],
        ..solicitation(PEER, client, vip, &[])
    };
    let mut told = advertisement((OURS.0, PEER), (vip, client), 0x60, vip);
    told.body.extend([253, 3]);
    told.body.extend(b"LSHP\x01\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\0");
    vec![
        ("arp-request", request.concat()),
        ("arp-claim", gratuitous),
        ("echo", ping.frame()),
        ("echo6", ping6.frame()),
        ("solicitation", solicitation(PEER, client, vip, &own).frame()),
        ("solicitation-bare", solicitation(PEER, client, vip, &[]).frame()),
        (
            "solicitation-dad",
            solicitation(PEER, [0; 16].into(), vip, &[14, 1, 1, 2, 3, 4, 5, 6]).frame(),
        ),
        ("advertisement-claim", told.frame()),
    ]
}

#[test]
fn every_frame_of_the_corpus_is_decided_by_the_book() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/frames");
    let mut replayed = 0;
    for entry in fs::read_dir(&corpus).expect("the corpus is part of the source") {
        let path = entry.expect("an entry").path();
        wire::check(&fs::read(&path).expect("a frame"));
        replayed += 1;
    }
    assert!(
        replayed >= sound().len(),
        "{replayed} frames in {}",
        corpus.display()
    );
}

#[test]
fn cut_and_damaged_frames_are_decided_by_the_book() {
    for (_, frame) in sound() {
        for length in 0..=frame.len() {
            wire::check(&frame[..length]);
        }
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[at] ^= 1 << bit;
                wire::check(&damaged);
            }
        }
    }
}

/// Writes the frames the fuzzer starts from: `cargo test -p lightship-abi --test corpus -- --ignored`.
#[test]
#[ignore = "writes files"]
fn write_the_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/frames");
    for (name, frame) in sound() {
        fs::write(corpus.join(name), frame).expect("written");
    }
}
