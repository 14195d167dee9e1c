//! Gratuitous ARP: one packet socket that only sends. It names the interface by index in each frame, so the interface
//! needs no address of its own.

use std::{
    mem::size_of,
    os::fd::{AsRawFd as _, OwnedFd},
};

use lightship_abi::{arp, mac::MacAddress};
use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, sendto, socket},
};

use crate::entry::Entry;

/// Why an announcement was not sent.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// No packet socket.
    #[error("failed to open a packet socket: grant CAP_NET_RAW")]
    Socket(#[source] Errno),
    /// The kernel's form of the interface's address was refused.
    #[error("failed to address {0}")]
    Address(Entry),
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

    pub(crate) fn announce(&self, entry: Entry, mac: MacAddress) -> Result<(), AnnounceError> {
        let frame = arp::gratuitous(mac, entry.address.octets());
        let address = link_address(entry).ok_or(AnnounceError::Address(entry))?;
        sendto(self.socket.as_raw_fd(), &frame, &address, MsgFlags::MSG_DONTWAIT)
            .map_err(|errno| AnnounceError::Send(entry, errno))?;
        Ok(())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the family is 17 and the address 20 bytes long"
)]
fn link_address(entry: Entry) -> Option<LinkAddr> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: arp::ETHERTYPE.to_be(),
        sll_ifindex: entry.interface.0.try_into().ok()?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
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
