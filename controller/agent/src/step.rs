//! When the kernel is brought in step with what was decided. That takes the longer the more there is, so after the
//! second of two steps that follow each other it is left alone for a while: what a node's death brings within that time is
//! carried out together, and what comes alone is carried out at once.

use std::time::Duration;

use lightship_core::time::Instant;
use lightship_datapath::plan::View;

/// How many times as long as a look at the kernel took it is left alone afterwards.
const REST: u32 = 10;

/// How long the kernel is left alone at most.
const LONGEST_REST: Duration = Duration::from_millis(25);

/// Whether it is looked at what the kernel holds, although nothing was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audit {
    /// What was decided is compared with what is known of the kernel.
    IfChanged,
    Now,
}

/// How far the kernel is behind.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// The revision that the kernel was last brought in step with.
    carried_out: u64,
    /// Whether it is to be compared although nothing was decided.
    is_asked: bool,
    /// Until then the kernel is left alone.
    rests: Instant,
    /// A look after that moment does not follow another.
    quiet: Instant,
    /// Whether every lease had been seen: what is stale can be told only then.
    was_complete: bool,
}

impl Step {
    /// Asks for a look, or notes that every lease was seen, which is worth one.
    pub(crate) fn ask(&mut self, audit: Audit, view: View) {
        let is_complete = view == View::Complete;
        self.is_asked |= audit == Audit::Now || is_complete != self.was_complete;
        self.was_complete = is_complete;
    }

    /// When the kernel is to be brought in step with a revision, if it is not.
    pub(crate) fn due(&self, revision: u64) -> Option<Instant> {
        let is_behind = self.is_asked || revision != self.carried_out;
        is_behind.then_some(self.rests)
    }

    /// Whether it is looked at what the kernel holds when it is brought in step.
    pub(crate) fn audit(&self) -> Audit {
        if self.is_asked {
            Audit::Now
        } else {
            Audit::IfChanged
        }
    }

    /// It was brought in step with a revision from one moment to another, and there may be more to do.
    pub(crate) fn taken(&mut self, revision: u64, audit: Audit, began: Instant, ended: Instant) {
        let rest = if began >= self.quiet {
            Duration::ZERO
        } else {
            ((ended - began) * REST).min(LONGEST_REST)
        };
        *self = Self {
            carried_out: revision,
            is_asked: audit == Audit::Now,
            rests: ended + rest,
            quiet: ended + LONGEST_REST,
            was_complete: self.was_complete,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::after_start(Duration::from_millis(milliseconds))
    }

    /// In step with the first revision since a while.
    fn in_step() -> Step {
        let mut step = Step::default();
        step.taken(1, Audit::IfChanged, at(100), at(101));
        step
    }

    #[test]
    fn what_was_decided_is_carried_out_once() {
        let mut step = in_step();
        assert_eq!(step.due(1), None);
        assert!(step.due(2) <= Some(at(200)));
        step.taken(2, Audit::IfChanged, at(200), at(201));
        assert_eq!(step.due(2), None);
    }

    #[test]
    fn a_look_that_is_asked_for_is_taken_although_nothing_was_decided() {
        let mut step = in_step();
        step.ask(Audit::Now, View::Partial);
        step.ask(Audit::IfChanged, View::Partial);
        assert!(step.due(1).is_some());
        step.taken(1, Audit::Now, at(200), at(201));
        assert!(step.due(1).is_some(), "there was more to do");
        step.taken(1, Audit::IfChanged, at(300), at(301));
        assert_eq!(step.due(1), None);
    }

    #[test]
    fn once_every_lease_was_seen_what_is_stale_goes_at_once() {
        let mut step = in_step();
        step.ask(Audit::IfChanged, View::Complete);
        assert!(step.due(1).is_some());
        step.taken(1, Audit::IfChanged, at(200), at(201));
        step.ask(Audit::IfChanged, View::Complete);
        assert_eq!(step.due(1), None, "that is news once");
    }

    #[test]
    fn the_kernel_rests_after_the_second_of_two_looks_that_follow_each_other() {
        let mut step = in_step();
        assert_eq!(step.due(2), Some(at(101)));
        step.taken(2, Audit::IfChanged, at(110), at(111));
        assert_eq!(step.due(3), Some(at(121)), "ten times as long as the look took");
        step.taken(3, Audit::IfChanged, at(121), at(131));
        assert_eq!(step.due(4), Some(at(156)), "and not longer than that");
        step.taken(4, Audit::IfChanged, at(200), at(201));
        assert_eq!(step.due(5), Some(at(201)), "what comes alone does not wait");
    }
}
