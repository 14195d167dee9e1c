//! Rules that tests break, one at a time, to show what each is for.

use super::Succession;

/// A rule of the succession.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A primary whose service goes is retired before another takes its place.
    Retirement,
    /// The epoch of an address never goes back.
    Epochs,
    /// Nobody stands by for a primary that a part of its group leaves.
    Parting,
    /// Who leaves or is unbound waits for writes about its group that are under way.
    Answers,
}

impl Succession {
    pub(crate) fn break_rule(&mut self, rule: Option<Rule>) {
        self.broken = rule;
    }
}
