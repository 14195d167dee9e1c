//! `lightship agent`.

use std::sync::Arc;

use lightship_agent::{AddressMetrics, Agent, Options, Ping};
use prometheus_client::registry::Registry;

use crate::admin::{Admin, Shown};
use crate::args::{AgentArgs, Connection};
use crate::kubeconfig;
use crate::settings::Settings;
use crate::telemetry::{Collector, Levels, Source};
use crate::{foreground, signal};

pub(crate) fn run(connection: &Connection, args: AgentArgs, levels: Levels) -> anyhow::Result<()> {
    foreground::runtime()?.block_on(async {
        let stop = signal::stop()?;
        let timings = args.timings.timings();
        let settings = Settings::of_agent(&args, &connection.namespace, timings);
        let admin = Admin::bind(args.admin_address).await?;
        let (config, client) = kubeconfig::hopeful(connection.kubeconfig.as_deref()).await?;
        let collector = Collector::of_environment(&Source {
            name: "lightship-agent",
            instance: args.node_name.clone(),
            node: Some(args.node_name.clone()),
        });
        let options = Options {
            node: args.node_name.into(),
            namespace: connection.namespace.clone(),
            timings,
            devices: args.devices,
            announce_interval: args.announce_interval,
            bpffs: args.bpffs,
            map_capacity: args.map_capacity,
            ping: if args.answer_ping {
                Ping::Answered
            } else {
                Ping::Passed
            },
            hook: args.hook.into(),
            tracer: collector.tracer(),
            address_metrics: if args.address_metrics {
                AddressMetrics::Shown
            } else {
                AddressMetrics::Hidden
            },
        };
        let mut registry = Registry::default();
        let agent = Agent::new(options, config, client, &mut registry);
        let shown = Shown {
            ready: agent.ready(),
            registry: Arc::new(registry),
            settings,
            levels,
        };
        let result = foreground::run(Box::pin(agent.run(stop.clone())), admin, shown, stop).await;
        collector.finish().await;
        result
    })
}
