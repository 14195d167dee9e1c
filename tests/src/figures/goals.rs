//! What was promised, beside what the runs that are kept came to. A goal that is missed says why.

use super::{Figure, Run, kept};

/// Which number of a figure is held against the goal.
#[derive(Clone, Copy)]
enum Held {
    Value,
    /// By its yardstick.
    Ratio,
}

/// One goal: a figure of a kept run, and what it may come to at most.
struct Goal {
    promise: &'static str,
    run: &'static str,
    /// How the figure begins.
    figure: &'static str,
    held: Held,
    at_most: f64,
    /// Why, where it is missed.
    shortfall: &'static str,
}

const fn value(promise: &'static str, run: &'static str, figure: &'static str, at_most: f64) -> Goal {
    Goal {
        promise,
        run,
        figure,
        held: Held::Value,
        at_most,
        shortfall: "",
    }
}

const fn ratio(promise: &'static str, run: &'static str, figure: &'static str, at_most: f64) -> Goal {
    Goal {
        held: Held::Ratio,
        ..value(promise, run, figure, at_most)
    }
}

const IN_NO_CACHE: &str = "each entry is in memory that no cache holds, in a map whose layout is Cilium's";

const GOALS: &[Goal] = &[
    value(
        "a node crashes: silence of an address, median",
        "failover",
        "node crash: silence of an address, p50",
        500.0,
    ),
    value(
        "the same, p99",
        "failover",
        "node crash: silence of an address, p99",
        1_000.0,
    ),
    value(
        "a node with 500 addresses crashes: silence of the last",
        "failover",
        "node with 500 addresses crashes: silence of an address, max",
        2_000.0,
    )
    .because("500 writes of leases take the API server that long on two processors"),
    value(
        "its LAN link is cut and its API link lives: silence, p99",
        "failover",
        "LAN link cut, API link alive: silence of an address, p99",
        1_000.0,
    ),
    value(
        "the link is back: answers by the old node after the claim",
        "failover",
        "LAN link cut, API link alive: answers by a deposed node after the claim",
        0.0,
    ),
    value(
        "an agent is killed: questions nobody answered",
        "failover",
        "agent killed and started: questions nobody answered",
        0.0,
    ),
    value(
        "an agent is frozen for 5 s: questions nobody answered",
        "failover",
        "agent frozen for 5 s, within its gate: questions nobody answered",
        0.0,
    ),
    value(
        "an agent that was frozen is thawed: answers after another's claim",
        "failover",
        "agent frozen beyond its gate, then thawed: answers by a deposed node after the claim",
        0.0,
    ),
    value(
        "an agent is stopped and started: questions nobody answered",
        "failover",
        "agent stopped and started: questions nobody answered",
        0.0,
    ),
    value(
        "a node is drained: questions nobody answered",
        "failover",
        "node drained: questions nobody answered",
        0.0,
    ),
    value(
        "the same: answers by the old node after the claim",
        "failover",
        "node drained: answers by a deposed node after the claim",
        0.0,
    ),
    value(
        "the API server is frozen for 60 s: questions nobody answered",
        "failover-api",
        "API server frozen for 60 s: questions nobody answered",
        0.0,
    ),
    value(
        "a node crashes while it is frozen: silence, at most",
        "failover-api",
        "node crash while the API server is frozen: silence of an address, max",
        3_000.0,
    ),
    value(
        "a service is created beside 2,000: first answer, median",
        "rest",
        "created (request sent) to first answer, beside 2000 services",
        50.0,
    ),
    value(
        "a service is deleted beside 2,000: last answer, median",
        "rest",
        "deleted (request sent) to last answer, beside 2000 services",
        20.0,
    ),
    value(
        "requests at rest by agent and lease duration, 100 agents and 1,000 services, the operator's among them",
        "rest",
        "by agent and 15 s, 100 simulated agents, 1000 services",
        3.1,
    ),
    ratio(
        "ARP request to reply, by the kernel's own: p50",
        "responder",
        "ARP, idle: request to reply, p50",
        1.0,
    ),
    ratio(
        "the same, p99",
        "responder",
        "ARP, idle: request to reply, p99 ",
        1.0,
    ),
    ratio(
        "with every processor saturated: p50",
        "responder",
        "ARP, every processor saturated: request to reply, p50",
        1.0,
    ),
    ratio(
        "with 4,000 addresses, by 4,000 of the kernel's: p50",
        "responder",
        "ARP, 4000 entries asked in turn, beside as many of the kernel's: request to reply, p50",
        1.0,
    )
    .because(IN_NO_CACHE),
    ratio(
        "with 60,000 addresses, by 60,000 of the kernel's: p50",
        "responder",
        "ARP, 60000 entries asked in turn, beside as many of the kernel's: request to reply, p50",
        1.0,
    )
    .because(IN_NO_CACHE),
    ratio(
        "5,000 addresses given, by a bare client's time to write as many",
        "ipam-api",
        "5000 services from the pool's creation to the last address",
        1.2,
    )
    .because(
        "on two processors whoever decides takes them from the API server, whose writing is what is measured",
    ),
    value(
        "status writes per service",
        "ipam-api",
        "status writes per service",
        1.0,
    ),
    value(
        "an operator starts with 5,000 services that have theirs: writes",
        "ipam-api",
        "writes of a restarted operator",
        0.0,
    ),
];

