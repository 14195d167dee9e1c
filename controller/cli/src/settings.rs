//! The settings a running part uses, as `lightship config view` prints them: names as on the command line, values as
//! they took effect.

use lightship_core::timing::LeaseTimings;

use crate::args::{AgentArgs, LogLevel, OperatorArgs};
use crate::duration;

/// Settings by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    pub(crate) fn of_operator(args: &OperatorArgs, namespace: &str, timings: LeaseTimings) -> Self {
        let mut settings = Self::common(namespace, timings);
        settings.set("enable-lb-ipam", &true);
        settings.set("rebalance", &args.rebalance);
        settings.set("default-lb-service-ipam", &args.default_lb_service_ipam.name());
        settings.set("admin-address", &args.admin_address.0);
        settings
    }

    pub(crate) fn of_agent(args: &AgentArgs, namespace: &str, timings: LeaseTimings) -> Self {
        let mut settings = Self::common(namespace, timings);
        settings.set("address-metrics", &args.address_metrics);
        settings.set("admin-address", &args.admin_address.0);
        settings.set("answer-ping", &args.answer_ping);
        settings.set("announce-interval", &duration::format(args.announce_interval));
        settings.set("bpffs", &args.bpffs.display());
        settings.set("devices", &args.devices.join(","));
        settings.set("hook", &args.hook.name());
        settings.set("map-capacity", &args.map_capacity);
        settings.set("node-name", &args.node_name);
        settings
    }

    fn common(namespace: &str, timings: LeaseTimings) -> Self {
        let mut settings = Self::default();
        settings.set("enable-l2-announcements", &true);
        settings.set(
            "l2-announcements-lease-duration",
            &duration::format(timings.lease_duration()),
        );
        settings.set(
            "l2-announcements-renew-deadline",
            &duration::format(timings.renew_deadline()),
        );
        settings.set(
            "l2-announcements-retry-period",
            &duration::format(timings.retry_period()),
        );
        settings.set("namespace", &namespace);
        settings
    }

    /// The same with how much is logged now.
    pub(crate) fn logging(mut self, level: LogLevel) -> Self {
        self.set("log-level", &level.name());
        self
    }

    fn set(&mut self, name: &'static str, value: &impl ToString) {
        self.0.push((name, value.to_string()));
    }

    /// One line each, sorted by name, values aligned.
    pub(crate) fn render(mut self) -> String {
        self.0.sort_unstable();
        let width = self
            .0
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or_default();
        self.0
            .iter()
            .map(|(name, value)| format!("{name:width$}  {value}").trim_end().to_owned() + "\n")
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, Command};

    #[test]
    fn timings_are_shown_as_they_were_given() {
        let line = [
            "lightship",
            "agent",
            "--node-name=node-1",
            "--l2-announcements-lease-duration=3s",
            "--l2-announcements-renew-deadline=1s",
            "--l2-announcements-retry-period=500ms",
        ];
        let Command::Agent(args) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("not the agent");
        };
        let shown = Settings::of_agent(&args, "kube-system", args.timings.timings()).render();
        assert!(shown.contains("l2-announcements-lease-duration  3s\n"), "{shown}");
        assert!(
            shown.contains("l2-announcements-retry-period    500ms\n"),
            "{shown}"
        );
        assert!(
            shown.contains("enable-l2-announcements          true\n"),
            "{shown}"
        );
    }
}
