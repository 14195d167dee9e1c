//! What becomes of addresses when an agent is killed, stopped, upgraded, frozen and thawed.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    binaries, eventually,
    lab::unit::Action,
    scene::{PATIENCE, Plan, Scene},
};

/// The agent's own word that it is at work.
fn at_work(scene: &Scene, node: &str) -> Result<()> {
    let ask = [
        "curl",
        "--silent",
        "--fail",
        "--max-time",
        "2",
        "http://127.0.0.1:9964/readyz",
    ];
    eventually(&format!("the agent of {node} at work"), PATIENCE, || {
        scene.exec(node, &ask)
    })
    .map(drop)
}

#[test]
fn nobody_notices_when_an_agent_is_killed_stopped_or_upgraded() -> Result<()> {
    let scene = Scene::up("agents", Plan::default())?;
    let holder = scene.ready()?;
    let watching = scene.watch()?;
    let start = watching.mark("the beginning");

    watching.mark(format!("the agent of {holder} is killed"));
    scene.agent(Action::Kill, &holder)?;
    scene.agent(Action::Start, &holder)?;
    at_work(&scene, &holder)?;

    watching.mark("it is stopped");
    scene.agent(Action::Stop, &holder)?;
    // As long as a rollout may leave a node without its agent.
    watching.for_a_while(Duration::from_secs(3));
    scene.agent(Action::Start, &holder)?;
    at_work(&scene, &holder)?;

    watching.mark("it is upgraded");
    let next = scene.folder().path().join("lightship-next");
    fs::copy(binaries::lightship()?, &next).context("failed to copy the program")?;
    scene.upgrade(&format!("agent-{holder}"), &next)?;
    at_work(&scene, &holder)?;
    // Long enough for a new agent to have taken away what it believes to be stale.
    watching.for_a_while(Duration::from_secs(6));

    let seen = watching.finish()?;
    seen.nothing_lost(start)?;
    seen.moves(0, start)?;
    seen.nobody_stale(start)?;
    seen.pages(Duration::from_secs(1))?;
    ensure!(scene.holder(0)? == holder, "it moved to {}", scene.holder(0)?);
    scene.down()
}

#[test]
fn a_frozen_agent_keeps_its_addresses_within_the_gate_and_yields_to_the_claim_beyond() -> Result<()> {
    let scene = Scene::up("frozen", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let start = watching.mark(format!("the agent of {old} is frozen, for a third of its gate"));
    scene.agent(Action::Freeze, &old)?;
    watching.for_a_while(Duration::from_secs(5));
    scene.agent(Action::Thaw, &old)?;
    let frozen = watching.mark("it is thawed, and frozen again for good");
    scene.agent(Action::Freeze, &old)?;
    watching.answered_by_others(&old)?;
    let thawed = watching.mark("it is thawed");
    scene.agent(Action::Thaw, &old)?;
    watching.for_a_while(Duration::from_secs(6));
    let seen = watching.finish()?;
    // Its kernel goes on answering until the standby's claim reaches it.
    seen.nothing_lost(start)?;
    seen.moves(1, start)?;
    seen.nobody_stale(frozen)?;
    seen.doubly_answered(0, thawed)?;
    scene.down()
}

#[test]
fn an_agent_that_does_not_come_back_is_replaced() -> Result<()> {
    let scene = Scene::up("gone", Plan::default())?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let start = watching.mark(format!("the agent of {old} is killed and nobody starts it again"));
    scene.agent(Action::Kill, &old)?;
    watching.answered_by_others(&old)?;
    watching.mark("it is started after all");
    scene.agent(Action::Start, &old)?;
    watching.for_a_while(Duration::from_secs(6));
    let seen = watching.finish()?;
    seen.silent_less_than(Duration::from_secs(3), start)?;
    seen.moves(1, start)?;
    seen.nobody_stale(start)?;
    scene.down()
}