/// The README's table of goals.
#[must_use]
pub fn table() -> String {
    let rows = GOALS.iter().map(|goal| row(goal, kept(goal.run).as_ref()));
    format!(
        "| what | goal: at most | measured |\n|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

fn row(goal: &Goal, run: Option<&Run>) -> String {
    let figures = run.map(|run| run.figures.as_slice()).unwrap_or_default();
    // A figure's name goes on behind what it is found by: a quantile says of how many.
    let found = figures
        .iter()
        .find(|one| format!("{} ", one.figure).starts_with(goal.figure));
    let unit = match (goal.held, found) {
        (Held::Value, Some(figure)) => figure.unit.as_str(),
        _ => "",
    };
    let (promise, at_most) = (goal.promise, goal.at_most);
    let measured = found.and_then(|figure| goal.measured(figure));
    let told = measured.map_or_else(|| "not measured".to_owned(), |measured| goal.told(measured));
    format!(
        "| {promise} | {} | {told} |\n",
        format!("{at_most} {unit}").trim_end()
    )
}

impl Goal {
    const fn because(self, shortfall: &'static str) -> Self {
        Self { shortfall, ..self }
    }

    fn measured(&self, figure: &Figure) -> Option<f64> {
        match self.held {
            Held::Value => Some(figure.value),
            Held::Ratio => figure.ratio,
        }
    }

    fn told(&self, measured: f64) -> String {
        if measured <= self.at_most {
            format!("{measured:.2}")
        } else if self.shortfall.is_empty() {
            format!("**{measured:.2}**, missed")
        } else {
            format!("**{measured:.2}**, missed: {}", self.shortfall)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::generated;

    #[test]
    fn a_goal_is_met_missed_or_not_measured() {
        let goal = ratio("as quick as the kernel", "x", "ARP: p9 ", 1.0).because("it is slower");
        let run = |ratio| Run {
            circumstances: super::super::tests::circumstances(),
            figures: vec![
                Figure::beside("ARP: p99", 9.0, "us", 1.0),
                Figure::beside("ARP: p9", ratio, "us", 1.0),
            ],
        };
        for (run, told) in [
            (Some(run(0.5)), "0.50"),
            (Some(run(1.25)), "**1.25**, missed: it is slower"),
            (None, "not measured"),
        ] {
            assert_eq!(
                row(&goal, run.as_ref()),
                format!("| as quick as the kernel | 1 | {told} |\n")
            );
        }
    }

    #[test]
    fn every_goal_is_of_a_figure_that_is_kept() {
        let lacking: Vec<_> = GOALS
            .iter()
            .filter(|goal| row(goal, kept(goal.run).as_ref()).contains("not measured"))
            .map(|goal| goal.figure)
            .collect();
        assert_eq!(lacking, [] as [&str; 0]);
    }

    #[test]
    fn the_readme_shows_what_the_goals_came_to() {
        let update = "run this test with LIGHTSHIP_UPDATE_DOCS=1";
        generated("README.md", "goals", &table(), update).unwrap();
    }
}
