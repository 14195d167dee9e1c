//! The members object: written when an inventory changes, and when somebody else wrote it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference};
use kube::ResourceExt as _;
use lightship_core::members::{Roster, Usurped};
use lightship_edge::watch::Seen;

use super::World;
use super::observe::is_known;
use super::writes::{Content, Write};
use crate::error::Error;
use crate::members;
use crate::outbox::Target;
use crate::status::Note;

/// The object as it is, and whose each hardware address is.
#[derive(Clone, Debug, Default)]
pub(super) struct Register {
    object: Option<ConfigMap>,
    roster: Roster,
    /// What was told already.
    usurped: BTreeSet<Usurped>,
}

impl World {
    /// Takes in what the watch of the object saw.
    pub(super) fn observe_members(&mut self, seen: Seen<ConfigMap>) -> bool {
        let listed = seen.is_everything();
        let known = self.register.object.iter().map(kube::ResourceExt::name_any);
        let difference = seen.difference(known.collect::<Vec<_>>(), kube::ResourceExt::name_any);
        if !difference.deleted.is_empty() {
            self.register.object = None;
        }
        for object in difference.applied {
            self.observe_member_object(object);
        }
        self.outbox.touch(Target::Members);
        listed
    }

    /// Takes in the object, from the watch or as the answer to a write.
    pub(super) fn observe_member_object(&mut self, object: ConfigMap) {
        if object.name_any() != lightship_crd::members::NAME
            || is_known(&object, self.register.object.as_ref())
        {
            return;
        }
        if self.register.object.is_none() {
            self.register.roster.adopt(&members::read(&object));
        }
        self.register.object = Some(object);
        self.outbox.observed(Target::Members);
    }

    /// The object is gone.
    pub(super) fn forget_members(&mut self) {
        self.register.object = None;
        self.outbox.touch(Target::Members);
    }

    /// The write that makes the object say what the inventories of the nodes that exist tell.
    pub(super) fn members_write(&mut self) -> Result<Option<Write>, Error> {
        let nodes = self.cluster.nodes.keys();
        let beats = &self.cluster.heartbeats;
        let inventories = nodes.filter_map(|node| Some((node, beats.inventory(node)?)));
        let (members, usurped) = self.register.roster.members(inventories);
        for one in usurped.difference(&self.register.usurped) {
            let message = format!(
                "Its agent reports the hardware address {}, which node {} had first: that interface takes no part in \
                 detecting failures; give each node a hardware address of its own",
                one.mac, one.owner
            );
            let note = Note::warning(lightship_crd::event::FOREIGN_HARDWARE_ADDRESS, message);
            self.tales
                .push((vec![note], vec![node_reference(one.node.as_str())]));
        }
        self.register.usurped = usurped;
        let update = members::update(&self.form.namespace, self.register.object.as_ref(), members)?;
        Ok(update.map(|write| Write {
            target: Target::Members,
            content: Content::Members(write),
            notes: vec![],
            regarding: vec![],
        }))
    }
}

/// What events about a node are found by: as the kubelet does, its name in place of its UID.
pub(super) fn node_reference(node: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.to_owned()),
        uid: Some(node.to_owned()),
        ..ObjectReference::default()
    }
}
