//! Descriptors that can be waited for on tokio's runtime.

use std::{io, os::fd::AsRawFd};

use tokio::io::{Interest, unix::AsyncFd};

use crate::{probe::Probes, trace::Trace, wakeups::Wakeups};

impl Probes {
    /// Something that becomes ready when a frame was heard.
    ///
    /// # Errors
    /// If the runtime cannot wait for it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn readable(self) -> io::Result<AsyncFd<Self>> {
        register(self)
    }
}

impl Wakeups {
    /// Something that becomes ready when the program tells something.
    ///
    /// # Errors
    /// If the runtime cannot wait for it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn readable(self) -> io::Result<AsyncFd<Self>> {
        register(self)
    }
}

impl Trace {
    /// Something that becomes ready when a frame was seen.
    ///
    /// # Errors
    /// If the runtime cannot wait for it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn readable(self) -> io::Result<AsyncFd<Self>> {
        register(self)
    }
}

fn register<T: AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    #[expect(unsafe_code, reason = "the runtime trusts its caller about descriptors")]
    // SAFETY: all three types own their one descriptor, never replace it, and close it when they are dropped.
    let registered = unsafe { AsyncFd::register_with_interest(inner, Interest::READABLE) };
    Ok(registered?)
}
