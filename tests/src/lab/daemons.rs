//! What runs on nodes and in the fabric besides the control plane: kube-proxy, backends, operator and agents.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, anyhow, bail, ensure};

use super::{
    Lab,
    cluster::path_text,
    host::Host,
    network,
    unit::{Action, Unit},
};
use crate::{backend::Protocol, binaries, eventually};

/// The operator's replicas share the fabric, so each has an admin port of its own.
const OPERATOR_PORTS: [u16; 2] = [9963, 9965];
const AGENT_PORT: u16 = 9964;
/// What the shipped `DaemonSet` grants: these capabilities and no more.
const AGENT_PRIVILEGES: [&str; 3] = [
    "setpriv",
    "--no-new-privs",
    "--bounding-set=-all,+bpf,+net_admin,+net_raw,+perfmon",
];
/// The replicas of the shipped Deployment.
pub const OPERATORS: u32 = 2;

impl Lab {
    /// Starts kube-proxy on a node. The zeros leave sysctls alone that are read-only in a namespace.
    pub(super) fn start_kube_proxy(&self, node: &Host) -> Result<()> {
        Unit::new(
            &format!("kube-proxy-{}", node.name()),
            node,
            [
                path_text(&binaries::control_plane("kube-proxy")?),
                "--proxy-mode=nftables".into(),
                format!("--hostname-override={}", node.name()),
                format!(
                    "--kubeconfig={}",
                    self.folder.component_kubeconfig("kube-proxy").display()
                ),
                "--conntrack-max-per-core=0".into(),
                "--conntrack-tcp-timeout-established=0".into(),
                "--conntrack-tcp-timeout-close-wait=0".into(),
            ],
        )
        .act(&self.folder, Action::Start)
    }

    /// Starts a web server on a node that serves as a backend of `service`; the EndpointSlice is the caller's.
    pub fn start_backend(&self, node: &str, service: &str, ports: &[u16]) -> Result<()> {
        self.start_backend_of(Protocol::Tcp, node, service, ports)
    }

    /// The same, asked by a protocol.
    pub fn start_backend_of(
        &self,
        protocol: Protocol,
        node: &str,
        service: &str,
        ports: &[u16],
    ) -> Result<()> {
        let node = self.host(node)?;
        let name = format!("backend-{}-{service}", node.name());
        if let Ok(mut known) = Unit::find(&self.folder, &name) {
            return known.act(&self.folder, Action::Start);
        }
        let mut argv = vec![path_text(&binaries::lab()?), "backend".into(), "serve".into()];
        argv.push(format!("--protocol={}", protocol.name()));
        argv.extend([node.name().to_owned(), service.to_owned()]);
        argv.extend(ports.iter().map(u16::to_string));
        Unit::new(&name, &node, argv).act(&self.folder, Action::Start)
    }

    /// Stops a backend.
    pub fn stop_backend(&self, node: &str, service: &str) -> Result<()> {
        Unit::find(&self.folder, &format!("backend-{node}-{service}"))?.act(&self.folder, Action::Stop)
    }

    /// Starts, stops, kills, freezes or thaws one replica of the operator.
    pub fn operator(&self, action: Action, replica: u32) -> Result<()> {
        ensure!(
            (1..=OPERATORS).contains(&replica),
            "failed to find operator {replica}; its replicas are numbered from 1 to {OPERATORS}"
        );
        let name = format!("operator-{replica}");
        let mut unit = match Unit::find(&self.folder, &name) {
            Ok(known) => known,
            Err(_) if action != Action::Start => return Ok(()),
            Err(_) => {
                let kubeconfig = self.service_account(&name, "lightship-operator", None)?;
                let port = OPERATOR_PORTS[replica as usize - 1];
                let mut argv = vec![path_text(&binaries::lightship()?), "operator".into()];
                argv.extend(["--kubeconfig".into(), kubeconfig]);
                argv.extend(["--admin-address".into(), format!("127.0.0.1:{port}")]);
                argv.extend(self.record()?.operator_flags);
                Unit::new(&name, &self.fabric, argv)
            }
        };
        unit.env.entry("POD_NAME".into()).or_insert(name);
        unit.env.extend(self.collector()?);
        unit.act(&self.folder, action)
    }

    /// Starts, stops, kills, freezes or thaws the agent of one node.
    pub fn agent(&self, action: Action, node: &str) -> Result<()> {
        let node = self.host(node)?;
        ensure!(
            node.is_node(),
            "failed to find an agent on {}; agents run on nodes",
            node.name()
        );
        let name = format!("agent-{}", node.name());
        let mut unit = match Unit::find(&self.folder, &name) {
            Ok(known) => known,
            Err(_) if action != Action::Start => return Ok(()),
            Err(_) => {
                let kubeconfig = self.service_account(&name, "lightship-agent", Some(&node))?;
                let mut argv: Vec<String> = AGENT_PRIVILEGES.map(str::to_owned).into();
                argv.extend([path_text(&binaries::lightship()?), "agent".into()]);
                argv.extend([
                    "--kubeconfig".into(),
                    kubeconfig,
                    "--node-name".into(),
                    node.name().into(),
                ]);
                argv.extend(["--admin-address".into(), format!("127.0.0.1:{AGENT_PORT}")]);
                argv.extend(self.record()?.agent_flags);
                Unit::new(&name, &node, argv)
            }
        };
        unit.env.extend(self.collector()?);
        unit.act(&self.folder, action)
    }

    /// Starts the first operator and every agent, workers first, and waits until all are healthy.
    pub fn start_lightship(&self) -> Result<()> {
        self.operator(Action::Start, 1)?;
        let nodes = Host::nodes(self.nodes);
        for node in &nodes {
            self.agent(Action::Start, node.name())?;
        }
        self.wait_healthy("operator-1", &self.fabric, OPERATOR_PORTS[0])?;
        for node in &nodes {
            self.wait_healthy(&format!("agent-{}", node.name()), node, AGENT_PORT)?;
        }
        Ok(())
    }

    /// The variables by which operators and agents find their collector.
    fn collector(&self) -> Result<BTreeMap<String, String>> {
        let Some(port) = self.record()?.collector else {
            return Ok(BTreeMap::new());
        };
        let endpoint = format!("http://{}:{port}", network::machine_address(self.slot));
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ];
        Ok(variables.map(|(name, value)| (name.into(), value.into())).into())
    }

    fn wait_healthy(&self, unit: &str, host: &Host, port: u16) -> Result<()> {
        let url = format!("http://127.0.0.1:{port}/healthz");
        eventually(&format!("a healthy {unit}"), Duration::from_secs(30), || {
            let asked = self.try_exec(
                host.name(),
                &["curl", "--silent", "--fail", "--max-time", "2", &url],
            )?;
            let unit = Unit::find(&self.folder, unit)?;
            match unit.process() {
                Some(_) if asked.succeeded() => Ok(Ok(())),
                Some(_) => bail!("{}", unit.last_words(&self.folder)),
                // It will not come back by itself: there is nothing to wait for.
                None => Ok(Err(anyhow!(
                    "failed to start it: {}",
                    unit.last_words(&self.folder)
                ))),
            }
        })?
    }
}
