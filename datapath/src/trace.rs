//! Looking on while the responder judges the frames about one address. Needs the pins of an agent, not the agent itself,
//! and changes nothing but the filter, which ends by itself a moment after whoever set it is gone.

use std::{
    fmt,
    fs::File,
    io,
    net::IpAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    path::{Path, PathBuf},
};

use aya::maps::{Array, Map, MapData, MapError, RingBuf};
use lightship_abi::{
    names::{RESPONDER_V4, TRACE, TRACED},
    outcome::Outcome,
    trace::{FILTER_LEN, Filter, RECORD_LEN, Record, SLOT},
};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use crate::{
    entry::InterfaceIndex,
    loader::monotonic_ns,
    maps::{MapsError, dump_v4, dump_v6},
    pins::Pins,
};
pub use frame::{Frame, FrameKind};

mod frame;

/// How long a filter outlives its last renewal.
const LIFETIME_NS: u64 = 3_000_000_000;

/// Why frames cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No map is pinned here.
    #[error(
        "failed to trace: no agent has run on this node since it started (nothing is pinned below {}): run this on \
         the node that holds the address, which 'lightship holders' names",
        .0.display()
    )]
    NoAgent(PathBuf),
    /// The process may not use the pins.
    #[error("failed to use what is pinned below {}: run as root", .0.display())]
    Rights(PathBuf),
    /// The agent here is of a version that knows no traces.
    #[error("failed to trace: the agent on this node is of an earlier version, which cannot: upgrade it")]
    Outdated,
    /// No interface of this node answers for the address.
    #[error(
        "failed to trace {0}: this node does not answer for it: 'lightship holders' names the node that does, \
         'lightship map get' lists what this one answers for"
    )]
    NotHeld(IpAddr),
    /// Somebody else looks on.
    #[error("failed to trace: somebody traces on this node already: wait until that has ended")]
    Busy,
    /// The directory of pins could not be locked.
    #[error("failed to lock {}", .0.display())]
    Lock(PathBuf, #[source] io::Error),
    /// A map could not be used.
    #[error(transparent)]
    Maps(#[from] MapsError),
}

/// A frame about the address, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When it came in, `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
    /// The interface it came in on.
    pub interface: InterfaceIndex,
    /// What became of it; none if the program is newer and knows more than this process.
    pub outcome: Option<Outcome>,
    /// What it was.
    pub frame: Frame,
}

/// An open trace. Dropping it ends it.
pub struct Trace {
    filter: Array<MapData, [u8; FILTER_LEN]>,
    ring: RingBuf<MapData>,
    octets: [u8; 16],
    /// The ring has one reader at a time.
    _lock: Flock<File>,
}

impl Trace {
    /// Begins to look at the frames about an address on all interfaces that answer for it. It goes on for some seconds
    /// after each [`Self::renew`].
    ///
    /// # Errors
    /// If it cannot be; each error says what to do.
    pub fn begin(bpffs: &Path, address: IpAddr) -> Result<Self, TraceError> {
        let pins = Pins::new(bpffs);
        if !is_there(&pins.map(RESPONDER_V4))? {
            return Err(TraceError::NoAgent(bpffs.to_path_buf()));
        }
        if !is_there(&pins.map(TRACE))? {
            return Err(TraceError::Outdated);
        }
        let mut held = match address {
            IpAddr::V4(_) => dump_v4(bpffs),
            IpAddr::V6(_) => dump_v6(bpffs),
        }
        .map_err(|error| refused(error, bpffs))?
        .into_keys();
        if !held.any(|entry| entry.address == address) {
            return Err(TraceError::NotHeld(address));
        }
        let lock = lock(&pins.own())?;
        let opened = |name| move |source| refused(MapsError::Open(name, source), bpffs);
        let mut trace = Self {
            filter: open(&pins.map(TRACE)).map_err(opened(TRACE))?,
            ring: open(&pins.map(TRACED)).map_err(opened(TRACED))?,
            octets: octets(address),
            _lock: lock,
        };
        // What an earlier trace left behind.
        while trace.ring.next().is_some() {}
        trace.set(Filter::new(trace.octets, deadline()))?;
        Ok(trace)
    }

    /// Goes on for some more seconds. Returns how many frames could not be shown so far, for want of room.
    ///
    /// # Errors
    /// If the filter cannot be written.
    pub fn renew(&mut self) -> Result<u64, TraceError> {
        let read = |source| MapsError::Read(TRACE, source);
        let lost = Filter::from_bytes(&self.filter.get(&SLOT, 0).map_err(read)?).lost;
        self.set(Filter {
            lost,
            ..Filter::new(self.octets, deadline())
        })?;
        Ok(lost)
    }

    /// Takes all frames that were seen.
    pub fn drain(&mut self) -> Vec<Sighting> {
        let mut seen = Vec::new();
        while let Some(record) = self.ring.next() {
            seen.extend(record.first_chunk::<RECORD_LEN>().map(read));
        }
        seen
    }

    fn set(&mut self, filter: Filter) -> Result<(), TraceError> {
        self.filter
            .set(SLOT, filter.to_bytes(), 0)
            .map_err(|source| MapsError::Write(TRACE, source).into())
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // It would end by itself, a little later.
        let _ = self.set(Filter::default());
    }
}

fn read(bytes: &[u8; RECORD_LEN]) -> Sighting {
    let record = Record::from_bytes(bytes);
    let slot = usize::try_from(record.outcome).unwrap_or(usize::MAX);
    Sighting {
        time_ns: record.time_ns,
        interface: InterfaceIndex(record.ifindex),
        outcome: Outcome::ALL.get(slot).copied(),
        frame: Frame::read(record.frame(), record.length),
    }
}

fn deadline() -> u64 {
    monotonic_ns().saturating_add(LIFETIME_NS)
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}

fn is_there(pin: &Path) -> Result<bool, TraceError> {
    match pin.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(TraceError::Rights(pin.to_path_buf()))
        }
        Err(_) => Ok(false),
    }
}

fn lock(directory: &Path) -> Result<Flock<File>, TraceError> {
    let failed = |source| TraceError::Lock(directory.to_path_buf(), source);
    let file = File::open(directory).map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => TraceError::Busy,
        errno => failed(errno.into()),
    })
}

fn open<M: TryFrom<Map, Error = MapError>>(pin: &Path) -> Result<M, MapError> {
    Map::from_map_data(MapData::from_pin(pin)?)?.try_into()
}

/// What the kernel refuses for want of rights is said in those words.
fn refused(error: MapsError, bpffs: &Path) -> TraceError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(this) = cause {
        let denied = this
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        if denied {
            return TraceError::Rights(bpffs.to_path_buf());
        }
        cause = this.source();
    }
    error.into()
}

impl AsFd for Trace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for Trace {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}
