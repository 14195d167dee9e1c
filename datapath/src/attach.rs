//! The program on interfaces: by TCX, or by clsact where the kernel is older. What is attached outlives its process by a
//! pin, which also says where it is attached.

use std::{collections::BTreeMap, io, path::PathBuf};

use aya::{
    pin::PinError,
    programs::{ProgramError, SchedClassifier, links::LinkError, tc::TcError},
};
use nix::{errno::Errno, net::if_::if_indextoname};

use crate::{entry::InterfaceIndex, host::Way, loader::Datapath, pins::Pins, plan::Attachment};

mod clsact;
mod tcx;

/// Why the program could not be put on, or taken off, an interface.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The loaded object has no such program.
    #[error("failed to find the responder's program")]
    Program(#[source] ProgramError),
    /// The interface is gone, or was never there.
    #[error("failed to find the interface with index {0}")]
    Interface(InterfaceIndex, #[source] Errno),
    /// The kernel refused to attach.
    #[error("failed to attach the responder to {name}")]
    Attach {
        /// The interface.
        name: String,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// The link could not be used.
    #[error("failed to use the link pinned at {}", .0.display())]
    Link(PathBuf, #[source] LinkError),
    /// The program of a link could not be replaced.
    #[error("failed to replace the program of the link pinned at {}", .0.display())]
    Replace(PathBuf, #[source] ProgramError),
    /// The pins could not be listed.
    #[error("failed to list the pins")]
    List(#[source] io::Error),
    /// The interface got no clsact qdisc.
    #[error("failed to add a clsact qdisc to {0}")]
    Qdisc(String, #[source] TcError),
    /// The kernel did not tell of a filter.
    #[error("failed to read the filter on the interface with index {0}")]
    Filter(InterfaceIndex, #[source] io::Error),
    /// The filter could not be removed.
    #[error("failed to remove the filter on the interface with index {0}")]
    RemoveFilter(InterfaceIndex, #[source] ProgramError),
    /// The link, or a filter's program, could not be pinned.
    #[error("failed to pin at {}", .0.display())]
    Pin(PathBuf, #[source] PinError),
    /// The pin could not be removed.
    #[error("failed to remove the pin {}", .0.display())]
    Unpin(PathBuf, #[source] io::Error),
    /// The kernel did not tell what a link is attached to.
    #[error("failed to read what the link pinned at {} is attached to", .0.display())]
    Describe(PathBuf, #[source] io::Error),
}

/// What became of an attempt to replace a link's program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Replaced {
    Done,
    /// The link's interface is gone: its pin is of no use.
    Dead,
}

impl Datapath {
    pub(crate) fn attach(&mut self, interface: InterfaceIndex) -> Result<(), AttachError> {
        let way = self.way;
        let (program, pins) = self.program().map_err(AttachError::Program)?;
        attach(way, program, pins, interface)
    }

    /// Replaces an earlier program; attaches anew where the link turns out to be dead.
    pub(crate) fn replace(&mut self, interface: InterfaceIndex) -> Result<(), AttachError> {
        let way = self.way;
        let (program, pins) = self.program().map_err(AttachError::Program)?;
        match replace(way, program, pins, interface)? {
            Replaced::Done => Ok(()),
            Replaced::Dead => attach(way, program, pins, interface),
        }
    }
}

/// Puts the program in the place of every earlier one, and forgets interfaces that are gone. What an earlier process
/// attached the other way is attached this way first and the other way no more after that.
pub(crate) fn adopt(way: Way, program: &mut SchedClassifier, pins: &Pins) -> Result<(), AttachError> {
    let (ours, others) = match way {
        Way::Tcx => (pins.linked(), pins.filtered()),
        Way::Clsact => (pins.filtered(), pins.linked()),
    };
    for interface in ours.map_err(AttachError::List)? {
        if replace(way, program, pins, interface)? == Replaced::Dead {
            detach(pins, interface)?;
        }
    }
    for interface in others.map_err(AttachError::List)? {
        if name_of(interface).is_ok() {
            attach(way, program, pins, interface)?;
        }
        match way {
            Way::Tcx => clsact::detach(pins, interface)?,
            Way::Clsact => tcx::detach(pins, interface)?,
        }
    }
    Ok(())
}

/// How the program sits on the interfaces that have a pin.
pub(crate) fn attachments(
    way: Way,
    pins: &Pins,
    current: u32,
) -> Result<BTreeMap<InterfaceIndex, Attachment>, AttachError> {
    let pinned = match way {
        Way::Tcx => pins.linked(),
        Way::Clsact => pins.filtered(),
    };
    let state = |interface| {
        let attachment = match way {
            Way::Tcx => tcx::attachment(pins, interface, current)?,
            Way::Clsact => clsact::attachment(interface, current)?,
        };
        Ok((interface, attachment))
    };
    pinned
        .map_err(AttachError::List)?
        .into_iter()
        .map(state)
        .collect()
}

/// Takes the program off an interface. Nothing to remove is fine.
pub(crate) fn detach(pins: &Pins, interface: InterfaceIndex) -> Result<(), AttachError> {
    tcx::detach(pins, interface)?;
    clsact::detach(pins, interface)
}

fn attach(
    way: Way,
    program: &mut SchedClassifier,
    pins: &Pins,
    interface: InterfaceIndex,
) -> Result<(), AttachError> {
    match way {
        Way::Tcx => tcx::attach(program, pins, interface),
        Way::Clsact => clsact::attach(program, pins, interface),
    }
}

fn replace(
    way: Way,
    program: &mut SchedClassifier,
    pins: &Pins,
    interface: InterfaceIndex,
) -> Result<Replaced, AttachError> {
    match way {
        Way::Tcx => tcx::replace(program, pins, interface),
        Way::Clsact => clsact::replace(program, pins, interface),
    }
}

/// Removes a pin; none there is fine.
fn unpin(pin: PathBuf) -> Result<(), AttachError> {
    match std::fs::remove_file(&pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(AttachError::Unpin(pin, error)),
        _ => Ok(()),
    }
}

/// aya attaches by name; the index is what was decided on.
fn name_of(interface: InterfaceIndex) -> Result<String, AttachError> {
    let name = if_indextoname(interface.0).map_err(|errno| AttachError::Interface(interface, errno))?;
    if name.is_empty() {
        // nix compares libc's null with -1, and so takes the failure for an empty name.
        return Err(AttachError::Interface(interface, Errno::ENODEV));
    }
    Ok(name.to_string_lossy().into_owned())
}
