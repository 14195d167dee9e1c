//! How much is logged is changed while a process runs: more for as long as somebody looks, and then as before.

use anyhow::{Result, ensure};
use lightship_tests::{
    eventually,
    scene::{PATIENCE, Plan, Scene, objects},
};

/// A running part: where it runs, its admin address, and what it tells once a service is served, and in detail.
struct Part {
    unit: String,
    host: &'static str,
    admin: &'static str,
    does: &'static str,
    detail: &'static str,
}

fn parts() -> [Part; 2] {
    [
        Part {
            unit: "operator-1".to_owned(),
            host: "fabric",
            admin: "--admin-address=127.0.0.1:9963",
            does: "was assigned",
            detail: "sends a write",
        },
        Part {
            unit: "agent-node-1".to_owned(),
            host: "node-1",
            admin: "--admin-address=127.0.0.1:9964",
            does: "answers",
            detail: "joins a solicited-node group",
        },
    ]
}

fn set(scene: &Scene, part: &Part, level: &str) -> Result<()> {
    let command = ["lightship", "config", "log-level"];
    scene.exec(part.host, &[&command[..], &[level, part.admin]].concat())?;
    let shown = scene.exec(part.host, &[&command[..], &[part.admin]].concat())?;
    ensure!(shown.trim() == level, "{shown}");
    Ok(())
}

/// What a part has logged since it had logged so much.
fn since(scene: &Scene, part: &Part, length: usize) -> Result<String> {
    let log = scene.logs(&part.unit)?;
    Ok(log.get(length..).unwrap_or_default().to_owned())
}

/// A service comes, is served, and goes; what each part logs of that.
fn served(scene: &Scene, number: u32) -> Result<[String; 2]> {
    let parts = parts();
    let lengths = [
        scene.logs(&parts[0].unit)?.len(),
        scene.logs(&parts[1].unit)?.len(),
    ];
    scene.apply(&objects::service(number, true))?;
    for (part, length) in parts.iter().zip(lengths) {
        eventually(&format!("{} to serve it", part.unit), PATIENCE, || {
            let told = since(scene, part, length)?;
            ensure!(told.contains(part.does), "{told}");
            Ok(())
        })?;
    }
    scene.kubectl(&["delete", "service", &objects::name(number)])?;
    // Behind everything that it did for the service.
    eventually("the agent to be done with it", PATIENCE, || {
        let told = since(scene, &parts[1], lengths[1])?;
        ensure!(told.matches("answers no more").count() == 2, "{told}");
        Ok(())
    })?;
    Ok([
        since(scene, &parts[0], lengths[0])?,
        since(scene, &parts[1], lengths[1])?,
    ])
}

#[test]
fn details_are_logged_while_they_are_asked_for_and_no_longer() -> Result<()> {
    let plan = Plan {
        workers: 1,
        services: 1,
        dual: true,
    };
    let scene = Scene::up("log-level", plan)?;
    for (number, level) in [(1, "info"), (2, "debug"), (3, "info")] {
        for part in parts() {
            set(&scene, &part, level)?;
        }
        for (part, told) in parts().iter().zip(served(&scene, number)?) {
            let detailed = told.contains("DEBUG") && told.contains(part.detail);
            let brief = !told.contains("DEBUG");
            let as_asked = if level == "debug" { detailed } else { brief };
            ensure!(as_asked, "{} at {level}: {told}", part.unit);
        }
    }
    scene.down()
}
