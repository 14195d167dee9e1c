//! J1: several segments, IPv6, Gateway API. What becomes of Gateways that come and go is in `gateway`.

use anyhow::Result;
use lightship_tests::{
    Options,
    journey::{Walk, j1, j1_segments, results::step, typed},
    lab::testing::TestLab,
};

#[test]
fn a_dual_stack_service_is_announced_by_both_families_and_survives_its_node() -> Result<()> {
    let options = Options {
        agent_flags: typed::quick(),
        operator_flags: typed::quick(),
        ..Options::default()
    };
    let lab = TestLab::up("j1", &options)?;
    let walk = Walk::silent(&lab);
    step("J1.1", || j1::addressed(&walk))?;
    step("J1.2", || j1::through_gateway(&walk))?;
    let holder = step("J1.3", || j1::answered(&walk))?;
    step("J1.4", || j1::survives(&walk, &holder))?;
    lab.down()
}

#[test]
fn two_segments_work_independently_in_one_cluster() -> Result<()> {
    let lab = TestLab::up("segments", &j1_segments::two_segments())?;
    let walk = Walk::silent(&lab);
    step("J1.5", || {
        j1::addressed(&walk)?;
        j1_segments::independent(&walk)
    })?;
    lab.down()
}
