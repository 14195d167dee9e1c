//! The lab as a library, and the scenario tests that run in it.
