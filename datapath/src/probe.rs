//! The wire watch's ears and voice: asks who has an address, and hears the answers that come to this host.
//!
//! Questions leave no trace: ARP goes out as a probe, from 0.0.0.0 (RFC 5227 §2.1.1), which kernels answer too. Answers
//! come in by packet sockets of their own, two for each interface, so that no other interface's traffic passes their
//! filter. They are not stamped by the kernel: one socket that wants this makes the kernel stamp every frame of the host.

mod filter;
mod heard;
mod option;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use lightship_abi::{arp, ipv6, mac::MacAddress, ndp, signal::Signal};
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags},
        socket::{AddressFamily, MsgFlags, SockFlag, SockType, bind, recv, sendto, socket},
    },
};

use crate::{announce::link_address, assigned, entry::InterfaceIndex, loader::monotonic_ns};

pub use heard::Heard;

/// Longer than any answer that means something here.
const SNAP_LEN: u32 = 512;

/// How many answers are taken at once: who sends more than this wants to keep us busy.
const MOST_AT_ONCE: usize = 4096;

/// Why nothing can be asked or heard.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No packet socket, or not one that hears only what it should.
    #[error("failed to open a packet socket for answers on interface {0}: grant CAP_NET_RAW")]
    Listen(InterfaceIndex, #[source] Errno),
    /// No way to wait for several sockets.
    #[error("failed to wait for answers")]
    Wait(#[source] Errno),
    /// No packet socket to ask by.
    #[error("failed to open a packet socket for questions: grant CAP_NET_RAW")]
    Open(#[source] Errno),
    /// The kernel did not tell the interface's own addresses.
    #[error("failed to read the addresses of interface {0}")]
    Addresses(InterfaceIndex, #[source] io::Error),
    /// An IPv6 neighbour is asked from a link-local address.
    #[error("failed to ask for {1} on interface {0}: it has no link-local address to ask from")]
    NoSource(InterfaceIndex, IpAddr),
    /// Not sent.
    #[error("failed to ask for {1} on interface {0}")]
    Send(InterfaceIndex, IpAddr, #[source] Errno),
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Everybody on the segment who may have the address.
    Everybody,
    /// One station, whether or not it has the address.
    Station(MacAddress),
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The interface it goes out of.
    pub interface: InterfaceIndex,
    /// That interface's hardware address, to which the answer comes.
    pub source: MacAddress,
    /// Whom to ask.
    pub to: To,
    /// The address asked for.
    pub address: IpAddr,
}

/// What came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// The answers, of each interface in order.
    pub heard: Vec<Heard>,
    /// How many more there were that could not be taken: what was not heard then proves nothing.
    pub lost: u64,
}

/// Sockets to ask by and to hear answers with. The file descriptor becomes readable when an answer comes after all were
/// drained.
#[derive(Debug)]
pub struct Probes {
    waiting: Epoll,
    asking: OwnedFd,
    listening: BTreeMap<InterfaceIndex, [OwnedFd; 2]>,
}

impl Probes {
    /// Opens sockets that hear nothing yet.
    ///
    /// # Errors
    /// Without the privilege to open packet sockets.
    pub fn open() -> Result<Self, ProbeError> {
        Ok(Self {
            waiting: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(ProbeError::Wait)?,
            // No protocol: the socket receives nothing.
            asking: packet_socket().map_err(ProbeError::Open)?,
            listening: BTreeMap::new(),
        })
    }

    /// Hears answers on these interfaces, and no longer on others. What goes well goes on though something else does
    /// not: call it again with the same interfaces to try again.
    ///
    /// # Errors
    /// The last one, if an interface cannot be heard; it may be gone.
    pub fn watch(&mut self, interfaces: &BTreeSet<InterfaceIndex>) -> Result<(), ProbeError> {
        self.listening
            .retain(|interface, _| interfaces.contains(interface));
        let mut outcome = Ok(());
        for &interface in interfaces {
            if self.listening.contains_key(&interface) {
                continue;
            }
            match self.listen(interface) {
                Ok(sockets) => drop(self.listening.insert(interface, sockets)),
                Err(errno) => outcome = Err(ProbeError::Listen(interface, errno)),
            }
        }
        outcome
    }

    fn listen(&self, interface: InterfaceIndex) -> Result<[OwnedFd; 2], Errno> {
        let sockets = [
            listener(interface, arp::ETHERTYPE)?,
            listener(interface, ipv6::ETHERTYPE)?,
        ];
        for socket in &sockets {
            // Closing a socket ends its being waited for.
            self.waiting
                .add(socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        Ok(sockets)
    }

    /// Asks as the wire watch does: the answer is not counted among the responses that were sent to clients, and over
    /// IPv4 the number comes back with it.
    ///
    /// # Errors
    /// If it is not sent.
    pub fn probe(&self, question: &Question, number: u32) -> Result<(), ProbeError> {
        self.send(question, Some(Signal::Probe(number)))
    }

    /// Asks as anybody does: for a witness, whose kernel answers.
    ///
    /// # Errors
    /// If it is not sent.
    pub fn ask(&self, question: &Question) -> Result<(), ProbeError> {
        self.send(question, None)
    }

    fn send(&self, question: &Question, signal: Option<Signal>) -> Result<(), ProbeError> {
        let Question {
            interface,
            source,
            address,
            ..
        } = *question;
        let to = question.station();
        match address {
            IpAddr::V4(target) => {
                let frame = arp::probe(source, target.octets(), signal, to);
                self.put(question, arp::ETHERTYPE, &frame)
            }
            IpAddr::V6(target) => {
                let assigned =
                    assigned::addresses().map_err(|error| ProbeError::Addresses(interface, error))?;
                let own = assigned::link_local(&assigned, interface)
                    .ok_or(ProbeError::NoSource(interface, address))?;
                let frame = ndp::question(source, target.octets(), own.octets(), to);
                match signal {
                    Some(signal) => self.put(question, ipv6::ETHERTYPE, &ndp::with_signal(&frame, signal)),
                    None => self.put(question, ipv6::ETHERTYPE, &frame),
                }
            }
        }
    }

    fn put(&self, question: &Question, ethertype: u16, frame: &[u8]) -> Result<(), ProbeError> {
        let failed = |errno| ProbeError::Send(question.interface, question.address, errno);
        let address =
            link_address(question.interface, ethertype, question.station()).ok_or(failed(Errno::EINVAL))?;
        sendto(self.asking.as_raw_fd(), frame, &address, MsgFlags::MSG_DONTWAIT).map_err(failed)?;
        Ok(())
    }

    /// Takes all answers that are there, and says whether there were more.
    pub fn drain(&mut self) -> Drained {
        let mut drained = Drained::default();
        for (&interface, sockets) in &self.listening {
            for socket in sockets {
                drain_one(interface, socket, &mut drained);
            }
        }
        drained
    }
}

impl Question {
    fn station(&self) -> MacAddress {
        match (self.to, self.address) {
            (To::Station(station), _) => station,
            (To::Everybody, IpAddr::V4(_)) => MacAddress::BROADCAST,
            (To::Everybody, IpAddr::V6(address)) => ipv6::stations(ipv6::solicited_node(address.octets())),
        }
    }
}

impl AsFd for Probes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waiting.0.as_fd()
    }
}

impl std::os::fd::AsRawFd for Probes {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.waiting.0.as_raw_fd()
    }
}

fn drain_one(interface: InterfaceIndex, socket: &OwnedFd, drained: &mut Drained) {
    let mut room = [0; SNAP_LEN as usize];
    for _ in 0..MOST_AT_ONCE {
        match recv(socket.as_raw_fd(), &mut room, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => {
                let frame = room.get(..length).unwrap_or_default();
                drained
                    .heard
                    .extend(heard::read(interface, frame, monotonic_ns()));
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // Without the count nothing is known to have been lost, nor not.
                drained.lost += option::dropped(socket).unwrap_or(1);
                return;
            }
            // The interface went down: what was on its way is gone.
            Err(_) => drained.lost += 1,
        }
    }
    drained.lost += 1;
}

fn packet_socket() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Packet, SockType::Raw, flags, None)
}

/// A socket that hears answers of one protocol on one interface. It is bound last: nothing is queued that did not pass
/// the filter.
fn listener(interface: InterfaceIndex, ethertype: u16) -> Result<OwnedFd, Errno> {
    let socket = packet_socket()?;
    option::ignore_outgoing(&socket)?;
    option::attach(&socket, &filter::ANSWERS)?;
    let address = link_address(interface, ethertype, MacAddress::ZERO).ok_or(Errno::EINVAL)?;
    bind(socket.as_raw_fd(), &address)?;
    Ok(socket)
}
