//! The `lightship` binary.
fn main() {}
