//! J0: an ingress address from nothing.

use anyhow::Result;
use lightship_tests::{
    Options,
    client::arping::arping,
    journey::{Walk, failover, j0, j0_way, observed, results::step},
    lab::{testing::TestLab, unit::Action},
};

type Walked = fn(&Walk<'_>) -> Result<()>;

fn up_to_counting(walk: &Walk<'_>) -> Result<()> {
    j0::pending(walk)?;
    j0::addressed(walk)?;
    j0::not_announced(walk)?;
    j0::announced(walk)?;
    j0::bound(walk)?;
    j0::counted(walk)
}

#[test]
fn an_ingress_address_from_nothing() {
    let lab = TestLab::up("j0", &Options::default()).unwrap();
    let walk = Walk::silent(&lab);
    let steps: [(&str, Walked); 7] = [
        ("J0.1", j0::pending),
        ("J0.2", j0::addressed),
        ("J0.3", j0::not_announced),
        ("J0.4", j0::announced),
        ("J0.5", j0::bound),
        ("J0.6", j0::counted),
        ("J0.7", j0_way::withdrawn),
    ];
    for (name, walked) in steps {
        step(name, || walked(&walk)).unwrap();
    }
    lab.down().unwrap();
}

#[test]
fn the_same_on_clsact_whose_filters_survive_the_agents_stop() {
    let options = Options {
        nodes: 2,
        agent_flags: vec!["--hook=clsact".to_owned()],
        ..Options::default()
    };
    let lab = TestLab::up("clsact", &options).unwrap();
    let walk = Walk::silent(&lab);
    up_to_counting(&walk).unwrap();

    let holder = observed::holder(&lab).unwrap();
    let filters = || {
        let shown = lab.exec(&holder, &["tc", "filter", "show", "dev", "eth0", "ingress"]);
        shown.unwrap().matches("lightship_ingress").count()
    };
    assert_eq!(filters(), 1);
    lab.agent(Action::Stop, &holder).unwrap();
    assert_eq!(filters(), 1, "stopped");
    let answers = arping(&lab, j0::ADDRESS, 3).unwrap();
    assert_eq!(answers.lost(), 0, "{answers:?}");
    lab.agent(Action::Start, &holder).unwrap();
    j0_way::withdrawn(&walk).unwrap();
    assert_eq!(filters(), 0, "nothing to answer for, nothing attached");
    lab.down().unwrap();
}

#[test]
fn a_crashed_holder_is_replaced() {
    let lab = TestLab::up("crash", &Options::default()).unwrap();
    let walk = Walk::silent(&lab);
    j0::announce(&walk).unwrap();
    let timeline = failover::crash_holder(&walk).unwrap();
    assert_ne!(timeline.new, timeline.old);
    assert!(timeline.gap() < 60.0, "{timeline:?}");
    lab.down().unwrap();
}
