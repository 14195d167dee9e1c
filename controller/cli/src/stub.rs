//! Stands in for the agent until its crate has it: the same names and shapes, no work.
//!
//! To be deleted, with its `mod` line, as soon as `lightship_agent` exports its own; the command then imports from there.

pub(crate) mod agent {
    use std::path::PathBuf;

    use lightship_core::timing::LeaseTimings;
    use prometheus_client::registry::Registry;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    #[derive(Debug, thiserror::Error)]
    pub(crate) enum Error {
        #[error("failed to run the agent: it is not built into this binary yet")]
        Missing,
    }

    #[expect(dead_code, reason = "the stub does no work")]
    pub(crate) struct Options {
        pub(crate) node: String,
        pub(crate) namespace: String,
        pub(crate) timings: LeaseTimings,
        pub(crate) devices: Vec<String>,
        pub(crate) bpffs: PathBuf,
        pub(crate) map_capacity: u32,
    }

    pub(crate) struct Agent(watch::Sender<bool>);

    impl Agent {
        pub(crate) fn new(_: Options, _: kube::Client, _: &mut Registry) -> Self {
            Self(watch::Sender::new(false))
        }

        pub(crate) fn ready(&self) -> watch::Receiver<bool> {
            self.0.subscribe()
        }

        #[expect(clippy::unused_async, reason = "the real one waits")]
        pub(crate) async fn run(self, _: CancellationToken) -> Result<(), Error> {
            Err(Error::Missing)
        }
    }
}
