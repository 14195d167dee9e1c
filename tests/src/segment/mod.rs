//! A responder on a real cable without a cluster around it: three networks in namespaces that go with the thread that made them.
//!
//! ```text
//!  client ── far ═══ near ──┐
//!                          node ── back ═══ end ── backend
//!  client ── far2 ══ own ───┤
//!  client ── far3 ══ mirror ┘
//! ```
//!
//! The responder sits on `near`. `own` is the same kind of cable without it, behind which the node's kernel answers for
//! addresses of its own; `mirror` is one for a yardstick. The node forwards between client and backend.

pub mod flood;
pub mod responder;
pub mod yardstick;

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr},
    os::fd::AsRawFd as _,
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};
use lightship_abi::mac::MacAddress;
use nix::{
    mount::{MsFlags, mount},
    net::if_::if_nametoindex,
    sched::{CloneFlags, setns, unshare},
};

use crate::{client::frames, command::Tool};

/// Where the responder is.
pub const NEAR: &str = "near";
/// The client's end of that cable.
pub const FAR: &str = "far";
/// The client's end of the cable without a responder.
pub const FAR_OF_OWN: &str = "far2";
/// The node's end of the cable for a yardstick.
pub const MIRROR: &str = "mirror";
/// The client's end of it.
pub const FAR_OF_MIRROR: &str = "far3";
/// The backend's end of its cable.
pub const END: &str = "end";

/// The station that answers on [`NEAR`].
pub const NEAR_MAC: MacAddress = MacAddress([2, 0, 0, 0, 2, 1]);
/// The client's station.
pub const FAR_MAC: MacAddress = MacAddress([2, 0, 0, 0, 2, 2]);
/// The IPv6 address that the node's kernel answers for on the cable without a responder.
pub const OWN6: &str = "2004:0:0:3::1";
/// The backend's address.
pub const BACKEND: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);

const BPFFS: &str = "/sys/fs/bpf";

/// A network namespace; it goes with the last of its users.
#[derive(Debug)]
pub struct Network(File);

impl Network {
    fn new() -> Result<Self> {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("failed to make a network namespace")?;
            Self::of_this_thread()
        });
        made.join()
            .unwrap_or_else(|_| bail!("failed to make a network namespace; see the messages above"))
    }

    fn of_this_thread() -> Result<Self> {
        let path = "/proc/thread-self/ns/net";
        File::open(path)
            .map(Self)
            .with_context(|| format!("failed to open {path}"))
    }

    /// Moves the calling thread there for good.
    pub fn enter(&self) -> Result<()> {
        setns(&self.0, CloneFlags::CLONE_NEWNET).context("failed to enter a network namespace")
    }

    /// Runs `work` there, on a thread of its own.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.enter()?;
                work()
            });
            thread
                .join()
                .unwrap_or_else(|_| bail!("failed to go on in a network; see the messages above"))
        })
    }

    /// As `ip` takes it for the name of a namespace.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// The three networks.
#[derive(Debug)]
pub struct Segment {
    /// Outside.
    pub client: Network,
    /// Where the responder is.
    pub node: Network,
    /// Behind the node.
    pub backend: Network,
}

/// Runs `work` in the node's network, on a thread of its own with a bpffs of its own. All of it, pins and programs
/// included, is gone when this returns.
pub fn isolated<T: Send>(work: impl FnOnce(&Segment) -> Result<T> + Send) -> Result<T> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "failed to make namespaces: that takes root; run this as root"
    );
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
                .context("failed to make namespaces")?;
            let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
            mount(none, "/", none, private, none).context("failed to make mounts private")?;
            mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), none)
                .context("failed to mount a bpffs")?;
            let segment = Segment {
                client: Network::new()?,
                node: Network::of_this_thread()?,
                backend: Network::new()?,
            };
            segment.plug()?;
            work(&segment)
        });
        thread
            .join()
            .unwrap_or_else(|_| bail!("failed to go on in a segment; see the messages above"))
    })
}

