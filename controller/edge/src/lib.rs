//! What operator and agent share where they meet the API server and the clock. It decides nothing.

pub mod answer;
pub mod clock;
pub mod decoded;
pub mod lease;
pub mod trace;
pub mod watch;

pub use answer::ApiAnswer;
pub use clock::Clock;
pub use decoded::Decoded;
pub use trace::{Span, TraceContext, Tracer};
