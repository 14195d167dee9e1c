//! clsact: a filter of our own priority and handle for each interface. A filter lives until it is removed; pinning its
//! program beside the maps is how the next process, and a cleanup, know where to look.
//!
//! While the kernel adds the qdisc to a device, it drops what the device sends in that moment.
//! The qdisc stays when the filter goes: others may have put theirs there meanwhile, and an empty one does nothing.

use std::{fs, io, mem};

use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType,
    links::Link as _,
    tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle, qdisc_add_clsact},
};
use rtnetlink::packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcFilterBpfOption, TcHandle as Handle, TcMessage, TcOption},
};

use super::{AttachError, Replaced, name_of, unpin};
use crate::{conversation::Conversation, entry::InterfaceIndex, pins::Pins, plan::Attachment};

/// The first there is. Of filters with one priority the kernel runs the one attached last first.
const PRIORITY: u16 = 1;

/// "LS": others' tools number from 1.
const HANDLE: TcHandle = TcHandle::new(0, 0x4c53);

/// `ETH_P_ALL`.
const EVERY_PROTOCOL: u16 = 3;

pub(super) fn attach(
    program: &mut SchedClassifier,
    pins: &Pins,
    interface: InterfaceIndex,
) -> Result<(), AttachError> {
    let name = name_of(interface)?;
    match qdisc_add_clsact(&name) {
        Err(TcError::NetlinkError(error)) if error.raw_os_error() == Some(libc::EEXIST) => {}
        added => added.map_err(|source| AttachError::Qdisc(name.clone(), source))?,
    }
    // The pin first: a filter without one would never be found again.
    pin(program, pins, interface)?;
    let options = NlOptions {
        priority: PRIORITY,
        handle: HANDLE,
        classid: None,
    };
    let attached =
        program.attach_with_options(&name, TcAttachType::Ingress, TcAttachOptions::Netlink(options));
    let link = match attached {
        Ok(id) => program.take_link(id),
        Err(error) if errno(&error) == Some(libc::EEXIST) => put(program, &name),
        Err(error) => Err(error),
    };
    mem::forget(link.map_err(|source| AttachError::Attach { name, source })?);
    Ok(())
}

/// Puts the program into a filter, in place of whatever runs there.
pub(super) fn replace(
    program: &mut SchedClassifier,
    pins: &Pins,
    interface: InterfaceIndex,
) -> Result<Replaced, AttachError> {
    if program_of(interface)?.is_none() {
        return Ok(Replaced::Dead);
    }
    let name = name_of(interface)?;
    let link = put(program, &name).map_err(|source| AttachError::Attach { name, source })?;
    mem::forget(link);
    pin(program, pins, interface)?;
    Ok(Replaced::Done)
}

/// The link must be forgotten: dropping it would remove the filter.
fn put(program: &mut SchedClassifier, name: &str) -> Result<SchedClassifierLink, ProgramError> {
    let filter = SchedClassifierLink::attached(name, TcAttachType::Ingress, PRIORITY, HANDLE, None)
        .map_err(TcError::IoError)?;
    let id = program.attach_to_link(filter)?;
    program.take_link(id)
}

/// Removes the filter and its pin. Nothing to remove is fine; without a pin there is nothing of ours.
pub(super) fn detach(pins: &Pins, interface: InterfaceIndex) -> Result<(), AttachError> {
    let pin = pins.filter(interface);
    if !pin.exists() {
        return Ok(());
    }
    if program_of(interface)?.is_some() {
        let name = name_of(interface)?;
        let filter = SchedClassifierLink::attached(&name, TcAttachType::Ingress, PRIORITY, HANDLE, None)
            .map_err(|source| AttachError::Filter(interface, source))?;
        filter
            .detach()
            .map_err(|source| AttachError::RemoveFilter(interface, source))?;
    }
    unpin(pin)
}

pub(super) fn attachment(interface: InterfaceIndex, current: u32) -> Result<Attachment, AttachError> {
    Ok(match program_of(interface)? {
        None => Attachment::Dead,
        Some(program) if program == current => Attachment::Current,
        Some(_) => Attachment::Outdated,
    })
}

/// Pins the program of a filter; a pin that is there is replaced in one step.
fn pin(program: &mut SchedClassifier, pins: &Pins, interface: InterfaceIndex) -> Result<(), AttachError> {
    let pin = pins.filter(interface);
    let fresh = pins.own().join(format!("fresh_{interface}"));
    unpin(fresh.clone())?;
    program
        .pin(&fresh)
        .map_err(|source| AttachError::Pin(fresh.clone(), source))?;
    fs::rename(&fresh, &pin).map_err(|source| AttachError::Unpin(pin, source))
}

/// The id of the program in our filter on an interface; none where there is no such filter or interface.
fn program_of(interface: InterfaceIndex) -> Result<Option<u32>, AttachError> {
    let failed = |source| AttachError::Filter(interface, source);
    let mut question = TcMessage::default();
    question.header.index = i32::try_from(interface.0).unwrap_or_default();
    question.header.handle = Handle::from(u32::from(HANDLE));
    question.header.parent = Handle {
        minor: Handle::MIN_INGRESS,
        ..Handle::CLSACT
    };
    question.header.info = u32::from(PRIORITY) << 16 | u32::from(EVERY_PROTOCOL.to_be());
    let kernel = Conversation::open().map_err(failed)?;
    match kernel.fetch(RouteNetlinkMessage::GetTrafficFilter(question)) {
        Ok(RouteNetlinkMessage::NewTrafficFilter(filter)) => Ok(program_in(&filter)),
        Ok(_) => Err(failed(io::ErrorKind::InvalidData.into())),
        // No filter, no qdisc, no interface.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::ENOENT | libc::EINVAL | libc::ENODEV)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(failed(error)),
    }
}

fn program_in(filter: &TcMessage) -> Option<u32> {
    let options = filter.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    })?;
    options.iter().find_map(|option| match option {
        TcOption::Bpf(TcFilterBpfOption::ProgId(program)) => Some(*program),
        _ => None,
    })
}

fn errno(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::TcError(TcError::NetlinkError(error)) => error.raw_os_error(),
        _ => None,
    }
}
