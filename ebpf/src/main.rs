//! The responder.
#![no_std]
#![no_main]
