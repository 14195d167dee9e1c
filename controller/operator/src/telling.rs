//! Publishing what was done, after it was done and out of the way of what is still to be done.

use std::collections::VecDeque;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::task::JoinSet;
use tracing::warn;

use crate::status::Note;
use crate::writer::Writer;

/// With no more writes than this under way, events are published.
const CALM: usize = 4;

/// Events published at once.
const MOST_TOLD_AT_ONCE: usize = 4;

/// How long an operator that ends goes on publishing.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Events yet to be published. They come after the writes they speak of, and wait while many writes are under way: who
/// waits for an address must not wait for stories about others.
#[derive(Default)]
pub(crate) struct Telling {
    queue: VecDeque<(Vec<Note>, Vec<ObjectReference>)>,
    tasks: JoinSet<()>,
}

impl Telling {
    /// Something happened that is to be told about these objects.
    pub(crate) fn add(&mut self, notes: Vec<Note>, regarding: Vec<ObjectReference>) {
        if !notes.is_empty() {
            self.queue.push_back((notes, regarding));
        }
    }

    /// Waits until something was published; `None` when nothing is on its way.
    pub(crate) async fn told(&mut self) -> Option<()> {
        self.tasks.join_next().await.map(drop)
    }

    /// Publishes what may be published beside that many writes.
    pub(crate) fn go_on(&mut self, writer: &Writer, writes_under_way: usize) {
        if writes_under_way > CALM {
            return;
        }
        while self.tasks.len() < MOST_TOLD_AT_ONCE
            && let Some((notes, regarding)) = self.queue.pop_front()
        {
            let writer = writer.clone();
            self.tasks
                .spawn(async move { writer.tell(notes, regarding).await });
        }
    }

    /// What is still to be told when the operator ends, as far as a moment allows.
    pub(crate) async fn finish(mut self, writer: &Writer) {
        let everything = async {
            self.go_on(writer, 0);
            while self.tasks.join_next().await.is_some() {
                self.go_on(writer, 0);
            }
        };
        if tokio::time::timeout(LAST_WORDS, everything).await.is_err() {
            warn!("ends with events untold; the objects themselves say how things stand");
        }
    }
}
