//! Carries out a plan. This alone changes what the kernel does with frames; a failing action stops no other.

use lightship_abi::{mac::MacAddress, order::Order};

use crate::{
    announce::AnnounceError,
    attach::{self, AttachError},
    entry::Entry,
    groups::GroupError,
    loader::Datapath,
    maps::MapsError,
    plan::Action,
};

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// A map could not be changed.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// A link could not be changed.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A group could not be joined or left.
    #[error(transparent)]
    Groups(#[from] GroupError),
    /// An announcement was not sent.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

/// An action that failed. Planning again, from what is then observed, tries it again; only an announcement is not tried
/// again, because its entry is then no longer new.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// What was to be done.
    pub action: Action,
    /// Why it was not.
    #[source]
    pub error: ExecuteError,
}

impl Datapath {
    /// Carries out the actions in order and returns those that failed.
    pub fn execute(&mut self, actions: &[Action]) -> Vec<Failure> {
        let attempt = |action: &Action| {
            let error = self.carry_out(*action).err()?;
            Some(Failure {
                action: *action,
                error,
            })
        };
        actions.iter().filter_map(attempt).collect()
    }

    fn carry_out(&mut self, action: Action) -> Result<(), ExecuteError> {
        match action {
            Action::Pin(map) => self.shared.pin(map)?,
            Action::SetMac(interface, mac) => self.maps.set_mac(interface, mac)?,
            Action::ForgetMac(interface) => self.maps.forget_mac(interface)?,
            Action::SetMember(mac, member) => self.maps.set_member(mac, member)?,
            Action::ForgetMember(mac) => self.maps.forget_member(mac)?,
            Action::AddEntry(entry, hold) => self.maps.add(entry, hold)?,
            Action::SetHold(entry, hold) => self.maps.set_hold(entry, hold)?,
            Action::RemoveEntry(entry) => self.maps.remove(entry)?,
            Action::JoinGroup(group) => self.groups.join(group)?,
            Action::LeaveGroup(group) => self.groups.leave(group)?,
            Action::Announce(entry, mac, order) => {
                self.refuse_unless_answered(entry)?;
                self.announcer.announce(entry, mac, order)?;
            }
            Action::Detach(interface) => attach::detach(&self.pins, interface)?,
            Action::Attach(interface) => {
                self.unattached.insert(interface);
                self.attach(interface)?;
                self.unattached.remove(&interface);
            }
            Action::Replace(interface) => self.replace(interface)?,
        }
        Ok(())
    }

    /// Tells one station what an announcement tells all: that this node has the entry's address, by a binding of this
    /// order. For a machine that resumed and does not know yet.
    ///
    /// # Errors
    /// If the entry is not there or yielded meanwhile, its interface has no known hardware address, or the frame is not sent.
    pub fn claim_to(&self, entry: Entry, order: Order, to: MacAddress) -> Result<(), ExecuteError> {
        self.refuse_unless_answered(entry)?;
        let mac = self
            .maps
            .mac(entry.interface)?
            .ok_or(AnnounceError::UnknownMac(entry))?;
        self.announcer.claim_to(entry, mac, order, to)?;
        Ok(())
    }

    /// Whoever hears of an address here asks here from then on. A plan announces right behind the entry, which may have
    /// failed; and a schedule may not have heard yet that the entry is another's.
    fn refuse_unless_answered(&self, entry: Entry) -> Result<(), ExecuteError> {
        if let Some(tombstone) = self.maps.fence(entry)?.standing() {
            return Err(AnnounceError::Yielded(entry, tombstone.mac).into());
        }
        if self.unattached.contains(&entry.interface) || !self.maps.has(entry)? {
            return Err(AnnounceError::Unanswered(entry).into());
        }
        Ok(())
    }
}
