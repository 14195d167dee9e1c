//! The program on interfaces: a pinned TCX link each, first in order. A link lives by its pin, so nothing here detaches
//! by dropping something; replacing a link's program is atomic and keeps its place in the order.

use std::{io, os::fd::AsRawFd as _, path::PathBuf};

use aya::{
    pin::PinError,
    programs::{
        LinkOrder, MultiProgLink as _, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, LinkError, PinnedLink},
        tc::{SchedClassifierLink, TcAttachOptions},
    },
    sys::SyscallError,
};
use nix::{errno::Errno, net::if_::if_indextoname};

use crate::{entry::InterfaceIndex, loader::Datapath, pins::Pins, plan::Attachment};

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
    /// The link could not be pinned.
    #[error("failed to pin a link at {}", .0.display())]
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
        let (program, pins) = self.program().map_err(AttachError::Program)?;
        attach(program, pins, interface)
    }

    /// Replaces an earlier program; attaches anew where the link turns out to be dead.
    pub(crate) fn replace(&mut self, interface: InterfaceIndex) -> Result<(), AttachError> {
        let (program, pins) = self.program().map_err(AttachError::Program)?;
        match replace(program, pins, interface)? {
            Replaced::Done => Ok(()),
            Replaced::Dead => attach(program, pins, interface),
        }
    }
}

/// Attaches the program, first in order, and pins the link. A pin left behind by an interface that had this index
/// before is removed.
fn attach(program: &mut SchedClassifier, pins: &Pins, interface: InterfaceIndex) -> Result<(), AttachError> {
    detach(pins, interface)?;
    let name = name_of(interface)?;
    let attached = |source| AttachError::Attach {
        name: name.clone(),
        source,
    };
    let id = program
        .attach_with_options(
            &name,
            TcAttachType::Ingress,
            TcAttachOptions::TcxOrder(LinkOrder::first()),
        )
        .map_err(attached)?;
    let link = program.take_link(id).map_err(attached)?;
    let pin = pins.link(interface);
    let link = FdLink::try_from(link).map_err(|source| AttachError::Link(pin.clone(), source))?;
    link.pin(&pin).map_err(|source| AttachError::Pin(pin, source))?;
    Ok(())
}

/// Puts the program into a pinned link, in place of whatever runs there.
pub(crate) fn replace(
    program: &mut SchedClassifier,
    pins: &Pins,
    interface: InterfaceIndex,
) -> Result<Replaced, AttachError> {
    let pin = pins.link(interface);
    let unusable = |source| AttachError::Link(pin.clone(), source);
    let link = FdLink::from(PinnedLink::from_pin(&pin).map_err(unusable)?);
    let link = SchedClassifierLink::try_from(link).map_err(unusable)?;
    match program.attach_to_link(link) {
        // Taken back at once: the pin keeps the link, and a program that kept it too could not replace it again.
        Ok(id) => {
            program
                .take_link(id)
                .map_err(|source| AttachError::Replace(pin, source))?;
            Ok(Replaced::Done)
        }
        Err(ProgramError::SyscallError(error)) if is_dead(&error) => Ok(Replaced::Dead),
        Err(source) => Err(AttachError::Replace(pin, source)),
    }
}

/// Removes a pin; the kernel takes the program off the interface a moment later, when nothing holds the link any more.
/// Nothing to remove is fine.
pub(crate) fn detach(pins: &Pins, interface: InterfaceIndex) -> Result<(), AttachError> {
    let pin = pins.link(interface);
    match std::fs::remove_file(&pin) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(AttachError::Unpin(pin, error)),
        _ => Ok(()),
    }
}

/// How the program sits on an interface that has a pinned link.
///
/// The kernel tells an agent's capabilities what a link in its hands is attached to by `fdinfo`; listing the programs of
/// an interface would take `CAP_SYS_ADMIN`.
pub(crate) fn attachment(
    pins: &Pins,
    interface: InterfaceIndex,
    current: u32,
) -> Result<Attachment, AttachError> {
    let pin = pins.link(interface);
    let unusable = |source| AttachError::Link(pin.clone(), source);
    let link = FdLink::from(PinnedLink::from_pin(&pin).map_err(unusable)?);
    let link = SchedClassifierLink::try_from(link).map_err(unusable)?;
    let fd = link.fd().map_err(unusable)?.as_raw_fd();
    let told = std::fs::read_to_string(format!("/proc/thread-self/fdinfo/{fd}"))
        .map_err(|source| AttachError::Describe(pin.clone(), source))?;
    Ok(judge(&told, interface, current))
}

/// A link whose interface is gone tells of interface 0.
fn judge(told: &str, interface: InterfaceIndex, current: u32) -> Attachment {
    let number = |name: &str| -> Option<u32> {
        told.lines()
            .find_map(|line| line.strip_prefix(name))?
            .trim()
            .parse()
            .ok()
    };
    if number("ifindex:") != Some(interface.0) {
        Attachment::Dead
    } else if number("prog_id:") == Some(current) {
        Attachment::Current
    } else {
        Attachment::Outdated
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

fn is_dead(error: &SyscallError) -> bool {
    error.io_error.raw_os_error() == Some(libc::ENOLINK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_judged_by_what_the_kernel_tells() {
        let told = "pos:\t0\nlink_type:\ttcx\nlink_id:\t3\nprog_id:\t41\nifindex:\t2\nattach_type:\t46\n";
        assert_eq!(judge(told, InterfaceIndex(2), 41), Attachment::Current);
        assert_eq!(judge(told, InterfaceIndex(2), 42), Attachment::Outdated);
        assert_eq!(
            judge(&told.replace("ifindex:\t2", "ifindex:\t0"), InterfaceIndex(2), 41),
            Attachment::Dead
        );
    }
}
