//! Conditions: set by type, with a transition time that moves only when the status does.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The API server refuses longer messages.
const LONGEST_MESSAGE: usize = 32_768;

/// What a condition is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saying<'a> {
    /// Its type.
    pub(crate) type_: &'static str,
    /// `True`, `False` or `Unknown`.
    pub(crate) status: &'static str,
    /// Its reason.
    pub(crate) reason: &'a str,
    /// Its message.
    pub(crate) message: String,
}

/// The conditions of an object while they are being rewritten.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conditions {
    list: Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl Conditions {
    /// Starts from what the object says now; those of others are kept as they are.
    pub(crate) fn new(present: &[Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            list: present.to_vec(),
            generation,
            now,
        }
    }

    /// The condition of a type.
    pub(crate) fn get(&self, type_: &str) -> Option<&Condition> {
        self.list.iter().find(|one| one.type_ == type_)
    }

    /// Sets a condition; one that says the same already is left alone, its time included.
    pub(crate) fn set(&mut self, saying: Saying<'_>) {
        let message = super::shortened(saying.message, LONGEST_MESSAGE);
        let place = self.list.iter().position(|one| one.type_ == saying.type_);
        let present = place.and_then(|place| self.list.get(place));
        let since = present
            .filter(|one| one.status == saying.status)
            .map(|one| one.last_transition_time.clone());
        let condition = Condition {
            last_transition_time: since.unwrap_or(Time(self.now)),
            message,
            observed_generation: self.generation,
            reason: saying.reason.to_owned(),
            status: saying.status.to_owned(),
            type_: saying.type_.to_owned(),
        };
        match place.and_then(|place| self.list.get_mut(place)) {
            Some(present) => *present = condition,
            None => self.list.push(condition),
        }
    }

    /// Takes a condition away.
    pub(crate) fn remove(&mut self, type_: &str) {
        self.list.retain(|one| one.type_ != type_);
    }

    /// The rewritten conditions.
    pub(crate) fn into_list(self) -> Vec<Condition> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saying(status: &'static str, message: &str) -> Saying<'static> {
        Saying {
            type_: "cilium.io/PoolConflict",
            status,
            reason: "resolved",
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_time_moves_with_the_status_only() {
        let (early, late) = (
            Timestamp::from_second(1).unwrap(),
            Timestamp::from_second(2).unwrap(),
        );
        let mut first = Conditions::new(&[], Some(1), early);
        first.set(saying("False", ""));
        let list = first.into_list();
        let mut again = Conditions::new(&list, Some(1), late);
        again.set(saying("False", ""));
        assert_eq!(again.clone().into_list(), list);
        again.set(saying("False", "other words"));
        assert_eq!(again.clone().into_list()[0].last_transition_time, Time(early));
        again.set(saying("True", ""));
        assert_eq!(again.into_list()[0].last_transition_time, Time(late));
    }

    #[test]
    fn what_is_said_again_is_said_of_the_generation_at_hand() {
        let early = Timestamp::from_second(1).unwrap();
        let mut first = Conditions::new(&[], Some(1), early);
        first.set(saying("False", ""));
        let list = first.into_list();
        let mut again = Conditions::new(&list, Some(2), Timestamp::from_second(2).unwrap());
        again.set(saying("False", ""));
        let list = again.into_list();
        assert_eq!(
            (list[0].observed_generation, &list[0].last_transition_time),
            (Some(2), &Time(early))
        );
    }

    #[test]
    fn a_message_is_no_longer_than_the_api_server_takes() {
        let mut conditions = Conditions::new(&[], None, Timestamp::UNIX_EPOCH);
        conditions.set(saying("True", &"é".repeat(20_000)));
        let said = conditions.into_list().remove(0).message;
        assert!(said.len() <= 32_768 && said.len() > 32_700 && said.ends_with("é…"));
    }
}
