//! What the operator is told.

use clap::{Args, ValueEnum};
use lightship_core::service::DefaultClass;

use super::{AdminAddress, LeaseTimingArgs};

#[derive(Clone, Debug, Args)]
pub(crate) struct OperatorArgs {
    /// Where health, readiness, metrics and settings are served.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9963",
        env = "LIGHTSHIP_ADMIN_ADDRESS"
    )]
    pub(crate) admin_address: AdminAddress,
    /// The name this replica leads under; without it `POD_NAME`, else one made of the host's name.
    #[arg(long, value_name = "NAME", env = "LIGHTSHIP_IDENTITY")]
    pub(crate) identity: Option<String>,
    /// Who gives addresses to services without a loadBalancerClass.
    #[arg(
        long,
        value_enum,
        default_value = "lbipam",
        env = "LIGHTSHIP_DEFAULT_LB_SERVICE_IPAM"
    )]
    pub(crate) default_lb_service_ipam: DefaultIpam,
    /// Whether addresses move, a few at a time, from nodes that have more than their share.
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        action = clap::ArgAction::Set,
        env = "LIGHTSHIP_REBALANCE"
    )]
    pub(crate) rebalance: bool,
    #[command(flatten)]
    pub(crate) timings: LeaseTimingArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DefaultIpam {
    /// Lightship, from its pools.
    #[value(name = "lbipam")]
    LbIpam,
    /// Cilium's node IPAM; Lightship serves only services that name its class.
    #[value(name = "nodeipam")]
    NodeIpam,
    /// Nobody; Lightship serves only services that name its class.
    #[value(name = "none")]
    None,
}

impl DefaultIpam {
    /// The spelling on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LbIpam => "lbipam",
            Self::NodeIpam => "nodeipam",
            Self::None => "none",
        }
    }
}

impl From<DefaultIpam> for DefaultClass {
    fn from(ipam: DefaultIpam) -> Self {
        match ipam {
            DefaultIpam::LbIpam => Self::LbIpam,
            DefaultIpam::NodeIpam => Self::NodeIpam,
            DefaultIpam::None => Self::None,
        }
    }
}
