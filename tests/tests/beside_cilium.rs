//! Cilium as the CNI, with its LB-IPAM and L2 announcements off: what it goes on doing to what looks like its own.

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Lab, binaries,
    command::Tool,
    eventually,
    lab::unit::Action,
    objects::{addresses_only, has, ingress, pool, says, service, told as says_of},
    scene::{PATIENCE, Plan, Scene, objects},
};
use serde_json::Value;

const POOLS: &str = "ciliumloadbalancerippools.cilium.io";
const POLICIES: &str = "ciliuml2announcementpolicies.cilium.io";
const RESTORE: &str = "lightship crd | kubectl apply --server-side --force-conflicts -f -";

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

/// The definition as Cilium's operator would write it: its own label, and of both kinds only its own fields.
fn as_ciliums(lab: &Lab, name: &str) -> Result<()> {
    let mut definition = lab.get(&["crd", name])?;
    definition["metadata"]["labels"]["io.cilium.k8s.crd.schema.version"] = "1.31.5".into();
    let versions = definition["spec"]["versions"].as_array_mut();
    for version in versions.context("a definition has versions")? {
        let root = &mut version["schema"]["openAPIV3Schema"]["properties"];
        for (part, field) in [
            ("spec", "priority"),
            ("spec", "reserved"),
            ("status", "allocations"),
            ("status", "allocationsOmitted"),
            ("status", "holders"),
            ("status", "holdersOmitted"),
        ] {
            if let Some(properties) = root[part]["properties"].as_object_mut() {
                properties.remove(field);
            }
        }
    }
    let replace = ["replace", "-f", "-"];
    lab.kubectl_tool(&replace)?
        .input(definition.to_string())
        .run()
        .map(drop)
}

/// What the command line says in such a cluster, whatever its exit code.
fn typed(lab: &Lab, args: &[&str]) -> Result<String> {
    let program = binaries::lightship()?.to_string_lossy().into_owned();
    let line = std::iter::once(program).chain(args.iter().map(|arg| (*arg).to_owned()));
    let tool = Tool::new(line).env("KUBECONFIG", lab.folder().kubeconfig());
    Ok(tool.attempt()?.stdout)
}

fn version(lab: &Lab) -> Result<String> {
    let pool = lab.get(&["ippools", "first"])?;
    Ok(pool["metadata"]["resourceVersion"].to_string())
}

/// What dashboards read.
fn replaced(lab: &Lab, definitions: u32) -> Result<()> {
    let line = format!("lightship_operator_definitions_replaced {definitions}");
    eventually(&line, PATIENCE, || {
        let url = "http://127.0.0.1:9963/metrics";
        let all = lab.exec("fabric", &["curl", "--silent", "--max-time", "5", url])?;
        ensure!(all.lines().any(|one| one == line), "{all}");
        Ok(())
    })
}

fn told(lab: &Lab, reason: &str) -> Result<()> {
    eventually(&format!("the event {reason}"), PATIENCE, || {
        let events = lab.get(&[
            "events",
            "--field-selector",
            &format!("involvedObject.name={POOLS}"),
        ])?;
        let events = events["items"].as_array().cloned().unwrap_or_default();
        ensure!(events.iter().any(|event| event["reason"] == reason), "{events:?}");
        Ok(())
    })
}

/// Under its definitions the API server hides from every pool what Cilium does not know, and drops it from what is written.
#[test]
fn where_its_definitions_replace_ours_nothing_moves_and_nothing_is_lost() -> Result<()> {
    let lab = addresses_only("replaced", &[])?;
    let reserved = "blocks: [{cidr: 10.0.10.0/29}], reserved: [10.0.10.1, 10.0.10.2], priority: 7";
    lab.apply(&pool("first", reserved))?;
    lab.apply(&service("old", "", ""))?;
    has(&lab, "old", &["10.0.10.0"])?;
    eventually("the pool to tell of it", PATIENCE, || {
        let pool = lab.get(&["ippools", "first"])?;
        ensure!(
            pool["status"]["allocations"][0]["address"] == "10.0.10.0",
            "{pool}"
        );
        Ok(())
    })?;
    let before = version(&lab)?;

    as_ciliums(&lab, POOLS)?;
    as_ciliums(&lab, POLICIES)?;
    replaced(&lab, 2)?;
    told(&lab, "DefinitionReplaced")?;
    eventually(
        "the API server to hide what Cilium does not know",
        PATIENCE,
        || {
            let pool = lab.get(&["ippools", "first"])?;
            ensure!(pool["spec"].get("reserved").is_none(), "{pool}");
            Ok(())
        },
    )?;
    lab.apply(&service("new", "", ""))?;
    let lacks = format!("{POOLS} lacks spec.priority, spec.reserved, status.allocations");
    says(&lab, "new", "definition_replaced", &lacks)?;
    says(&lab, "new", "definition_replaced", RESTORE)?;
    let why = typed(&lab, &["why", "new"])?;
    ensure!(
        why.contains(&lacks) && why.contains(&format!("-> {RESTORE}")),
        "{why}"
    );
    let status: Value = serde_json::from_str(&typed(&lab, &["status", "-o", "json"])?)?;
    ensure!(status["replaced"][0]["definition"] == POOLS, "{status}");

    // A new leader knows nothing of before: it takes nothing away, and does not unsay what services say.
    lab.operator(Action::Stop, 1)?;
    lab.operator(Action::Start, 1)?;
    lab.apply(&service("newer", "", ""))?;
    says(&lab, "newer", "definition_replaced", &lacks)?;
    says(&lab, "old", "satisfied", "")?;
    for (name, addresses) in [("old", vec!["10.0.10.0"]), ("new", vec![]), ("newer", vec![])] {
        let shown = ingress(&lab, name)?;
        ensure!(shown == addresses, "{name} has {shown:?}");
    }
    let after = version(&lab)?;
    ensure!(before == after, "the pool was written: {before}, then {after}");

    let program = binaries::lightship()?.to_string_lossy().into_owned();
    let ours = Tool::new([program, "crd".to_owned()]).run()?;
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    lab.kubectl_tool(&apply)?.input(ours).run()?;
    // Not the addresses that the pool keeps back: what it says is whole again, and was believed only then.
    has(&lab, "new", &["10.0.10.3"])?;
    has(&lab, "newer", &["10.0.10.4"])?;
    has(&lab, "old", &["10.0.10.0"])?;
    replaced(&lab, 0)?;
    told(&lab, "DefinitionRestored")?;
    let pool = lab.get(&["ippools", "first"])?;
    ensure!(pool["spec"]["priority"] == 7, "{pool}");
    says_of(&lab, &["ippools", "first"], "cilium.io/IPsUsed", "noreason", "3")?;
    lab.down()
}
