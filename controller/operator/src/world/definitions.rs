//! Definitions in whose place somebody else's stand: what is held back until ours are there again.

use k8s_openapi::api::core::v1::ObjectReference;
use lightship_core::time::Instant;
use lightship_crd::event;
use lightship_crd::standing::{APPLY, Replaced, Standing};
use tracing::{info, warn};

use super::World;
use crate::definitions::Definition;
use crate::outbox::Target;
use crate::status::Note;

impl World {
    /// Takes in how a definition stands. Ours is told only behind a list of objects that was read under it.
    pub(super) fn observe_definition(&mut self, definition: Definition, standing: Standing, now: Instant) {
        match standing {
            Standing::Replaced(by) => {
                if self.replaced.get(&definition) != Some(&by) {
                    self.hold_still(definition, by);
                }
            }
            Standing::Ours | Standing::Unprotected => {
                if let Some(by) = self.replaced.remove(&definition) {
                    self.go_on(definition, &by, now);
                }
            }
        }
    }

    fn hold_still(&mut self, definition: Definition, by: Replaced) {
        let meanwhile = match definition {
            Definition::Pools => "no address is given or taken away, and no pool's status is written",
            Definition::Policies => "no policy's status is written",
        };
        warn!(
            definition = by.name,
            "{by}: {meanwhile} until ours is back: {APPLY}"
        );
        let told = format!("{by}: {meanwhile} until Lightship's definition is back: {APPLY}");
        let note = Note::warning(event::DEFINITION_REPLACED, told);
        self.tales.push((vec![note], vec![reference(&by.name)]));
        if definition == Definition::Pools {
            self.ipam.freeze(format!(
                "{by}, so what pools say cannot be believed; put Lightship's definition back: {APPLY}"
            ));
            self.tell_everybody();
        }
        self.replaced.insert(definition, by);
    }

    fn go_on(&mut self, definition: Definition, by: &Replaced, now: Instant) {
        info!(definition = by.name, "is ours again");
        let note = Note::normal(
            event::DEFINITION_RESTORED,
            format!("{} is Lightship's again", by.name),
        );
        self.tales.push((vec![note], vec![reference(&by.name)]));
        match definition {
            Definition::Pools => {
                // Before everything was listed, the last list starts it.
                if self.is_complete() {
                    self.ipam.start(now);
                }
                self.tell_everybody();
                self.touch_pools();
            }
            Definition::Policies => self.touch_policies(),
        }
    }

    /// Whether objects of a kind keep all that is written to them.
    pub(super) fn keeps_what_is_written(&self, definition: Definition) -> bool {
        !self.replaced.contains_key(&definition)
    }

    /// What services are told differs from what was decided about them last.
    fn tell_everybody(&mut self) {
        for id in self.services.keys() {
            self.outbox.touch(Target::Service(id.clone()));
        }
    }
}

/// What an event about a definition is found by.
fn reference(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("apiextensions.k8s.io/v1".to_owned()),
        kind: Some("CustomResourceDefinition".to_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    }
}
