//! Carries out a plan. This alone changes what the kernel does with frames; a failing action stops no other.

use crate::{
    announce::AnnounceError,
    attach::{self, AttachError},
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
            Action::SetMac(interface, mac) => self.maps.set_mac(interface, mac)?,
            Action::ForgetMac(interface) => self.maps.forget_mac(interface)?,
            Action::AddEntry(entry) => self.maps.add(entry)?,
            Action::RemoveEntry(entry) => self.maps.remove(entry)?,
            Action::JoinGroup(group) => self.groups.join(group)?,
            Action::LeaveGroup(group) => self.groups.leave(group)?,
            Action::Announce(entry, mac) => self.announcer.announce(entry, mac)?,
            Action::Detach(interface) => attach::detach(&self.pins, interface)?,
            Action::Attach(interface) => self.attach(interface)?,
            Action::Replace(interface) => self.replace(interface)?,
        }
        Ok(())
    }
}
