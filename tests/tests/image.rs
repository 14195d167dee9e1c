//! The image, run in the lab as the shipped Deployment and `DaemonSet` say: user, capabilities, seccomp, mounts, environment and
//! probes are theirs. `hack/image --check` builds the image and runs this.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Options,
    client::arping::arping,
    eventually,
    journey::{Walk, j0},
    lab::{
        container::{Container, Image, Runtime},
        host::{CONTROL_PLANE, FABRIC, Host},
        testing::TestLab,
        unit::Unit,
    },
};

const SOON: Duration = Duration::from_mins(1);
const AGENT: &str = "daemonset/lightship-agent";
/// Their numbers in <linux/capability.h>: BPF 39, `NET_ADMIN` 12, `NET_RAW` 13, PERFMON 38.
const CAPABILITIES: u64 = 1 << 39 | 1 << 12 | 1 << 13 | 1 << 38;

fn unpacked(lab: &TestLab) -> Result<Image> {
    let archive = env::var_os("LIGHTSHIP_IMAGE").map(PathBuf::from);
    let archive = archive.context("LIGHTSHIP_IMAGE names no image; `hack/image --check` sets it")?;
    Image::unpack(&archive, &lab.folder().path().join("image"))
}

/// Waits for what a kubelet would wait for, on the node that it would ask from.
fn probed(lab: &TestLab, container: &Container, from: &str) -> Result<()> {
    for probe in ["livenessProbe", "readinessProbe"] {
        let url = container.probe(probe)?;
        eventually(&format!("{probe} of {}", container.name), SOON, || {
            lab.exec(from, &["curl", "--silent", "--fail", "--max-time", "2", &url])
        })?;
    }
    Ok(())
}

fn privileges(lab: &TestLab, container: &Container, uid: u32, capabilities: u64) -> Result<()> {
    let ids = container.status(lab, "Uid")?;
    ensure!(
        ids.split(' ').all(|id| id == uid.to_string()),
        "{} runs as {ids}",
        container.name
    );
    for set in ["CapBnd", "CapEff", "CapPrm"] {
        let has = u64::from_str_radix(&container.status(lab, set)?, 16)?;
        ensure!(
            has == capabilities,
            "{set} of {} is {has:#x}, not {capabilities:#x}",
            container.name
        );
    }
    ensure!(
        container.status(lab, "NoNewPrivs")? == "1",
        "{} may gain privileges",
        container.name
    );
    // 2 is a filter.
    ensure!(
        container.status(lab, "Seccomp")? == "2",
        "{} runs without a seccomp profile",
        container.name
    );
    Ok(())
}

/// Under a profile that denies bpf(2) the agent ends and says so, with what to do.
fn refused(lab: &TestLab, image: &Image) -> Result<()> {
    let agent = lab.start_container(image, AGENT, "node-1", "node-1", Runtime::Crio)?;
    eventually("the agent to refuse", SOON, || {
        let unit = Unit::find(lab.folder(), &agent.name)?;
        let words = unit.last_words(lab.folder());
        ensure!(unit.process().is_none(), "it runs: {words}");
        let told = ["the seccomp profile denies", "seccompProfile.type: Unconfined"];
        ensure!(told.iter().all(|one| words.contains(one)), "it says {words}");
        Ok(())
    })?;
    lab.remove_container(&agent)
}

#[test]
#[ignore = "needs an image, which takes minutes to build: hack/image --check"]
fn the_image_works_as_the_manifests_run_it() -> Result<()> {
    let options = Options {
        bare: true,
        ..Options::default()
    };
    let lab = TestLab::up("image", &options)?;
    lab.install_manifests()?;
    let image = unpacked(&lab)?;
    let files = image.files()?;
    ensure!(
        files == ["/usr/bin/lightship", "/usr/share/lightship/parts.cdx.json"],
        "the image has {files:?}"
    );
    let parts: serde_json::Value = serde_json::from_slice(&image.read(&files[1])?)?;
    let listed = parts["components"].as_array().map_or(0, Vec::len);
    ensure!(
        listed > 50 && parts["bomFormat"] == "CycloneDX",
        "{listed} parts are listed"
    );

    refused(&lab, &image)?;
    let runtime = Runtime::Containerd;
    let operator = lab.start_container(
        &image,
        "deployment/lightship-operator",
        FABRIC,
        CONTROL_PLANE,
        runtime,
    )?;
    let mut agents = Vec::new();
    for node in Host::nodes(lab.nodes()) {
        agents.push(lab.start_container(&image, AGENT, node.name(), node.name(), runtime)?);
    }
    probed(&lab, &operator, FABRIC)?;
    privileges(&lab, &operator, 65534, 0)?;
    for (agent, node) in agents.iter().zip(Host::nodes(lab.nodes())) {
        probed(&lab, agent, node.name())?;
        privileges(&lab, agent, 0, CAPABILITIES)?;
    }
    let seen = operator.exec(&lab, &["lightship", "config", "view"])?;
    ensure!(
        seen.contains("l2-announcements-lease-duration"),
        "config view says {seen}"
    );

    let walk = Walk::silent(&lab);
    j0::announce(&walk)?;
    j0::bound(&walk)?;
    j0::counted(&walk)?;
    // The program that answers was loaded with the capabilities of the DaemonSet, and stays when the agent is replaced.
    for container in agents.iter().chain([&operator]) {
        lab.stop_container(container)?;
    }
    let answers = arping(&lab, j0::ADDRESS, 3)?;
    ensure!(
        answers.received == 3,
        "without its agent the node's kernel gave {answers:?}"
    );
    lab.down()
}
