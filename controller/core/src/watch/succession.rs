//! A group whose primary is another than before.

use super::Watch;
use super::group::Claim;
use crate::names::ServiceId;

impl Watch {
    /// From now on another lease is the authority on a group: what this node found out about its addresses stays true. The new
    /// primary's lease is to be observed right after.
    pub fn succeed_primary(&mut self, old: &ServiceId, new: &ServiceId) {
        if self.groups.contains_key(new) {
            // Two groups merge: what was refuted of the one's addresses is refuted still.
            let fence = self.groups.get(old).and_then(|group| group.fence);
            return self.change(new, |group| group.fence = group.fence.or(fence));
        }
        let Some(mut group) = self.groups.remove(old) else {
            return;
        };
        self.busy.remove(old);
        for address in group.view.addresses() {
            self.index.remove(address, old);
            self.index.add(address, new);
        }
        // A claim that is under way is one of the old lease, and its answer will not be told of this group.
        if let Some(Claim::Asked { .. } | Claim::Listening { .. }) = group.claim {
            group.claim = None;
        }
        for chase in self.probing.chases.values_mut() {
            if chase.groups.remove(old) {
                chase.groups.insert(new.clone());
            }
        }
        for primary in [old, new] {
            self.probing.unlisted.add(primary);
        }
        self.keep(new, group);
    }
}
