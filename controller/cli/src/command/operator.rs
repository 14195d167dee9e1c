//! `lightship operator`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, process};

use lightship_core::placement::Rebalancing;
use lightship_operator::{Operator, Options};
use prometheus_client::registry::Registry;

use crate::admin::{Admin, Shown};
use crate::args::{Connection, OperatorArgs};
use crate::kubeconfig::{self, Asker};
use crate::settings::Settings;
use crate::telemetry::{Collector, Levels, Source};
use crate::{foreground, signal};

pub(crate) fn run(connection: &Connection, args: OperatorArgs, levels: Levels) -> anyhow::Result<()> {
    foreground::runtime()?.block_on(async {
        let stop = signal::stop()?;
        let timings = args.timings.timings();
        let settings = Settings::of_operator(&args, &connection.namespace, timings);
        let admin = Admin::bind(args.admin_address).await?;
        let client = kubeconfig::client(connection.kubeconfig.as_deref(), Asker::Daemon).await?;
        let identity = args.identity.unwrap_or_else(identity);
        let collector = Collector::of_environment(&Source {
            name: "lightship-operator",
            instance: identity.clone(),
            node: env::var("NODE_NAME").ok().filter(|name| !name.is_empty()),
        });
        let options = Options {
            namespace: connection.namespace.clone(),
            identity,
            timings,
            default_class: args.default_lb_service_ipam.into(),
            rebalancing: if args.rebalance {
                Rebalancing::Gentle
            } else {
                Rebalancing::Off
            },
            tracer: collector.tracer(),
        };
        let mut registry = Registry::default();
        let operator = Operator::new(options, client, &mut registry);
        let shown = Shown {
            ready: operator.ready(),
            registry: Arc::new(registry),
            settings,
            levels,
        };
        let result = Box::pin(foreground::run(operator.run(stop.clone()), admin, shown, stop)).await;
        collector.finish().await;
        result
    })
}

/// The pod's name, which no other replica has; outside a pod the host's with something of this very process.
fn identity() -> String {
    let pod = env::var("POD_NAME").ok().filter(|name| !name.is_empty());
    pod.unwrap_or_else(|| {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}_{}_{:x}", host.trim(), process::id(), started.as_nanos())
    })
}
