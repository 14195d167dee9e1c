//! Opening the data path: checks the host, loads the program beside whatever runs, adopts the pinned maps, and puts the
//! new program into the links that are there, each atomically. Frames are answered throughout.

use std::{
    collections::BTreeSet, fs::DirBuilder, io, os::unix::fs::DirBuilderExt as _, path::PathBuf,
    time::Duration,
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    programs::{ProgramError, SchedClassifier},
};
use lightship_abi::names::{ANSWER_ECHO, INGRESS_PROGRAM, MAX_LIVENESS};
use nix::time::{ClockId, clock_gettime};

use crate::{
    announce::{AnnounceError, Announcer},
    attach::{self, AttachError},
    entry::InterfaceIndex,
    groups::{GroupError, Groups},
    host::{self, HostError, Way},
    maps::{self, Maps, MapsError, Shared},
    options::{Options, Ping},
    pins::Pins,
    wakeups::Wakeups,
};

/// The compiled responder; `hack/ebpf` writes it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../responder.o");

/// How often loading may be broken off by signals.
const MOST_BROKEN_OFF: u32 = 10;

/// Why the data path could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The host lacks something.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A directory for pins could not be made.
    #[error("failed to create the directory {} on bpffs", .0.display())]
    Directory(PathBuf, #[source] std::io::Error),
    /// A map does not fit or cannot be used.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// The object could not be loaded.
    #[error("failed to load the responder's object")]
    Object(#[source] EbpfError),
    /// The kernel refused the program.
    #[error("failed to load the responder into the kernel")]
    Program(#[source] ProgramError),
    /// A link that is there could not be taken over.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Groups cannot be joined.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// Announcements cannot be sent.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

/// An open data path. Dropping it changes nothing in the kernel: what answers is pinned.
///
/// It belongs to the network namespace of the thread that opened it, and must be used in that namespace.
pub struct Datapath {
    ebpf: Ebpf,
    pub(crate) maps: Maps,
    pub(crate) announcer: Announcer,
    pub(crate) groups: Groups,
    pub(crate) pins: Pins,
    pub(crate) shared: Shared,
    pub(crate) program_id: u32,
    pub(crate) way: Way,
    /// Interfaces to which the program could not be attached.
    pub(crate) unattached: BTreeSet<InterfaceIndex>,
    wakeups: Option<Wakeups>,
}

impl Datapath {
    /// Opens the data path: loads the program, adopts the pinned maps with all they hold, replaces the program in the
    /// pinned links, and drops the pins of links whose interface is gone. Attaches nowhere new.
    ///
    /// # Errors
    /// If the host lacks something, or what is pinned there is not ours; each error names its remedy where there is
    /// one. What answered before goes on answering.
    pub fn open(options: &Options) -> Result<Self, OpenError> {
        let way = host::check(&options.bpffs, options.hook)?;
        let pins = Pins::new(&options.bpffs);
        for directory in [pins.shared(), pins.own()] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)
                .map_err(|source| OpenError::Directory(directory, source))?;
        }
        let mut ebpf = load(options, &pins)?;
        let maps = Maps::take(&mut ebpf)?;
        let wakeups = Wakeups::take(&mut ebpf)?;
        let program = program_in(&mut ebpf).map_err(OpenError::Program)?;
        verify(program).map_err(OpenError::Program)?;
        let program_id = program.info().map_err(OpenError::Program)?.id();
        attach::adopt(way, program, &pins)?;
        let announcer = Announcer::open()?;
        Ok(Self {
            ebpf,
            maps,
            announcer,
            groups: Groups::open()?,
            shared: Shared::open(&pins)?,
            pins,
            program_id,
            way,
            unattached: BTreeSet::new(),
            wakeups: Some(wakeups),
        })
    }

    /// Shows the responder that the agent is alive: it answers until [`Options::max_liveness`] after the last beat.
    ///
    /// # Errors
    /// If the map cannot be written.
    pub fn beat(&mut self) -> Result<(), MapsError> {
        self.maps.beat(monotonic_ns())
    }

    /// What the program has to tell at once; once only, for whoever waits for it.
    pub fn wakeups(&mut self) -> Option<Wakeups> {
        self.wakeups.take()
    }

    /// The loaded program, and where its links are pinned.
    pub(crate) fn program(&mut self) -> Result<(&mut SchedClassifier, &Pins), ProgramError> {
        Ok((program_in(&mut self.ebpf)?, &self.pins))
    }
}

fn load(options: &Options, pins: &Pins) -> Result<Ebpf, OpenError> {
    let max_liveness = nanoseconds(options.max_liveness);
    let answer_echo = u32::from(options.ping == Ping::Answered);
    let mut loader = EbpfLoader::new();
    // The program reads no kernel structures, so the kernel's own BTF, megabytes of it, need not be parsed.
    loader
        .btf(None)
        .override_global(MAX_LIVENESS, &max_liveness, true)
        .override_global(ANSWER_ECHO, &answer_echo, true);
    maps::adopt(&mut loader, pins, options.map_capacity)?;
    loader.load(OBJECT).map_err(OpenError::Object)
}

/// Has the kernel verify and take the program. It breaks off with `EAGAIN` when a signal comes in meanwhile, and is then
/// asked again.
fn verify(program: &mut SchedClassifier) -> Result<(), ProgramError> {
    let mut broken_off = 0;
    loop {
        match program.load() {
            Err(ProgramError::LoadError { io_error, .. })
                if io_error.kind() == io::ErrorKind::WouldBlock && broken_off < MOST_BROKEN_OFF =>
            {
                broken_off += 1;
            }
            loaded => return loaded,
        }
    }
}

fn program_in(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, ProgramError> {
    ebpf.program_mut(INGRESS_PROGRAM)
        .ok_or(ProgramError::NotLoaded)?
        .try_into()
}

/// `CLOCK_MONOTONIC` in nanoseconds, which is the clock the program reads and tombstones are dated by. It always can be read; a failure would only keep the gate
/// shut.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| nanoseconds(now.into()))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
