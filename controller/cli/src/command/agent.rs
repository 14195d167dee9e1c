//! `lightship agent`.

use std::sync::Arc;

use lightship_agent::{Agent, Options, Ping};
use prometheus_client::registry::Registry;

use crate::admin::{Admin, Shown};
use crate::args::{AgentArgs, Connection};
use crate::kubeconfig;
use crate::settings::Settings;
use crate::{foreground, signal};

pub(crate) fn run(connection: &Connection, args: AgentArgs) -> anyhow::Result<()> {
    foreground::runtime()?.block_on(async {
        let stop = signal::stop()?;
        let timings = args.timings.timings();
        let settings = Settings::of_agent(&args, &connection.namespace, timings);
        let admin = Admin::bind(args.admin_address).await?;
        let (config, client) = kubeconfig::hopeful(connection.kubeconfig.as_deref()).await?;
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
        };
        let mut registry = Registry::default();
        let agent = Agent::new(options, config, client, &mut registry);
        let shown = Shown {
            ready: agent.ready(),
            registry: Arc::new(registry),
            settings,
        };
        foreground::run(Box::pin(agent.run(stop.clone())), admin, shown, stop).await
    })
}
