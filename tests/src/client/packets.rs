//! Packet sockets in a host's network, opened from here: a socket stays in the namespace it was made in.

use std::{
    fs::File,
    io,
    mem::size_of,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    thread,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    sched::{CloneFlags, setns},
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, bind, recv, send,
        setsockopt, socket, sockopt,
    },
};

use crate::lab::{Lab, host::Host};

/// Long enough for half a second of the busiest client, so that a reader without a processor misses nothing.
const BUFFER: usize = 8 << 20;

/// Runs `work` on a thread of its own in the network of `host`, which becomes that thread's for good.
pub fn inside<T: Send + 'static>(
    lab: &Lab,
    host: &Host,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<thread::JoinHandle<Result<T>>> {
    let holder = host
        .holder(lab.folder())
        .with_context(|| format!("failed to enter {}: it is down", host.name()))?;
    let path = format!("/proc/{}/ns/net", holder.pid);
    let network = File::open(&path).with_context(|| format!("failed to open {path}"))?;
    Ok(thread::spawn(move || {
        setns(network, CloneFlags::CLONE_NEWNET).context("failed to enter a network namespace")?;
        work()
    }))
}

/// Waits for what was started inside a network.
pub fn join<T>(thread: thread::JoinHandle<Result<T>>) -> Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| bail!("failed to go on in a network of the lab; see the messages above"))
}

/// A packet socket on one interface for one kind of frame.
#[derive(Debug)]
pub struct Packets(OwnedFd);

impl Packets {
    /// Opens it on `interface` of `host`.
    pub fn open(lab: &Lab, host: &Host, interface: &'static str, ethertype: u16) -> Result<Self> {
        join(inside(lab, host, move || Self::here(interface, ethertype))?)
    }

    /// Opens it on `interface` of the calling thread's own network.
    pub fn here(interface: &str, ethertype: u16) -> Result<Self> {
        let made = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            None,
        );
        let made = made.context("failed to open a packet socket")?;
        setsockopt(&made, sockopt::RcvBufForce, &BUFFER).context("failed to enlarge a buffer")?;
        let index = if_nametoindex(interface).with_context(|| format!("failed to find {interface}"))?;
        let address = link_address(index, ethertype).context("failed to address a packet socket")?;
        bind(made.as_raw_fd(), &address).context("failed to bind a packet socket")?;
        Ok(Self(made))
    }

    /// Sends a whole frame. One that finds no room or no link is lost, as frames are.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        match send(self.0.as_raw_fd(), frame, MsgFlags::empty()) {
            Ok(_) | Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::ENETDOWN) => Ok(()),
            Err(error) => Err(error).context("failed to send a frame"),
        }
    }

    /// The next frame that came, if there is one.
    pub fn next<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        match recv(self.0.as_raw_fd(), buffer, MsgFlags::empty()) {
            Ok(length) => Ok(buffer.get(..length)),
            Err(Errno::EAGAIN | Errno::ENETDOWN | Errno::EINTR) => Ok(None),
            Err(error) => Err(io::Error::from(error)).context("failed to receive a frame"),
        }
    }

    /// For waiting until something comes.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the family is 17 and the address 20 bytes long"
)]
fn link_address(index: u32, ethertype: u16) -> Option<LinkAddr> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as libc::sa_family_t,
        sll_protocol: ethertype.to_be(),
        sll_ifindex: index.try_into().ok()?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
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
