//! Announcements: gratuitous ARP and unsolicited neighbour advertisements, from one packet socket that only sends. It
//! names the interface by index in each frame, so the interface needs no address of its own.

use std::{
    io,
    mem::size_of,
    net::IpAddr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use lightship_abi::{arp, ipv6, mac::MacAddress, ndp, order::Order};
use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, sendto, socket},
};

use crate::{
    assigned,
    entry::{Entry, InterfaceIndex},
};

/// Why an announcement was not sent.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// No packet socket.
    #[error("failed to open a packet socket: grant CAP_NET_RAW")]
    Socket(#[source] Errno),
    /// The kernel did not tell the interface's own address.
    #[error("failed to read the addresses to announce {0} from")]
    Source(Entry, #[source] io::Error),
    /// The kernel's form of the interface's address was refused.
    #[error("failed to address {0}")]
    Address(Entry),
    /// The program does not know the interface.
    #[error("failed to announce {0}: the hardware address of the interface is not known")]
    UnknownMac(Entry),
    /// Another node has the address now.
    #[error("failed to announce {0}: it was yielded to {1}")]
    Yielded(Entry, MacAddress),
    /// The kernel does not answer for it: nobody is to be led here.
    #[error("failed to announce {0}: it is not answered here")]
    Unanswered(Entry),
    /// Not sent.
    #[error("failed to announce {0}")]
    Send(Entry, #[source] Errno),
}

#[derive(Debug)]
pub(crate) struct Announcer {
    socket: OwnedFd,
}

impl Announcer {
    pub(crate) fn open() -> Result<Self, AnnounceError> {
        // No protocol: the socket receives nothing.
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .map_err(AnnounceError::Socket)?;
        Ok(Self { socket })
    }

    /// Tells the segment that `mac` has the entry's address, by a binding of this order.
    pub(crate) fn announce(&self, entry: Entry, mac: MacAddress, order: Order) -> Result<(), AnnounceError> {
        let everybody = match entry.address {
            IpAddr::V4(_) => MacAddress::BROADCAST,
            IpAddr::V6(_) => ipv6::stations(ipv6::ALL_NODES),
        };
        self.claim_to(entry, mac, order, everybody)
    }

    /// As [`Self::announce`], to one station or group.
    ///
    /// A neighbour advertisement comes from the interface's link-local address; where it has none yet, or never will
    /// have, from the announced address itself, which is the one address that the interface then answers for.
    pub(crate) fn claim_to(
        &self,
        entry: Entry,
        mac: MacAddress,
        order: Order,
        to: MacAddress,
    ) -> Result<(), AnnounceError> {
        match entry.address {
            IpAddr::V4(address) => {
                let frame = arp::gratuitous(mac, address.octets(), order, to);
                self.send(entry, arp::ETHERTYPE, to, &frame)
            }
            IpAddr::V6(address) => {
                let assigned =
                    assigned::addresses().map_err(|source| AnnounceError::Source(entry, source))?;
                let source = assigned::link_local(&assigned, entry.interface).unwrap_or(address);
                let frame = ndp::unsolicited(mac, address.octets(), source.octets(), order, to);
                self.send(entry, ipv6::ETHERTYPE, to, &frame)
            }
        }
    }

    fn send(&self, entry: Entry, ethertype: u16, to: MacAddress, frame: &[u8]) -> Result<(), AnnounceError> {
        let address = link_address(entry.interface, ethertype, to).ok_or(AnnounceError::Address(entry))?;
        sendto(self.socket.as_raw_fd(), frame, &address, MsgFlags::MSG_DONTWAIT)
            .map_err(|errno| AnnounceError::Send(entry, errno))?;
        Ok(())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the family is 17 and the address 20 bytes long"
)]
pub(crate) fn link_address(interface: InterfaceIndex, ethertype: u16, to: MacAddress) -> Option<LinkAddr> {
    let mut station = [0; 8];
    station[..6].copy_from_slice(&to.0);
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: interface.0.try_into().ok()?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: station,
    };
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    #[expect(
        unsafe_code,
        reason = "there is no safe way to name an interface to a packet socket"
    )]
    // SAFETY: the pointer is to a whole sockaddr_ll of the given length, whose family says what it is.
    unsafe {
        LinkAddr::from_raw((&raw const address).cast(), Some(length))
    }
}