impl Segment {
    fn plug(&self) -> Result<()> {
        let (client, backend) = (self.client.path(), self.backend.path());
        // No device asks for anything of its own accord, so that what is counted is what is sent.
        let cable = |device: &str, mac: &str, far: &str, far_mac: &str, network: &str| {
            format!(
                "link add {device} address {mac} type veth peer name {far} address {far_mac} netns {network}\n\
                 link set {device} addrgenmode none\nlink set {device} up\n"
            )
        };
        let (near, far) = (NEAR_MAC.to_string(), FAR_MAC.to_string());
        batch(&[
            "link set lo up\n".to_owned(),
            cable(NEAR, &near, FAR, &far, &client),
            cable("own", "02:00:00:00:02:03", FAR_OF_OWN, &far, &client),
            cable(MIRROR, "02:00:00:00:02:04", FAR_OF_MIRROR, &far, &client),
            cable("back", "02:00:00:00:02:05", END, "02:00:00:00:02:06", &backend),
            format!("addr add 10.1.0.1/24 dev {NEAR}\naddr add 10.3.0.1/24 dev own\naddr add {OWN6}/64 dev own nodad\n"),
            "addr add 10.2.0.1/24 dev back\n".to_owned(),
        ]
        .concat())?;
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("failed to make the node forward")?;
        let up = |device: &str| format!("link set {device} addrgenmode none\nlink set {device} up\n");
        self.client.run(|| {
            let address =
                format!("addr add 10.1.0.2/24 dev {FAR}\nroute add default via 10.1.0.1 dev {FAR}\n");
            batch(&[up(FAR), up(FAR_OF_OWN), up(FAR_OF_MIRROR), address].concat())
        })?;
        self.backend.run(|| {
            let address =
                format!("addr add {BACKEND}/24 dev {END}\nroute add default via 10.2.0.1 dev {END}\n");
            batch(&[up("lo"), up(END), address].concat())
        })
    }
}

/// Makes the kernel of the calling thread's network answer on the cable without a responder for `count` addresses.
pub fn own(count: u32) -> Result<Vec<IpAddr>> {
    let first = u32::from(Ipv4Addr::new(10, 96, 0, 0));
    let all: Vec<_> = (first..first + count).map(Ipv4Addr::from).collect();
    let lines: Vec<_> = all
        .iter()
        .map(|address| format!("route replace local {address} dev own\n"))
        .collect();
    batch(&lines.concat())?;
    Ok(all.into_iter().map(IpAddr::from).collect())
}

/// The index of a device of the calling thread's network.
pub fn index_of(device: &str) -> Result<u32> {
    if_nametoindex(device).with_context(|| format!("failed to find {device}"))
}

/// What has come in on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Frames.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What has come in on a device of the calling thread's network.
pub fn received(device: &str) -> Result<Counters> {
    let path = "/proc/thread-self/net/dev";
    let shown = fs::read_to_string(path).with_context(|| format!("failed to read {path}"))?;
    let line = shown
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
    let mut numbers = line
        .into_iter()
        .flat_map(str::split_whitespace)
        .map_while(|number| number.parse().ok());
    let (bytes, packets) = (numbers.next(), numbers.next());
    packets
        .zip(bytes)
        .map(|(packets, bytes)| Counters { packets, bytes })
        .with_context(|| format!("failed to find {device} in {shown}"))
}

/// The client's requests for these addresses.
#[must_use]
pub fn requests(addresses: &[IpAddr]) -> Vec<Vec<u8>> {
    addresses
        .iter()
        .map(|&address| frames::question(FAR_MAC, address, 0))
        .collect()
}

/// What comes back when they are answered, as near as a reflector can come to it: frames for the client's own station that its kernel has
/// no more to do with than with answers.
#[must_use]
pub fn replies(addresses: &[IpAddr]) -> Vec<Vec<u8>> {
    let mut frames = requests(addresses);
    for frame in &mut frames {
        frame[..6].copy_from_slice(&FAR_MAC.0);
        frame[21] = 2;
    }
    frames
}

fn batch(lines: &str) -> Result<()> {
    Tool::new(["ip", "-batch", "-"]).input(lines).run().map(drop)
}
