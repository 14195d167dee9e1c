//! Any frame that the filter might let through: what is heard of it is held against the book. The checksum of what is
//! nearly an advertisement is put right first, which no fuzzer would find.
#![no_main]

#[path = "../../datapath/src/probe/heard/book.rs"]
mod book;
mod entry;
#[path = "../../datapath/src/probe/heard.rs"]
mod heard;

use entry::InterfaceIndex;

fn check(frame: &[u8]) {
    let heard = heard::read(InterfaceIndex(7), frame, 5);
    let read = heard.map(|heard| (heard.from.0, heard.address, heard.number));
    assert_eq!(read, book::told(frame));
}

libfuzzer_sys::fuzz_target!(|frame: &[u8]| {
    check(frame);
    if let Some(mended) = book::mended(frame) {
        check(&mended);
    }
});
