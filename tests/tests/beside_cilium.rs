//! Cilium as the CNI, with its LB-IPAM and L2 announcements off: what it goes on doing to what looks like its own.

use anyhow::{Result, ensure};
use lightship_tests::{
    eventually,
    scene::{PATIENCE, Plan, Scene, objects},
};

/// Its agents delete leases of announcements that name no holder, at the start and every minute. Ours name one at every moment of
/// their lives, so that none is taken for abandoned.
#[test]
fn ciliums_collector_of_leases_finds_none_to_delete() -> Result<()> {
    let plan = Plan {
        workers: 2,
        services: 3,
        dual: false,
    };
    let scene = Scene::up("collector", plan)?;
    let old = scene.ready()?;
    let new = scene.another(&[&old])?;
    scene.drain(&old)?;
    scene.every_binding("to name the other node", |binding| binding.holder == new)?;
    scene.undrain(&old)?;
    scene.crash(&new)?;
    scene.every_binding("to name another node", |binding| binding.holder != new)?;
    scene.kubectl(&["delete", "service", &objects::name(0)])?;
    let lease = format!("cilium-l2announce-default-{}", objects::name(0));
    eventually("the lease to go with its service", PATIENCE, || {
        let asked = scene.try_kubectl(&["-n", "kube-system", "get", "lease", &lease])?;
        ensure!(asked.stderr.contains("NotFound"), "it is there");
        Ok(())
    })?;

    let history = scene.lease_history();
    let changes: Vec<&str> = history
        .lines()
        .filter(|line| line.contains("cilium-l2announce-"))
        .collect();
    ensure!(changes.len() >= 9, "too little happened: {history}");
    // When, name, holder, transitions, and when it was deleted.
    let abandoned = changes
        .iter()
        .find(|change| !change.contains(" node-") && !change.contains(" control-plane"));
    ensure!(abandoned.is_none(), "{abandoned:?} among\n{history}");
    scene.down()
}
