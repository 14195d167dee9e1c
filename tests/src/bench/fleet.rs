//! Agents without nodes: each the real one, with its own account, client and connections, on a station of a [`Segment`].

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use lightship_agent::{AddressMetrics, Agent, Hook, Options, Ping};
use lightship_core::timing::LeaseTimings;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::segment::{Segment, Station};

/// The label by which a policy selects the fleet's nodes.
pub(crate) const LABEL: &str = "bench";

/// How many nodes are registered at a time.
const AT_ONCE: usize = 8;

/// The shipped timings, and what else a user who sets nothing gets.
const LEASE_DURATION: Duration = Duration::from_secs(15);
const RENEW_DEADLINE: Duration = Duration::from_secs(5);
const RETRY_PERIOD: Duration = Duration::from_secs(2);
const ANNOUNCE_INTERVAL: Duration = Duration::from_mins(1);
const MAP_CAPACITY: u32 = 65_536;

/// As the daemons' own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Agents that run.
pub(crate) struct Fleet {
    segment: Arc<Segment>,
    config: Config,
    client: Client,
    agents: Vec<Simulated>,
}

struct Simulated {
    station: Arc<Station>,
    running: JoinHandle<()>,
}

impl Fleet {
    /// None yet. The kubeconfig is the administrator's, who registers nodes and has tokens made.
    pub(crate) async fn new(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.default_retry = false;
        Ok(Self {
            segment: Arc::default(),
            client: Client::try_from(config.clone())?,
            config,
            agents: Vec::new(),
        })
    }

    /// Registers nodes and starts their agents until there are so many; returns when all have seen every lease.
    pub(crate) async fn grow(&mut self, count: u16) -> Result<()> {
        let known = u16::try_from(self.agents.len())?;
        let configs: Vec<(u16, Config)> = stream::iter(known..count)
            .map(|number| {
                let (client, config) = (self.client.clone(), self.config.clone());
                async move { Ok::<_, anyhow::Error>((number, account(&client, config, &name(number)).await?)) }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (number, config) in configs {
            let station = self.segment.plug_in(number);
            let client = Client::try_from(config.clone())?;
            let agent = Agent::new(options(number), config, client, &mut Registry::default());
            let mut ready = agent.ready();
            let host = station.host(&self.segment);
            let running = tokio::spawn(async move {
                // A host that is made up has nothing that could fail.
                let _ = agent.run_on(host, CancellationToken::new()).await;
            });
            ready
                .wait_for(|ready| *ready)
                .await
                .context("failed to start an agent: it ended")?;
            self.agents.push(Simulated { station, running });
        }
        Ok(())
    }

    /// How many addresses somebody answers for.
    pub(crate) fn answered(&self) -> usize {
        self.segment.answered().len()
    }

    /// Whether somebody answers for each of these.
    pub(crate) fn answers(&self, addresses: &[IpAddr]) -> bool {
        let answered = self.segment.answered();
        addresses.iter().all(|address| answered.contains(address))
    }

    /// The fewest and the most addresses that an agent holds.
    pub(crate) fn spread(&self) -> (usize, usize) {
        let held = || self.agents.iter().map(|one| one.station.holds().len());
        (held().min().unwrap_or_default(), held().max().unwrap_or_default())
    }

    /// Pulls the power of the node that holds the most, and says what it held.
    pub(crate) fn crash(&self) -> Vec<IpAddr> {
        let most = self.agents.iter().max_by_key(|one| one.station.holds().len());
        most.map_or_else(Vec::new, |one| {
            one.station.cut_power();
            // Nothing is said goodbye to: its connections close, as the machine's would for the API server's keep-alives.
            one.running.abort();
            one.station.holds().into_iter().collect()
        })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for one in &self.agents {
            one.running.abort();
        }
    }
}

fn name(number: u16) -> String {
    format!("sim-{number:03}")
}

fn options(number: u16) -> Options {
    let (timings, _) = LeaseTimings::sanitised(LEASE_DURATION, RENEW_DEADLINE, RETRY_PERIOD);
    Options {
        node: name(number).into(),
        namespace: "kube-system".into(),
        timings,
        devices: vec![],
        announce_interval: ANNOUNCE_INTERVAL,
        // None of the three is looked at: there is no kernel.
        bpffs: lightship_datapath::BPFFS.into(),
        map_capacity: MAP_CAPACITY,
        ping: Ping::Answered,
        hook: Hook::Automatic,
        tracer: lightship_edge::Tracer::default(),
        address_metrics: AddressMetrics::Hidden,
    }
}

/// Registers a node, and gives its agent what the kubelet would mount: a token of the shipped account, bound to the node.
async fn account(client: &Client, mut config: Config, name: &str) -> Result<Config> {
    let node: Node = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", LABEL: "yes"}},
        "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "the benchmark says so"}]},
    }))?;
    let nodes: Api<Node> = Api::all(client.clone());
    let node = nodes
        .create(&PostParams::default(), &node)
        .await
        .with_context(|| format!("failed to register {name}"))?;
    let request: TokenRequest = serde_json::from_value(json!({
        "spec": {
            "audiences": [],
            "expirationSeconds": 86_400,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.metadata.uid},
        },
    }))?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "kube-system");
    let made = accounts
        .create_token_request("lightship-agent", &PostParams::default(), &request)
        .await
        .with_context(|| format!("failed to have a token made for {name}"))?;
    let token = made.status.context("the API server made no token")?.token;
    config.auth_info = serde_json::from_value(json!({ "token": token }))?;
    Ok(config)
}
