//! `lightship simulate`: what would happen, decided on the cluster as it is read; nothing is written.

use super::{ask, plan};
use crate::args::{Connection, SimulateArgs, SimulateCommand};
use crate::cluster::Cluster;
use crate::output;

pub(crate) fn run(connection: &Connection, args: &SimulateArgs) -> anyhow::Result<()> {
    let SimulateCommand::Drain {
        node,
        operator,
        output,
    } = &args.command;
    ask(connection, async |client| {
        let cluster = Cluster::read(&client, &connection.namespace).await?;
        cluster.check_node(node)?;
        let fates = plan::of_drain(&cluster, node, operator.default_lb_service_ipam.into());
        output::rows(
            &fates,
            *output,
            &format!("{node} holds nothing: nothing would move."),
        )
    })
}
