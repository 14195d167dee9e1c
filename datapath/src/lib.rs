//! Loads, attaches and feeds the eBPF responder.
