//! Rules that tests break, one at a time, to show what each is for.

use super::Watch;

/// A rule of the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A silence counts only where a witness answers.
    Witness,
    /// A claim that no order beats is answered by a lease that was read after the last time it came.
    ReadAfterEveryClaim,
    /// Nobody is told of a claim before the kernel answers by it.
    CarriedOut,
    /// A tick that is late forgets no miss.
    LateMisses,
    /// An answer counts however late it comes.
    LateAnswers,
}

impl Watch {
    pub(crate) fn break_rule(&mut self, rule: Option<Rule>) {
        self.broken = rule;
    }

    pub(super) fn breaks(&self, rule: Rule) -> bool {
        self.broken == Some(rule)
    }
}
