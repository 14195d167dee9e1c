//! A new version over an old one. `hack/upgrade` builds the old one; without it the same program under another path is taken for
//! old, which shows how things are replaced, but not that versions understand each other.

use std::{env, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    binaries, eventually,
    lab::{
        host::{FABRIC, Host},
        unit::Action,
    },
    scene::{PATIENCE, Plan, Scene, objects},
};

fn previous(scene: &Scene) -> Result<PathBuf> {
    if let Some(named) = env::var_os("LIGHTSHIP_PREVIOUS") {
        return Ok(named.into());
    }
    let copy = scene.folder().path().join("lightship-previous");
    fs::copy(binaries::lightship()?, &copy).context("failed to copy the program")?;
    Ok(copy)
}

/// Every unit with the host and port that say whether it is at work, in the order of an upgrade.
fn units(scene: &Scene) -> Vec<(String, String, u16)> {
    let operators = [("operator-1", 9963), ("operator-2", 9965)];
    let operators = operators.map(|(unit, port)| (unit.to_owned(), FABRIC.to_owned(), port));
    let nodes = Host::nodes(scene.nodes());
    let agents = nodes
        .iter()
        .map(|node| (format!("agent-{}", node.name()), node.name().to_owned(), 9964));
    operators.into_iter().chain(agents).collect()
}

fn replace_all(scene: &Scene, program: &std::path::Path) -> Result<()> {
    for (unit, host, port) in units(scene) {
        scene.upgrade(&unit, program)?;
        let url = format!("http://127.0.0.1:{port}/readyz");
        eventually(&format!("{unit} at work"), PATIENCE, || {
            scene.exec(&host, &["curl", "--silent", "--fail", "--max-time", "2", &url])
        })?;
    }
    Ok(())
}

#[test]
fn nobody_notices_an_upgrade_of_everything() -> Result<()> {
    let plan = Plan {
        services: 4,
        ..Plan::default()
    };
    let scene = Scene::up("upgrade", plan)?;
    scene.operator(Action::Start, 2)?;
    let old = previous(&scene)?;
    replace_all(&scene, &old)?;
    scene.ready()?;
    scene.all_answered()?;
    let before = scene.bindings()?;

    let watching = scene.watch()?;
    let start = watching.mark("the manifests of the new version, then its programs, one after the other");
    scene.install_manifests()?;
    replace_all(&scene, &binaries::lightship()?)?;
    // Long enough for a new agent to have taken away what it believes to be stale.
    watching.for_a_while(Duration::from_secs(6));
    let seen = watching.finish()?;
    seen.nothing_lost(start)?;
    seen.moves(0, start)?;
    seen.nobody_stale(start)?;
    seen.pages(Duration::from_secs(1))?;
    ensure!(
        scene.bindings()? == before,
        "bindings changed: {before:?} to {:?}",
        scene.bindings()?
    );

    scene.apply(&objects::service(99, false))?;
    eventually("a lease by the new version", PATIENCE, || {
        scene.get(&[
            "lease",
            "-n",
            "kube-system",
            "cilium-l2announce-default-scene-0099",
        ])
    })?;
    scene.down()
}
