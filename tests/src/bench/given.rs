//! Whose the addresses are, followed without a pause: at no moment is one two services', and what was given in the beginning
//! stays.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Service;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Services by name, each with its addresses.
type Addresses = BTreeMap<String, BTreeSet<IpAddr>>;

/// A watch of all services that says what may not be.
pub(crate) struct Given {
    wrong: Arc<Mutex<Vec<String>>>,
    watching: JoinHandle<()>,
}

impl Given {
    /// Watches from now on; what services have by then they are to keep.
    pub(crate) fn follow(runtime: &Runtime, client: Client) -> Result<Self> {
        let mut events = watcher(Api::<Service>::all(client), watcher::Config::default())
            .default_backoff()
            .boxed();
        let first = runtime.block_on(async {
            let mut first = Addresses::new();
            while let Some(event) = events.next().await {
                match event.context("failed to watch services")? {
                    Event::InitApply(service) => drop(first.insert(name(&service), addresses(&service))),
                    Event::InitDone => return Ok(first),
                    Event::Init | Event::Apply(_) | Event::Delete(_) => {}
                }
            }
            bail!("failed to watch services: the watch ended")
        })?;
        let wrong = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&wrong);
        let watching = runtime.spawn(async move {
            let (mut known, mut listing) = (first.clone(), Addresses::new());
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::Init) => listing.clear(),
                    Ok(Event::InitApply(service)) => {
                        drop(listing.insert(name(&service), addresses(&service)));
                    }
                    Ok(Event::InitDone) => known = std::mem::take(&mut listing),
                    Ok(Event::Apply(service)) => drop(known.insert(name(&service), addresses(&service))),
                    Ok(Event::Delete(service)) => drop(known.remove(&name(&service))),
                    // The API server is away as part of the soak.
                    Err(_) => continue,
                }
                let all = twice(&known).into_iter().chain(changed(&first, &known));
                told.lock().unwrap_or_else(PoisonError::into_inner).extend(all);
            }
        });
        Ok(Self { wrong, watching })
    }

    /// What was wrong since the last call.
    pub(crate) fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.wrong.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn name(service: &Service) -> String {
    service.metadata.name.clone().unwrap_or_default()
}

fn addresses(service: &Service) -> BTreeSet<IpAddr> {
    let status = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    let ingress = status
        .and_then(|status| status.ingress.as_ref())
        .into_iter()
        .flatten();
    ingress.filter_map(|one| one.ip.as_ref()?.parse().ok()).collect()
}

fn twice(known: &Addresses) -> Vec<String> {
    let mut owners: BTreeMap<&IpAddr, Vec<&String>> = BTreeMap::new();
    for (name, addresses) in known {
        for address in addresses {
            owners.entry(address).or_default().push(name);
        }
    }
    let twice = owners.into_iter().filter(|(_, names)| names.len() > 1);
    twice
        .map(|(address, names)| format!("{address} is given to {names:?}"))
        .collect()
}

fn changed(first: &Addresses, known: &Addresses) -> Vec<String> {
    let changed = first.iter().filter(|(name, had)| known.get(*name) != Some(had));
    changed
        .map(|(name, had)| format!("{name} had {had:?} and has {:?}", known.get(name)))
        .collect()
}
