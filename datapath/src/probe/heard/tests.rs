//! What is heard is what the book says, of the frames that the fuzzer found (`hack/fuzz` looks for more) and of others.

use std::{fs, path::Path};

use lightship_abi::order::Order;

use super::{
    book::{mended, told},
    *,
};

const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/answers")
}

/// Sound answers of every kind.
fn sound() -> Vec<(&'static str, Vec<u8>)> {
    let mut reply = arp::probe(OURS, [10, 0, 10, 0], Some(Signal::Probe(7)), OURS);
    reply[21] = 2;
    reply[28..32].copy_from_slice(&[10, 0, 10, 9]);
    let mut plain = reply;
    plain[42..].fill(0);
    let mut claim = reply;
    let order = Order { epoch: 9, rank: 0 };
    claim[42..58].copy_from_slice(&Signal::Claim(order).to_bytes());
    let address = [0x20, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd, 0xef];
    let advertisement = ndp::unsolicited(OURS, address, [9; 16], order, OURS);
    vec![
        ("reply-to-probe", reply.to_vec()),
        ("reply", plain.to_vec()),
        ("reply-unpadded", plain[..42].to_vec()),
        ("reply-claim", claim.to_vec()),
        ("advertisement-claim", advertisement.to_vec()),
    ]
}

fn check(frame: &[u8]) {
    let heard = read(InterfaceIndex(7), frame, 5);
    let read = heard.map(|heard| {
        assert_eq!((heard.interface, heard.at_ns), (InterfaceIndex(7), 5));
        (heard.from.0, heard.address, heard.number)
    });
    assert_eq!(read, told(frame), "{frame:x?}");
}

#[test]
fn every_frame_of_the_corpus_is_heard_by_the_book() {
    let mut replayed = 0;
    for entry in fs::read_dir(corpus()).expect("the corpus is part of the source") {
        check(&fs::read(entry.expect("an entry").path()).expect("a frame"));
        replayed += 1;
    }
    assert!(replayed >= sound().len(), "{replayed} frames");
}

#[test]
fn cut_and_damaged_answers_are_heard_by_the_book() {
    for (name, frame) in sound() {
        assert!(told(&frame).is_some(), "{name}");
        for length in 0..=frame.len() {
            check(&frame[..length]);
        }
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[at] ^= 1 << bit;
                check(&damaged);
                if let Some(mended) = mended(&damaged) {
                    check(&mended);
                }
            }
        }
    }
}

/// Writes the frames the fuzzer starts from: `cargo test -p lightship-datapath --lib heard -- --ignored`.
#[test]
#[ignore = "writes files"]
fn write_the_seeds() {
    for (name, frame) in sound() {
        fs::write(corpus().join(name), frame).expect("written");
    }
}
