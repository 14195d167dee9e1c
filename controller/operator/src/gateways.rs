//! Gateways, followed while their definition is installed: it may come and go while the operator runs.
//!
//! Whether it is there is seen by a watch of this one definition, so that nothing is asked again and again where it is
//! not. Until it is known that there are none, nothing is decided: a service may have its address by a Gateway's label.

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use lightship_crd::gateway::{self, Gateway};
use lightship_edge::watch::{NotServed, Seen, forget_managers, is_not_served, patience, watch_while_served};
use tracing::{debug, warn};

use crate::metrics::Metrics;

const KIND: &str = "gateways";

/// A definition is served a moment after it is established.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What is not served in this version, or may not be read, may yet be.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Definition {
    /// It is there, or changed.
    Present,
    Absent,
    /// It may not be read.
    Hidden,
}

/// Every Gateway there is and will be; none at all where the API is not installed.
pub(crate) fn follow(client: &Client, metrics: &Metrics) -> BoxStream<'static, Seen<Gateway>> {
    let (client, metrics) = (client.clone(), metrics.clone());
    let open = {
        let client = client.clone();
        move || {
            let metrics = metrics.clone();
            let undecodable = move || metrics.undecodable(KIND);
            watch_while_served(
                Api::all(client.clone()),
                Config::default(),
                KIND,
                forget_managers,
                undecodable,
            )
        }
    };
    let following = Following {
        definition: definition(client),
        gateways: None,
        served: false,
        pause: FIRST_PAUSE,
        open: Box::new(open),
        told: false,
    };
    stream::unfold(following, async |mut following| {
        let seen = following.next().await?;
        Some((seen, following))
    })
    .boxed()
}

type Gateways = BoxStream<'static, Result<Seen<Gateway>, NotServed>>;

struct Following {
    definition: BoxStream<'static, Definition>,
    gateways: Option<Gateways>,
    /// Whether that watch is not known to fail.
    served: bool,
    /// How long to wait when it fails.
    pause: Duration,
    open: Box<dyn Fn() -> Gateways + Send>,
    /// Whether anything was told yet.
    told: bool,
}

impl Following {
    async fn next(&mut self) -> Option<Seen<Gateway>> {
        loop {
            tokio::select! {
                definition = self.definition.next() => match definition? {
                    Definition::Present => {
                        if !self.served {
                            self.served = true;
                            self.pause = FIRST_PAUSE;
                            self.gateways = Some((self.open)());
                        }
                    }
                    Definition::Absent => {
                        self.served = false;
                        self.gateways = None;
                        return Some(self.none());
                    }
                    // What is known stays true for all we know.
                    Definition::Hidden if self.told => {}
                    Definition::Hidden => return Some(self.none()),
                },
                Some(seen) = next_of(&mut self.gateways) => {
                    let NotServed(error) = match seen {
                        Ok(seen) => {
                            self.told = true;
                            return Some(seen);
                        }
                        Err(not_served) => not_served,
                    };
                    let error = &error as &dyn std::error::Error;
                    debug!(error, "Gateways cannot be read yet, or not any more");
                    self.served = false;
                    self.gateways = Some(after(self.pause, (self.open)()));
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    if !self.told {
                        return Some(self.none());
                    }
                }
            }
        }
    }

    fn none(&mut self) -> Seen<Gateway> {
        self.told = true;
        Seen::Listed(vec![])
    }
}

async fn next_of(gateways: &mut Option<Gateways>) -> Option<Result<Seen<Gateway>, NotServed>> {
    match gateways {
        Some(gateways) => gateways.next().await,
        None => None,
    }
}

/// A watch asks for nothing before it is polled.
fn after(pause: Duration, gateways: Gateways) -> Gateways {
    stream::once(tokio::time::sleep(pause))
        .flat_map(|()| stream::empty())
        .chain(gateways)
        .boxed()
}

/// Whether the definition is there, and every change of it: it is served a moment after it is created.
fn definition(client: Client) -> BoxStream<'static, Definition> {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client);
    let this = Config::default().fields(&format!("metadata.name={}", gateway::DEFINITION));
    watcher(api, this)
        .backoff(patience(LONGEST_PAUSE))
        .scan(Definition::Absent, |listed, event| {
            std::future::ready(Some(state(listed, event)))
        })
        .filter_map(std::future::ready)
        .boxed()
}

type Watched = Result<Event<PartialObjectMeta<CustomResourceDefinition>>, kube::runtime::watcher::Error>;

fn state(listed: &mut Definition, event: Watched) -> Option<Definition> {
    match event {
        Ok(Event::Init) => {
            *listed = Definition::Absent;
            None
        }
        Ok(Event::InitApply(_)) => {
            *listed = Definition::Present;
            None
        }
        Ok(Event::InitDone) => Some(*listed),
        Ok(Event::Apply(_)) => Some(Definition::Present),
        Ok(Event::Delete(_)) => Some(Definition::Absent),
        Err(error) if is_not_served(&error) => {
            let error = &error as &dyn std::error::Error;
            warn!(
                error,
                "whether the Gateway API is installed may not be read, so labels of Gateways count for nothing: apply \
                 the shipped RBAC (kubectl apply -k manifests)"
            );
            Some(Definition::Hidden)
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            debug!(
                error,
                "the watch of the Gateway API's definition broke and is taken up again"
            );
            None
        }
    }
}
