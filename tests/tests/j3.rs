//! J3: external IPs and a node that dies.

use anyhow::Result;
use lightship_tests::{
    journey::{Walk, j3, results::step},
    lab::testing::TestLab,
};

#[test]
#[expect(clippy::print_stdout, reason = "the gap is to be seen, by --nocapture")]
fn an_external_ip_is_answered_on_net0_alone_and_survives_its_node() -> Result<()> {
    let lab = TestLab::up("j3", &j3::net0_beside_eth0())?;
    let walk = Walk::silent(&lab);
    step("J3.1", || j3::labelled(&walk))?;
    step("J3.2", || j3::second(&walk))?;
    step("J3.3", || j3::pooled(&walk))?;
    step("J3.4", || j3::configured(&walk))?;
    let gap = step("J3.5", || j3::dies(&walk))?;
    println!("12.0.0.100 was silent for {gap:.2} s");
    lab.down()
}
