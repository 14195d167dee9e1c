//! J0: an ingress address from nothing.

use lightship_tests::{
    Options,
    journey::{Walk, failover, j0},
    lab::testing::TestLab,
};

#[test]
fn an_ingress_address_from_nothing() {
    let lab = TestLab::up("j0", &Options::default()).unwrap();
    let walk = Walk::silent(&lab);
    j0::pending(&walk).unwrap();
    j0::addressed(&walk).unwrap();
    j0::not_announced(&walk).unwrap();
    j0::announced(&walk).unwrap();
    j0::bound(&walk).unwrap();
    j0::counted(&walk).unwrap();
    j0::withdrawn(&walk).unwrap();
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
