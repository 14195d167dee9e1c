//! The agent: carries out the leases of its node in the kernel.
