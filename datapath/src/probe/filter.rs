//! What the kernel lets through to a socket that hears answers: ARP replies and neighbour advertisements that are
//! addressed to this host on Ethernet.

use libc::sock_filter;
use lightship_abi::{arp, ipv6, ndp};

// Linux's `bpf_common.h` and `filter.h`.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// `SKF_AD_OFF + SKF_AD_PKTTYPE`: to whom the frame is addressed.
const ADDRESSEE: u32 = 0xffff_f000 + 4;
/// `PACKET_HOST`: to this host alone.
const HOST: u32 = 0;

const fn step(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Goes on after so many further steps, whether what was loaded is `k` or not.
const fn if_equal(k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter {
        code: JUMP_EQUAL,
        jt: yes,
        jf: no,
        k,
    }
}

/// The program.
pub(super) static ANSWERS: [sock_filter; 13] = [
    step(LOAD_HALF, 12),
    if_equal(arp::ETHERTYPE as u32, 0, 2),
    step(LOAD_HALF, 20),
    if_equal(2, 5, 7),
    if_equal(ipv6::ETHERTYPE as u32, 0, 6),
    step(LOAD_BYTE, 20),
    if_equal(ipv6::ICMPV6 as u32, 0, 4),
    step(LOAD_BYTE, 54),
    if_equal(ndp::ADVERTISEMENT as u32, 0, 2),
    step(LOAD_WORD, ADDRESSEE),
    if_equal(HOST, 1, 0),
    step(RETURN, 0),
    step(RETURN, super::SNAP_LEN),
];
