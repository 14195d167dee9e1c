//! TCX: a pinned link for each interface, first in order. A link lives by its pin, so nothing here detaches by dropping
//! something; replacing a link's program is atomic and keeps its place in the order.

use std::os::fd::AsRawFd as _;

use aya::{
    programs::{
        LinkOrder, MultiProgLink as _, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, PinnedLink},
        tc::{SchedClassifierLink, TcAttachOptions},
    },
    sys::SyscallError,
};

use super::{AttachError, Replaced, name_of, unpin};
use crate::{entry::InterfaceIndex, pins::Pins, plan::Attachment};

/// Attaches the program, first in order, and pins the link. A pin left behind by an interface that had this index
/// before is removed.
pub(super) fn attach(
    program: &mut SchedClassifier,
    pins: &Pins,
    interface: InterfaceIndex,
) -> Result<(), AttachError> {
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
pub(super) fn replace(
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
pub(super) fn detach(pins: &Pins, interface: InterfaceIndex) -> Result<(), AttachError> {
    unpin(pins.link(interface))
}

/// How the program sits on an interface that has a pinned link.
///
/// The kernel tells an agent's capabilities what a link in its hands is attached to by `fdinfo`; listing the programs of
/// an interface would take `CAP_SYS_ADMIN`.
pub(super) fn attachment(
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
