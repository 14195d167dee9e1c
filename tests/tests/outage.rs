//! Nobody is there to decide: the operator is dead, or the API server.

use std::time::Duration;

use anyhow::{Result, ensure};
use lightship_tests::{
    eventually,
    lab::unit::Action,
    scene::{PATIENCE, Plan, Scene, objects::name},
};

const SOON: Duration = Duration::from_secs(3);

/// What the API server passes over for ten seconds goes by rank.
const PASSED_OVER: Duration = Duration::from_secs(15);

/// As where the store is full: everything can be read, no lease written.
const NOTHING_IS_WRITTEN: &str = r"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: full}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [coordination.k8s.io], apiVersions: ['*'], resources: [leases], operations: [CREATE, UPDATE, DELETE]}]
  validations: [{expression: 'false', message: the store is full}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: full}
spec: {policyName: full, validationActions: [Deny]}
";

/// Waits until the lease names another holder.
fn lease_leaves(scene: &Scene, old: &str) -> Result<()> {
    eventually("the lease to name the new holder", PATIENCE, || {
        ensure!(scene.holder(0)? != old, "it names {old}");
        Ok(())
    })
}

#[test]
fn a_node_that_crashes_while_no_operator_lives_is_replaced() -> Result<()> {
    let scene = Scene::up("no-operator", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    watching.mark("the operator is killed");
    scene.operator(Action::Kill, 1)?;
    let start = watching.mark(format!("{old} crashes"));
    scene.crash(&old)?;
    watching.answered_by_others(&old)?;
    watching.mark("the operator is back");
    scene.operator(Action::Start, 1)?;
    lease_leaves(&scene, &old)?;
    watching.for_a_while(Duration::from_secs(20));
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, start)?;
    seen.moves(1, start)?;
    seen.nobody_stale(start)?;
    scene.down()
}

#[test]
fn nobody_notices_a_minute_without_the_api_and_a_holder_that_dies_in_it_is_replaced() -> Result<()> {
    let scene = Scene::up("frozen-api", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let frozen = watching.mark("the API server is frozen");
    scene.api(Action::Freeze)?;
    watching.for_a_while(Duration::from_mins(1));
    let thawed = watching.mark("it goes on");
    scene.api(Action::Thaw)?;
    watching.for_a_while(Duration::from_secs(10));
    let seen = watching.finish()?;
    seen.nothing_lost(frozen)?;
    seen.moves(0, frozen)?;
    seen.nobody_stale(thawed)?;

    ensure!(scene.ready()? == old, "the lease has moved");
    let watching = scene.watch()?;
    watching.mark("the API server is frozen again");
    scene.api(Action::Freeze)?;
    watching.for_a_while(Duration::from_secs(10));
    let crashed = watching.mark(format!("{old} crashes"));
    scene.crash(&old)?;
    watching.answered_by_others(&old)?;
    watching.for_a_while(Duration::from_secs(20));
    watching.mark("the API server goes on");
    scene.api(Action::Thaw)?;
    lease_leaves(&scene, &old)?;
    watching.for_a_while(Duration::from_secs(10));
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, crashed)?;
    seen.moves(1, crashed)?;
    seen.nobody_stale(crashed)?;
    scene.down()
}

#[test]
fn a_node_that_is_back_with_the_api_server_does_not_answer_beside_who_replaced_it() -> Result<()> {
    let scene = Scene::up("frozen-return", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    watching.mark("the API server is frozen");
    scene.api(Action::Freeze)?;
    let crashed = watching.mark(format!("{old} crashes"));
    scene.crash(&old)?;
    watching.answered_by_others(&old)?;
    watching.mark(format!("the API server goes on, and {old} is back"));
    scene.api(Action::Thaw)?;
    scene.revive(&old)?;
    lease_leaves(&scene, &old)?;
    watching.for_a_while(Duration::from_secs(5));
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, crashed)?;
    seen.moves(1, crashed)?;
    seen.nobody_stale(crashed)?;
    scene.down()
}

#[test]
fn three_hundred_services_of_a_node_that_crashes_while_the_api_server_is_frozen_are_all_answered_again()
-> Result<()> {
    let scene = Scene::mass("frozen-mass", 300)?;
    let old = scene.ready()?;
    scene.gather(&old)?;
    let watching = scene.watch()?;
    watching.mark("the API server is frozen");
    scene.api(Action::Freeze)?;
    let crashed = watching.mark(format!("{old} crashes with 300 addresses"));
    scene.crash(&old)?;
    watching.answered_by_others(&old)?;
    let thawed = watching.mark("the API server goes on");
    scene.api(Action::Thaw)?;
    watching.for_a_while(Duration::from_secs(10));
    let seen = watching.finish()?;
    // Claims that wait for each other's time limits, half a second and six at a time, would take the last one 13 s on each
    // of the two nodes that are left, beside what two busy cores take.
    seen.silent_less_than(Duration::from_secs(10), crashed)?;
    // A claim of the other node that the frozen server had taken in counts when it goes on, whoever answers by then.
    seen.moves(2, crashed)?;
    seen.nothing_lost(thawed)?;
    seen.nobody_stale(crashed)?;
    scene.down()
}

#[test]
fn a_node_that_crashes_while_connections_to_the_api_server_are_dead_is_replaced() -> Result<()> {
    let scene = Scene::up("silence", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let start = watching.mark("every connection of the agents with the API server is dead without a word");
    scene.silence_connections(&["node-1", "node-2", "node-3"])?;
    watching.mark(format!("{old} crashes"));
    scene.crash(&old)?;
    watching.answered_by_others(&old)?;
    let seen = watching.finish()?;
    seen.silent_less_than(SOON, start)?;
    seen.moves(1, start)?;
    seen.nobody_stale(start)?;
    scene.down()
}

#[test]
fn a_node_that_crashes_while_the_api_server_only_reads_is_replaced() -> Result<()> {
    let scene = Scene::up("read-only", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    scene.apply(NOTHING_IS_WRITTEN)?;
    let lease = format!("cilium-l2announce-default-{}", name(0));
    let touch = [
        "-n",
        "kube-system",
        "annotate",
        "--overwrite",
        "lease",
        lease.as_str(),
        "touched=yes",
    ];
    eventually("the API server to refuse to write", PATIENCE, || {
        let refused = scene.kubectl(&touch).err().map(|error| format!("{error:#}"));
        ensure!(
            refused
                .as_ref()
                .is_some_and(|said| said.contains("the store is full")),
            "{refused:?}"
        );
        Ok(())
    })?;
    let start = watching.mark(format!("{old} crashes, and no lease can be written"));
    scene.crash(&old)?;
    watching.answered_by_others(&old)?;
    let written = watching.mark("leases can be written again");
    scene.kubectl(&["delete", "validatingadmissionpolicybinding", "full"])?;
    lease_leaves(&scene, &old)?;
    watching.for_a_while(Duration::from_secs(20));
    let seen = watching.finish()?;
    seen.silent_less_than(PASSED_OVER, start)?;
    seen.moves(1, start)?;
    seen.nothing_lost(written)?;
    seen.nobody_stale(start)?;
    scene.down()
}
