//! Where things are pinned. bpffs refuses names with a dot, which interface names may have, so links go by index.

use std::path::{Path, PathBuf};

use lightship_abi::names::{
    ECHO_BUCKETS, HOLDS_V4, HOLDS_V6, INGRESS_FILTER_PREFIX, INGRESS_LINK_PREFIX, INTERFACES, LIVENESS,
    MEMBERS, OUTCOMES, OUTCOMES_V4, OUTCOMES_V6, OWN_PIN_DIRECTORY, RESPONDER_V4, RESPONDER_V6,
    SHARED_PIN_DIRECTORY, SUFFIXES_V4, TOMBSTONES_V4, TOMBSTONES_V6, TRACE, TRACED, WAKEUPS, YIELDED_V4,
};

use crate::entry::InterfaceIndex;

/// The pins below one mount of bpffs.
#[derive(Clone, Debug)]
pub(crate) struct Pins {
    bpffs: PathBuf,
}

impl Pins {
    pub(crate) fn new(bpffs: &Path) -> Self {
        Self {
            bpffs: bpffs.to_path_buf(),
        }
    }

    /// The directory of maps that other programs look for by Cilium's names.
    pub(crate) fn shared(&self) -> PathBuf {
        self.bpffs.join(SHARED_PIN_DIRECTORY)
    }

    /// The directory of what is ours alone.
    pub(crate) fn own(&self) -> PathBuf {
        self.bpffs.join(OWN_PIN_DIRECTORY)
    }

    pub(crate) fn map(&self, name: &str) -> PathBuf {
        if name == RESPONDER_V4 || name == RESPONDER_V6 {
            self.shared().join(name)
        } else {
            self.own().join(name)
        }
    }

    /// Every map of ours, with its name.
    pub(crate) fn maps(&self) -> [(&'static str, PathBuf); 18] {
        [
            RESPONDER_V4,
            RESPONDER_V6,
            INTERFACES,
            LIVENESS,
            OUTCOMES,
            ECHO_BUCKETS,
            HOLDS_V4,
            HOLDS_V6,
            TOMBSTONES_V4,
            TOMBSTONES_V6,
            MEMBERS,
            WAKEUPS,
            OUTCOMES_V4,
            OUTCOMES_V6,
            SUFFIXES_V4,
            YIELDED_V4,
            TRACE,
            TRACED,
        ]
        .map(|name| (name, self.map(name)))
    }

    pub(crate) fn link(&self, interface: InterfaceIndex) -> PathBuf {
        self.own().join(format!("{INGRESS_LINK_PREFIX}{interface}"))
    }

    /// Where the program of a filter is pinned, which says that there is a filter.
    pub(crate) fn filter(&self, interface: InterfaceIndex) -> PathBuf {
        self.own().join(format!("{INGRESS_FILTER_PREFIX}{interface}"))
    }

    /// The interfaces that have a pinned link, by the names of the pins.
    pub(crate) fn linked(&self) -> std::io::Result<Vec<InterfaceIndex>> {
        self.named(INGRESS_LINK_PREFIX)
    }

    /// The interfaces that have a filter, by the names of the pins.
    pub(crate) fn filtered(&self) -> std::io::Result<Vec<InterfaceIndex>> {
        self.named(INGRESS_FILTER_PREFIX)
    }

    fn named(&self, prefix: &str) -> std::io::Result<Vec<InterfaceIndex>> {
        let entries = match self.own().read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut linked = Vec::new();
        for entry in entries {
            linked.extend(interface_of(prefix, &entry?.file_name().to_string_lossy()));
        }
        linked.sort_unstable();
        Ok(linked)
    }
}

fn interface_of(prefix: &str, pin: &str) -> Option<InterfaceIndex> {
    pin.strip_prefix(prefix)?.parse().ok().map(InterfaceIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_found_again_by_its_pin() {
        let pins = Pins::new(Path::new("/sys/fs/bpf"));
        let pin = pins.link(InterfaceIndex(42));
        assert_eq!(pin, Path::new("/sys/fs/bpf/lightship/ingress_42"));
        assert_eq!(
            interface_of(INGRESS_LINK_PREFIX, "ingress_42"),
            Some(InterfaceIndex(42))
        );
        assert_eq!(interface_of(INGRESS_LINK_PREFIX, "lightship_outcomes"), None);
        assert_eq!(interface_of(INGRESS_LINK_PREFIX, "ingress_eth0"), None);
    }

    #[test]
    fn the_map_of_the_guides_is_where_the_guides_look() {
        let pins = Pins::new(Path::new("/sys/fs/bpf"));
        assert_eq!(
            pins.map(RESPONDER_V4),
            Path::new("/sys/fs/bpf/tc/globals/cilium_l2_responder_v4")
        );
    }
}
