//! The IPv6 addresses and group memberships of interfaces, as the kernel tells of them in `/proc/net`: read often, and
//! needing neither privileges nor a conversation.

use std::{fs, io, net::Ipv6Addr};

use crate::entry::{Group, InterfaceIndex};

/// An address assigned to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) address: Ipv6Addr,
    pub(crate) interface: InterfaceIndex,
    state: u8,
}

/// `IFA_F_DADFAILED` and `IFA_F_TENTATIVE`: not an address that may be written from.
const UNUSABLE: u8 = 0x08 | 0x40;

/// A thread's own view: threads may live in different network namespaces. A kernel without IPv6 has no such file.
fn read(name: &str) -> io::Result<String> {
    match fs::read_to_string(format!("/proc/thread-self/net/{name}")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// The addresses of all interfaces.
pub(crate) fn addresses() -> io::Result<Vec<Assigned>> {
    Ok(read("if_inet6")?.lines().filter_map(assigned).collect())
}

/// The groups that interfaces are members of, for whatever reason.
pub(crate) fn memberships() -> io::Result<Vec<Group>> {
    Ok(read("igmp6")?.lines().filter_map(membership).collect())
}

/// The link-local address that an interface writes from, if it has one.
pub(crate) fn link_local(addresses: &[Assigned], interface: InterfaceIndex) -> Option<Ipv6Addr> {
    addresses
        .iter()
        .find(|one| {
            one.interface == interface && one.address.is_unicast_link_local() && one.state & UNUSABLE == 0
        })
        .map(|one| one.address)
}

/// Address, index, prefix length, scope, flags, name: all but the name hexadecimal.
fn assigned(line: &str) -> Option<Assigned> {
    let mut fields = line.split_whitespace();
    let address = address(fields.next()?)?;
    let interface = InterfaceIndex(u32::from_str_radix(fields.next()?, 16).ok()?);
    let state = u8::from_str_radix(fields.nth(2)?, 16).ok()?;
    Some(Assigned {
        address,
        interface,
        state,
    })
}

/// Index in decimal, name, group, and more.
fn membership(line: &str) -> Option<Group> {
    let mut fields = line.split_whitespace();
    let interface = InterfaceIndex(fields.next()?.parse().ok()?);
    Some(Group {
        address: address(fields.nth(1)?)?,
        interface,
    })
}

fn address(hexadecimal: &str) -> Option<Ipv6Addr> {
    u128::from_str_radix(hexadecimal, 16)
        .ok()
        .map(Ipv6Addr::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_text() {
        let line = "fe8000000000000038ce9bfffe8f0703 0a 40 20 80     near";
        let usable = assigned(line).expect("an address");
        assert_eq!(usable.address.to_string(), "fe80::38ce:9bff:fe8f:703");
        let near = InterfaceIndex(10);
        assert_eq!(link_local(&[usable], near), Some(usable.address));
        assert_eq!(link_local(&[usable], InterfaceIndex(11)), None);
        let tentative = assigned(&line.replace(" 80 ", " c0 ")).expect("an address");
        assert_eq!(link_local(&[tentative], near), None);
        assert_eq!(assigned("nonsense"), None);
    }

    #[test]
    fn memberships_are_read_from_text() {
        let line = "4    near            ff0200000000000000000001ff000001     2 00000004 0";
        let group = membership(line).expect("a membership");
        assert_eq!(group.to_string(), "ff02::1:ff00:1 on interface 4");
    }
}
