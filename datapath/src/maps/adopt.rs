//! Adopting maps that an earlier process or another program pinned, once their shape is found to fit.

use std::fmt;

use aya::{
    EbpfLoader,
    maps::{MapInfo, MapType},
};
use lightship_abi::{
    names::{
        ECHO_BUCKETS, HOLDS_V4, HOLDS_V6, INTERFACES, LIVENESS, OUTCOMES, OUTCOMES_V4, OUTCOMES_V6,
        RESPONDER_V4, RESPONDER_V6, SUFFIXES_V4, TOMBSTONES_V4, TOMBSTONES_V6, TRACE, TRACED, WAKEUPS,
        YIELDED_V4,
    },
    outcome::{ENTRY_OUTCOMES_LEN, OUTCOME_SLOTS},
    suffix,
    trace::{self, FILTER_LEN},
    wakeup::RING_BYTES,
    yielded,
};

use super::MapsError;
use crate::pins::Pins;

/// The shape of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    pub(super) kind: MapType,
    pub(super) key_size: u32,
    pub(super) value_size: u32,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, key, value) = (self.word(), self.key_size, self.value_size);
        write!(f, "of type {kind} with keys of {key} and values of {value} bytes")
    }
}

impl Layout {
    #[expect(clippy::cast_possible_truncation, reason = "lengths of small values")]
    fn expected(name: &str) -> Self {
        let (kind, key_size, value_size) = match name {
            LIVENESS | SUFFIXES_V4 | YIELDED_V4 => (MapType::Array, 4, 8),
            TRACE => (MapType::Array, 4, FILTER_LEN as u32),
            OUTCOMES | ECHO_BUCKETS => (MapType::PerCpuArray, 4, 8),
            INTERFACES => (MapType::Hash, 4, 8),
            RESPONDER_V6 => (MapType::Hash, 24, 8),
            HOLDS_V4 => (MapType::Hash, 8, 16),
            HOLDS_V6 => (MapType::Hash, 24, 16),
            TOMBSTONES_V4 => (MapType::Hash, 8, 24),
            TOMBSTONES_V6 => (MapType::Hash, 24, 24),
            OUTCOMES_V4 => (MapType::Hash, 8, ENTRY_OUTCOMES_LEN as u32),
            OUTCOMES_V6 => (MapType::Hash, 24, ENTRY_OUTCOMES_LEN as u32),
            WAKEUPS | TRACED => (MapType::RingBuf, 0, 0),
            // The responder's of IPv4, and the members.
            _ => (MapType::Hash, 8, 8),
        };
        Self {
            kind,
            key_size,
            value_size,
        }
    }

    /// The kernel's word for the type, for those that are ours.
    pub(super) fn word(&self) -> String {
        match self.kind {
            MapType::Hash => "hash".to_owned(),
            MapType::Array => "array".to_owned(),
            MapType::PerCpuArray => "percpu_array".to_owned(),
            MapType::RingBuf => "ringbuf".to_owned(),
            other => format!("{other:?}"),
        }
    }

    pub(super) fn of(info: &MapInfo) -> Self {
        Self {
            kind: info.map_type().unwrap_or(MapType::Unspecified),
            key_size: info.key_size(),
            value_size: info.value_size(),
        }
    }
}

/// Makes the loader use what is pinned, and pin what is not, after checking that what is pinned fits. A map of our own
/// that does not fit is from another version of ours and goes; one that others share is refused.
pub(crate) fn adopt(loader: &mut EbpfLoader<'_>, pins: &Pins, capacity: u32) -> Result<(), MapsError> {
    for (responder, others) in [
        (RESPONDER_V4, [HOLDS_V4, TOMBSTONES_V4, OUTCOMES_V4]),
        (RESPONDER_V6, [HOLDS_V6, TOMBSTONES_V6, OUTCOMES_V6]),
    ] {
        // What belongs to an entry has room for as many as there can be.
        let adopted = MapInfo::from_pin(pins.map(responder)).map_or(capacity, |info| info.max_entries());
        loader.map_max_entries(responder, capacity);
        for name in others {
            loader.map_max_entries(name, capacity.max(adopted));
        }
    }
    for (name, pin) in pins.maps() {
        if let Ok(info) = MapInfo::from_pin(&pin) {
            let (found, expected) = (Layout::of(&info), Layout::expected(name));
            let sized = match name {
                OUTCOMES => info.max_entries() == OUTCOME_SLOTS,
                WAKEUPS => info.max_entries() == RING_BYTES,
                TRACED => info.max_entries() == trace::RING_BYTES,
                SUFFIXES_V4 => info.max_entries() == suffix::WORDS,
                YIELDED_V4 => info.max_entries() == yielded::SLOTS,
                _ => true,
            };
            let fits = found == expected && sized;
            let is_shared = name == RESPONDER_V4 || name == RESPONDER_V6;
            if !fits && is_shared {
                return Err(MapsError::Layout {
                    pin: pin.display().to_string(),
                    found,
                    expected,
                });
            }
            if !fits {
                std::fs::remove_file(&pin).map_err(|source| MapsError::Remove(pin.clone(), source))?;
            }
            if is_shared && info.max_entries() != capacity {
                let (kept, asked) = (info.max_entries(), capacity);
                tracing::warn!(
                    map = name,
                    kept,
                    asked,
                    "adopted map keeps its capacity; a cleanup lets it change"
                );
            }
        }
        loader.map_pin_path(name, pin);
    }
    Ok(())
}
