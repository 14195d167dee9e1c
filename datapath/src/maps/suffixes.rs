//! The bitmap by which the program tells cheaply that a sender's address is none of ours: `lightship_abi::suffix`.

use aya::maps::{Array, MapData};
use lightship_abi::{layout::ResponderV4Key, names::SUFFIXES_V4, suffix};

use super::MapsError;

pub(super) struct Suffixes {
    map: Array<MapData, u64>,
    words: Vec<u64>,
}

impl Suffixes {
    /// Brings the map in step with these entries. The program that runs meanwhile may be an earlier process's, which
    /// needs every bit that is set here, and no other.
    pub(super) fn of(mut map: Array<MapData, u64>, entries: &[[u8; 8]]) -> Result<Self, MapsError> {
        let mut words = vec![0; suffix::WORDS as usize];
        for key in entries {
            let (word, bit) = place(*key);
            if let Some(word) = words.get_mut(word as usize) {
                *word |= bit;
            }
        }
        for (index, word) in (0..).zip(&words) {
            map.set(index, word, 0)
                .map_err(|source| MapsError::Write(SUFFIXES_V4, source))?;
        }
        Ok(Self { map, words })
    }

    /// Adds an entry's. It stays when the entry goes, until the map is brought in step again: a bit too many costs a
    /// look-up.
    pub(super) fn add(&mut self, key: [u8; 8]) -> Result<(), MapsError> {
        let (index, bit) = place(key);
        let Some(word) = self.words.get_mut(index as usize) else {
            return Ok(());
        };
        if *word & bit == 0 {
            let with = *word | bit;
            self.map
                .set(index, with, 0)
                .map_err(|source| MapsError::Write(SUFFIXES_V4, source))?;
            *word = with;
        }
        Ok(())
    }
}

fn place(key: [u8; 8]) -> (u32, u64) {
    suffix::place(ResponderV4Key::from_bytes(key).octets())
}
