//! Options of packet sockets that nix does not know.
#![expect(unsafe_code, reason = "there is no safe way to set these")]

use std::os::fd::{AsRawFd as _, OwnedFd};

use libc::{c_int, c_uint, sock_filter, sock_fprog, socklen_t};
use nix::errno::Errno;

/// Of Linux's `if_packet.h`.
const PACKET_IGNORE_OUTGOING: c_int = 23;

/// Sees nothing that this host sends.
pub(super) fn ignore_outgoing(socket: &OwnedFd) -> Result<(), Errno> {
    set(socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &1_i32)
}

/// Receives only what a filter lets through.
pub(super) fn attach(socket: &OwnedFd, filter: &'static [sock_filter]) -> Result<(), Errno> {
    let program = sock_fprog {
        len: filter.len().try_into().map_err(|_| Errno::EINVAL)?,
        // The kernel only reads it.
        filter: filter.as_ptr().cast_mut(),
    };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// How many frames found no room since this was last asked.
pub(super) fn dropped(socket: &OwnedFd) -> Option<u64> {
    /// `struct tpacket_stats` of Linux's `if_packet.h`.
    #[repr(C)]
    #[derive(Default)]
    struct Statistics {
        packets: c_uint,
        drops: c_uint,
    }
    let mut statistics = Statistics::default();
    let mut length = length_of::<Statistics>();
    // SAFETY: the pointers are to a whole value of the type that the option gives, and to its length.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut length,
        )
    };
    (status == 0).then_some(statistics.drops.into())
}

fn set<T>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> Result<(), Errno> {
    // SAFETY: the pointer is to a whole value of the given length, of the type that the option takes.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            length_of::<T>(),
        )
    };
    Errno::result(status).map(drop)
}

#[expect(clippy::cast_possible_truncation, reason = "options are short")]
fn length_of<T>() -> socklen_t {
    size_of::<T>() as socklen_t
}
