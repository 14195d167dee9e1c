//! Frames that nobody sends who means well, about addresses that nodes answer for.

use std::net::IpAddr;

use lightship_abi::{mac::MacAddress, order::Order, signal::Signal};

use super::frames;

/// Numbers that follow from a seed.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap_or_default() % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }

    fn station(&mut self) -> MacAddress {
        MacAddress([6, self.byte(), self.byte(), self.byte(), self.byte(), self.byte()])
    }
}

/// A bad frame about one of the addresses, to everybody or to `holder`: nobody's that is known.
#[must_use]
pub fn frame(random: &mut Random, addresses: &[IpAddr], holder: MacAddress) -> Vec<u8> {
    let address = addresses[random.below(addresses.len())];
    let from = random.station();
    let number = random.below(16_000);
    let mut frame = frames::question(from, address, u32::try_from(number).unwrap_or_default());
    match random.below(8) {
        0 => claim(random, &mut frame, address),
        1 => advertise(&mut frame, address),
        2 => frame = ping(random, address, holder, from),
        4 => swell(random, &mut frame, address),
        3 => {
            frame[12..14].copy_from_slice(&[[8, 6], [8, 0], [0x86, 0xdd]][random.below(3)]);
            frame[14..].fill_with(|| random.byte());
        }
        _ => {}
    }
    if random.below(2) == 0 {
        frame[..6].copy_from_slice(&holder.0);
    }
    for _ in 0..random.below(4) {
        let at = 12 + random.below(frame.len() - 12);
        frame[at] = random.byte();
    }
    match random.below(4) {
        0 => frame.truncate(14 + random.below(frame.len() - 14)),
        1 => frame.resize(1_514.min(frame.len() + random.below(1_300)), random.byte()),
        _ => {}
    }
    frame
}

/// An ARP request that says to be sent by `from`, which has `address`, by a binding if one is named.
#[must_use]
pub fn spoofed(from: MacAddress, address: IpAddr, order: Option<Order>) -> Vec<u8> {
    let mut frame = frames::question(from, address, 0);
    if let IpAddr::V4(address) = address {
        frame[28..32].copy_from_slice(&address.octets());
    }
    if let Some(order) = order {
        frame[42..58].copy_from_slice(&Signal::Claim(order).to_bytes());
    }
    frame
}

/// Over IPv4: says to have the address itself, sometimes by a binding that would beat any, were it a member's.
fn claim(random: &mut Random, frame: &mut [u8], address: IpAddr) {
    let IpAddr::V4(address) = address else { return };
    frame[28..32].copy_from_slice(&address.octets());
    if random.below(2) == 0 {
        let order = Order {
            epoch: u32::MAX,
            rank: 0,
        };
        frame[42..58].copy_from_slice(&Signal::Claim(order).to_bytes());
    }
}

/// Over IPv6: the question as an advertisement, its checksum as wrong as that makes it.
fn advertise(frame: &mut [u8], address: IpAddr) {
    if address.is_ipv6() {
        frame[54] = 136;
        frame[78] = 2;
    }
}

/// Over IPv6: options of no length, of any length, of lengths beyond the end, and a great many of them; sometimes all is in order.
fn swell(random: &mut Random, frame: &mut Vec<u8>, address: IpAddr) {
    if address.is_ipv4() {
        return;
    }
    frame.truncate(78);
    for _ in 0..random.below(150) {
        let units = [0, 1, 1, 1, 2, 255][random.below(6)];
        let kind = [1, 1, 2, 14, 253, random.byte()][random.below(6)];
        let length = usize::from(units).clamp(1, 3) * 8;
        if frame.len() + length > 1_400 {
            break;
        }
        frame.extend([kind, units]);
        frame.extend((2..length).map(|_| random.byte()));
    }
    frames::seal(frame);
}

/// An echo request whose lengths and checksums are anything.
fn ping(random: &mut Random, address: IpAddr, to: MacAddress, from: MacAddress) -> Vec<u8> {
    let rest: Vec<u8> = (0..32).map(|_| random.byte()).collect();
    match address {
        IpAddr::V4(address) => {
            let header = [
                0x45,
                0,
                random.byte() & 1,
                random.byte(),
                0,
                0,
                random.byte(),
                0,
                64,
                1,
                0,
                0,
                10,
                0,
                1,
                77,
            ];
            [
                &to.0[..],
                &from.0,
                &[8, 0],
                &header,
                &address.octets(),
                &[8, 0],
                &rest,
            ]
            .concat()
        }
        IpAddr::V6(address) => {
            let header = [0x60, 0, 0, 0, random.byte() & 1, random.byte(), 58, random.byte()];
            let source = [0x20, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77];
            [
                &to.0[..],
                &from.0,
                &[0x86, 0xdd],
                &header,
                &source,
                &address.octets(),
                &[128, 0],
                &rest,
            ]
            .concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solicitations_swell_to_what_a_segment_carries() {
        let address = "2004::a:0".parse().unwrap();
        let mut random = Random::of(7);
        let lengths: Vec<usize> = (0..200)
            .map(|number| {
                let mut frame = frames::question(MacAddress([6; 6]), address, number);
                swell(&mut random, &mut frame, address);
                frame.len()
            })
            .collect();
        assert!(lengths.iter().any(|length| *length > 1_300) && lengths.iter().any(|length| *length < 200));
    }

    #[test]
    fn frames_follow_from_the_seed_and_are_of_every_length() {
        let addresses = [IpAddr::from([10, 0, 10, 0]), "2004::a:0".parse().unwrap()];
        let make = |seed| {
            let mut random = Random::of(seed);
            let all = (0..2_000).map(|_| frame(&mut random, &addresses, MacAddress([2; 6])));
            all.collect::<Vec<_>>()
        };
        let all = make(7);
        assert_eq!(all, make(7));
        assert!(all.iter().any(|frame| frame.len() < 42) && all.iter().any(|frame| frame.len() > 1_000));
        assert!(all.iter().all(|frame| frame.len() >= 14 && frame.len() <= 1_514));
        assert!(
            all.iter().all(|frame| frame[6] == 6),
            "no member's station is counterfeited"
        );
    }
}
