//! Any frame: what the decision makes of it is checked against the book.
#![no_main]

#[path = "../../datapath/abi/tests/model/mod.rs"]
mod model;
#[path = "../../datapath/abi/tests/node/mod.rs"]
mod node;
#[path = "../../datapath/abi/tests/wire/mod.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|frame: &[u8]| wire::check(frame));
