//! A place for kernel tests: network and mount namespaces of the test's own thread, with a bpffs of their own. All of
//! it, pins and attached programs included, goes when the thread ends, whether the test passed or not.
#![expect(dead_code, reason = "each test binary uses a part")]

pub(crate) mod agent;
pub(crate) mod other_owner;
pub(crate) mod prober;

use std::{
    io::ErrorKind,
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use aya::programs::{ProgramError, SchedClassifier};
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        socket::{
            AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, SockaddrLike as _, bind, recv, send,
            socket,
        },
        time::TimeVal,
    },
    time::{ClockId, clock_gettime},
};

/// Where bpffs is in a sandbox: over the host's own, which stays as it is.
pub(crate) const BPFFS: &str = "/sys/fs/bpf";

/// Fails, with the remedy, where the test cannot do what it is for.
pub(crate) fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test loads programs into the kernel: run it as root (it stays within namespaces of its own)"
    );
}

/// Loads a program. The kernel breaks off when a signal comes in, and is asked again.
pub(crate) fn load(program: &mut SchedClassifier) {
    let broken_off = |loaded: &Result<(), ProgramError>| matches!(loaded, Err(ProgramError::LoadError { io_error, .. }) if io_error.kind() == ErrorKind::WouldBlock);
    let mut loaded = program.load();
    for _ in 0..10 {
        if !broken_off(&loaded) {
            break;
        }
        loaded = program.load();
    }
    loaded.expect("a program the verifier accepts");
}

pub(crate) fn monotonic_ns() -> u64 {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock"));
    now.as_nanos()
        .try_into()
        .expect("less than five hundred years of uptime")
}

/// Moves this thread into namespaces of its own, with a veth pair: `near` is where the responder sits, `far` is the
/// rest of the segment. Neither has an address, so that no other ARP is on the wire.
pub(crate) fn enter() {
    require_root();
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces");
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .expect("private");
    mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>).expect("a bpffs");
    ip("link add near type veth peer name far");
    // Without a link-local address it asks for nothing of its own accord, so that what is counted is what a test sends.
    ip("link set far addrgenmode none");
    ip("link set near up");
    ip("link set far up");
}

/// Puts `far` and one more cable, whose end is `client`, into a bridge that snoops and asks for listeners itself.
pub(crate) fn add_switch() {
    ip(
        "link add name switch type bridge mcast_snooping 1 mcast_querier 1 mcast_mld_version 2 \
        mcast_query_response_interval 10 mcast_startup_query_interval 20 mcast_query_interval 50",
    );
    ip("link add client type veth peer name port");
    for member in ["far", "port"] {
        ip(&format!("link set {member} master switch"));
    }
    for device in ["port", "client", "switch"] {
        ip(&format!("link set dev {device} up"));
    }
}

/// What a command prints.
pub(crate) fn output(command: &str) -> String {
    let mut words = command.split(' ');
    let program = words.next().expect("a program");
    let done = Command::new(program)
        .args(words)
        .output()
        .expect("it is installed");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// The solicited-node groups that are assigned to `near`.
pub(crate) fn joined_groups() -> Vec<String> {
    let shown = output("ip -6 -o addr show dev near");
    let addresses = shown
        .split_whitespace()
        .filter_map(|word| word.strip_suffix("/128"));
    addresses
        .filter(|word| word.starts_with("ff02::1:ff"))
        .map(str::to_owned)
        .collect()
}

pub(crate) fn ip(arguments: &str) {
    run("ip", arguments);
}

pub(crate) fn tc(arguments: &str) {
    run("tc", arguments);
}

fn run(program: &str, arguments: &str) {
    let done = Command::new(program)
        .args(arguments.split_whitespace())
        .status()
        .expect("iproute2 is installed");
    assert!(done.success(), "{program} {arguments}");
}

pub(crate) fn index_of(name: &str) -> u32 {
    nix::net::if_::if_nametoindex(name).expect("an interface")
}

pub(crate) fn mac_of(name: &str) -> [u8; 6] {
    // sysfs shows the namespace it was mounted in, so ask by netlink.
    let shown = Command::new("ip")
        .args(["-o", "link", "show", name])
        .output()
        .expect("iproute2 is installed");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let mac = shown
        .split_whitespace()
        .skip_while(|word| *word != "link/ether")
        .nth(1)
        .expect("a MAC");
    let octets: Vec<_> = mac
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).expect("an octet"))
        .collect();
    octets.try_into().expect("six octets")
}

