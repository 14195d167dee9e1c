//! The flags by which the program passes over tombstones that are not there: `lightship_abi::yielded`.

use aya::maps::{Array, MapData};
use lightship_abi::{
    layout::ResponderV4Key,
    names::YIELDED_V4,
    yielded::{FLAGS, IN_STEP, STATE, UP, slot},
};

use super::MapsError;

pub(super) struct Yielded {
    map: Array<MapData, u64>,
    is_in_step: bool,
}

impl Yielded {
    /// Has programs look at every tombstone for now: an earlier version's raises no flags.
    pub(super) fn of(map: Array<MapData, u64>) -> Result<Self, MapsError> {
        let mut yielded = Self {
            map,
            is_in_step: false,
        };
        yielded.set(STATE, 0)?;
        Ok(yielded)
    }

    /// Whether [`Self::bring_in_step`] has been done.
    pub(super) const fn is_in_step(&self) -> bool {
        self.is_in_step
    }

    /// Brings the flags in step with the tombstones, whose keys `left` reads, once no program runs any more that raises no
    /// flags. The program may leave one at any moment and raises its flag after that: if the flag is taken down here, the
    /// tombstone is there when they are read.
    pub(super) fn bring_in_step(
        &mut self,
        left: impl FnOnce() -> Result<Vec<[u8; 8]>, MapsError>,
    ) -> Result<(), MapsError> {
        for flag in 0..FLAGS {
            self.set(flag, 0)?;
        }
        for key in left()? {
            self.set(slot(ResponderV4Key::from_bytes(key).octets()), UP)?;
        }
        self.set(STATE, IN_STEP)?;
        self.is_in_step = true;
        Ok(())
    }

    fn set(&mut self, slot: u32, value: u64) -> Result<(), MapsError> {
        self.map
            .set(slot, value, 0)
            .map_err(|source| MapsError::Write(YIELDED_V4, source))
    }
}
