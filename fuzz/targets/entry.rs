//! What the reading of answers needs of the data path.

/// As the data path's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceIndex(pub u32);