/// Everything pinned in the sandbox.
pub(crate) fn pinned() -> Vec<PathBuf> {
    fn below(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in directory.read_dir().expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                below(&path, found);
            }
            found.push(path);
        }
    }
    let mut found = Vec::new();
    below(Path::new(BPFFS), &mut found);
    found
}

/// A station on the wire: sends frames out of an interface and receives those that come in on it.
pub(crate) struct Station {
    socket: OwnedFd,
}

const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

impl Station {
    /// Receives ARP.
    pub(crate) fn on(interface: &str) -> Self {
        Self::of(ARP, interface)
    }

    /// Receives IPv4.
    pub(crate) fn ipv4_on(interface: &str) -> Self {
        Self::of(IPV4, interface)
    }

    /// Receives IPv6.
    pub(crate) fn ipv6_on(interface: &str) -> Self {
        Self::of(IPV6, interface)
    }

    fn of(ethertype: u16, interface: &str) -> Self {
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .expect("a packet socket");
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET.try_into().expect("a family"),
            sll_protocol: ethertype.to_be(),
            sll_ifindex: index_of(interface).try_into().expect("an index"),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of::<libc::sockaddr_ll>().try_into().expect("a length");
        #[expect(
            unsafe_code,
            reason = "there is no safe way to name an interface to a packet socket"
        )]
        // SAFETY: the pointer is to a whole sockaddr_ll of the given length, whose family says what it is.
        let address = unsafe { LinkAddr::from_raw((&raw const address).cast(), Some(length)) };
        bind(socket.as_raw_fd(), &address.expect("an address")).expect("bound");
        nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::ReceiveTimeout,
            &TimeVal::new(0, 20_000),
        )
        .expect("a timeout");
        Self { socket }
    }

    /// Sends a frame of more than a page so that it arrives with nothing but its Ethernet header in the linear part of
    /// the buffer, as network cards that split headers deliver it.
    pub(crate) fn send_split(&self, frame: &[u8]) {
        assert!(frame.len() > 4096, "the kernel splits no shorter frame");
        let on: libc::c_int = 1;
        let length = size_of::<libc::c_int>().try_into().expect("a length");
        #[expect(unsafe_code, reason = "nix does not know this option")]
        // SAFETY: the pointer is to an int of the given length, which is what the option takes.
        let status = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_VNET_HDR,
                (&raw const on).cast(),
                length,
            )
        };
        assert_eq!(
            status, 0,
            "a packet socket that takes the header of a virtual network card"
        );
        // Of that header, only the length of the frame's own headers matters here: 14, in the third field.
        let header = [0, 0, 14, 0, 0, 0, 0, 0, 0, 0];
        self.send(&[&header, frame].concat());
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        send(self.socket.as_raw_fd(), frame, MsgFlags::empty()).expect("sent");
    }

    /// The next frame for which `wanted` holds; none within the time. Frames this station sent are not among them.
    pub(crate) fn receive(&self, within: Duration, wanted: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            let mut frame = vec![0; 9216];
            let received = recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::empty());
            if matches!(received, Err(Errno::EAGAIN | Errno::EINTR)) {
                continue;
            }
            frame.truncate(received.expect("a packet socket that works"));
            if wanted(&frame) {
                return Some(frame);
            }
        }
        None
    }

    /// Asks for an address as `arping` does; the reply, if one comes in time.
    pub(crate) fn ask(&self, frame: &[u8], within: Duration) -> Option<Vec<u8>> {
        self.send(frame);
        self.receive(within, |frame| frame.get(21) == Some(&2))
    }
}

/// A broadcast request, padded as a network card pads it.
pub(crate) fn request(source: [u8; 6], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let ask = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    [
        &[0xff; 6][..],
        &source,
        &ask,
        &source,
        &sender,
        &[0; 6],
        &target,
        &[0; 18],
    ]
    .concat()
}
