//! J2: a homelab coming from MetalLB. The import (J2.3) is in `cli_import`.

use anyhow::Result;
use lightship_tests::{
    journey::{Walk, j2, results::step},
    lab::testing::TestLab,
};

#[test]
fn a_homelab_of_one_node_keeps_and_shares_its_addresses() -> Result<()> {
    let lab = TestLab::up("j2", &j2::one_node())?;
    let walk = Walk::silent(&lab);
    step("J2.1", || j2::announced(&walk))?;
    step("J2.2", || j2::shared(&walk))?;
    step("J2.4", || j2::sixty(&walk))?;
    lab.down()
}
