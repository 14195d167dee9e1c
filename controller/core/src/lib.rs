//! Every decision Lightship takes, as pure functions and state machines.
