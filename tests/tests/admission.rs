//! What an agent's token may write. In these tests the account may write every lease, so that the admission policy alone is
//! what refuses.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Options,
    command::{Outcome, Tool},
    eventually,
    lab::testing::TestLab,
    objects::lease,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// More than the shipped role gives.
const EVERYTHING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: generous, namespace: kube-system}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: generous, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: generous}
subjects: [{kind: ServiceAccount, name: lightship-agent}]
";

/// A pod as the scheduler has placed it, for the token that a kubelet mounts into it.
const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: lightship-agent-x, namespace: kube-system}
spec: {nodeName: node-2, serviceAccountName: lightship-agent, containers: [{name: agent, image: lightship}]}
";

const WEB: &str = "cilium-l2announce-default-web";

/// A work order as the operator writes it: `rest` is what claims may change. The interface expression tries to look like one.
fn order(rest: &str) -> String {
    let service = r#"{"namespace":"default","name":"web"}"#;
    let interfaces = r#"["^eth[0-9]+$","],\"standbys\":[\"node-3\"]"]"#;
    let announcements =
        format!(r#"[{{"policy":"p","addresses":["10.0.10.0","2004::"],"interfaces":{interfaces}}}]"#);
    format!(r#"{{"service":{service},"primary":{service},"announcements":{announcements}{rest}}}"#)
}

/// The lease of `web`: node-1 holds it, node-2 stands by.
fn bound() -> Value {
    let mut lease = lease(WEB, "service", "node-1");
    lease["metadata"]["annotations"] = json!({
        "lightship.dev/service": "default/web",
        "lightship.dev/work-order": order(r#","standbys":["node-2","node-4"]"#),
    });
    lease
}

/// The same as node-2's agent claims it.
fn claimed() -> Value {
    let mut lease = bound();
    lease["spec"]["holderIdentity"] = json!("node-2");
    lease["spec"]["leaseTransitions"] = json!(5);
    lease["metadata"]["annotations"]["lightship.dev/work-order"] =
        json!(order(r#","standbys":["node-4"],"deposed":"node-1""#));
    lease
}

/// A lease with one field changed.
fn with(mut lease: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
    if let Some(parent) = lease.pointer_mut(parent) {
        parent[field.replace("~1", "/")] = value;
    }
    lease
}

struct Agents {
    lab: TestLab,
}

impl Agents {
    fn up(test: &str) -> Result<Self> {
        let options = Options {
            nodes: 3,
            bare: true,
            ..Options::default()
        };
        let lab = TestLab::up(test, &options)?;
        lab.install_manifests()?;
        lab.apply(EVERYTHING)?;
        let agents = Self { lab };
        let stranger = agents.token(&[])?;
        eventually("the admission policy to be in force", SOON, || {
            let asked = agents.tries(&stranger, &["create", "--dry-run=server"], &lease("x", "", "x"))?;
            ensure!(asked.stderr.contains("not bound to a node"), "{}", asked.stderr);
            Ok(())
        })?;
        Ok(agents)
    }

    fn token(&self, bound: &[&str]) -> Result<String> {
        let args = ["create", "token", "lightship-agent", "--namespace=kube-system"];
        let token = self.lab.kubectl(&[&args[..], bound].concat())?;
        Ok(token.trim().to_owned())
    }

    fn token_of(&self, node: &str) -> Result<String> {
        self.token(&["--bound-object-kind=Node", &format!("--bound-object-name={node}")])
    }

    /// kubectl with a token of an agent: `create` or `replace` an object.
    fn tries(&self, token: &str, verb: &[&str], object: &Value) -> Result<Outcome> {
        let line = [verb, &["--token", token, "-f", "-"]].concat();
        self.tool(&line)?.input(object.to_string()).attempt()
    }

    fn tool(&self, line: &[&str]) -> Result<Tool> {
        self.lab.kubectl_tool(line)
    }

    /// The lease of `web` as the operator wrote it.
    fn bind(&self) -> Result<()> {
        let outcome = self.lab.kubectl_tool(&["replace", "--force", "-f", "-"])?;
        outcome.input(bound().to_string()).run().map(drop)
    }

    /// Creation, deletion and leases of others are not for the holder of a service's lease.
    fn touches_no_other(&self, holder: &str) -> Result<()> {
        let words = "take over leases of services that exist";
        let new = with(bound(), "/metadata/name", json!("cilium-l2announce-default-new"));
        refused("a new service", &self.tries(holder, &["create"], &new)?, words)?;
        let leader = lease("kube-controller-manager", "", "node-1");
        self.tool(&["create", "-f", "-"])?
            .input(leader.to_string())
            .run()?;
        refused(
            "a foreign lease",
            &self.tries(holder, &["replace"], &leader)?,
            words,
        )?;
        let gone = self.tool(&["delete", "lease", WEB, "-n", "kube-system", "--token", holder])?;
        refused("deletion", &gone.attempt()?, "deletes no leases")
    }
}

fn allowed(what: &str, outcome: &Outcome) -> Result<()> {
    ensure!(outcome.succeeded(), "{what} was refused: {}", outcome.stderr);
    Ok(())
}

fn refused(what: &str, outcome: &Outcome, words: &str) -> Result<()> {
    ensure!(!outcome.succeeded(), "{what} was let through: {}", outcome.stdout);
    let said = &outcome.stderr;
    ensure!(
        said.contains("ValidatingAdmissionPolicy 'lightship-agent'") && said.contains(words),
        "{what} was refused, but not because {words:?}: {said}"
    );
    Ok(())
}

#[test]
fn an_agent_writes_its_own_heartbeat_and_no_other() -> Result<()> {
    let agents = Agents::up("beats")?;
    let own = agents.token_of("node-1")?;
    let beat = lease("lightship-agent-node-1", "heartbeat", "node-1");
    allowed("its heartbeat", &agents.tries(&own, &["create"], &beat)?)?;
    let renewed = with(
        beat.clone(),
        "/metadata/annotations",
        json!({"lightship.dev/inventory": "{}"}),
    );
    allowed("its next one", &agents.tries(&own, &["replace"], &renewed)?)?;

    let posing = with(
        beat.clone(),
        "/metadata/labels/lightship.dev~1lease",
        json!("service"),
    );
    let stuck = with(beat.clone(), "/metadata/finalizers", json!(["example.org/never"]));
    let other = with(beat.clone(), "/spec/holderIdentity", json!("node-2"));
    for (what, object) in [
        ("posing as a service's lease", posing),
        ("a finalizer", stuck),
        ("another holder", other),
    ] {
        refused(
            what,
            &agents.tries(&own, &["replace"], &object)?,
            "must be labelled",
        )?;
    }
    let stranger = agents.token_of("node-2")?;
    let words = "the agent of node-2 may write its own heartbeat lightship-agent-node-2";
    refused(
        "another's heartbeat",
        &agents.tries(&stranger, &["replace"], &beat)?,
        words,
    )?;
    let third = lease("lightship-agent-node-3", "heartbeat", "node-3");
    refused(
        "another's first heartbeat",
        &agents.tries(&stranger, &["create"], &third)?,
        words,
    )?;
    let unbound = agents.token(&[])?;
    refused(
        "a token of no node",
        &agents.tries(&unbound, &["replace"], &beat)?,
        "not bound to a node",
    )?;

    agents.lab.apply(POD)?;
    let mounted = agents.token(&["--bound-object-kind=Pod", "--bound-object-name=lightship-agent-x"])?;
    let second = lease("lightship-agent-node-2", "heartbeat", "node-2");
    allowed("a pod's token", &agents.tries(&mounted, &["create"], &second)?)?;
    refused(
        "another's, by a pod's token",
        &agents.tries(&mounted, &["replace"], &beat)?,
        words,
    )?;
    agents.lab.down()
}

/// Claims of node-2, which stands by, that go beyond what it may change.
fn excessive() -> Vec<(&'static str, Value, &'static str)> {
    let order_of = "/metadata/annotations/lightship.dev~1work-order";
    let moved = with(bound(), "/spec/holderIdentity", json!("node-2"));
    let announcing_more =
        order(r#","standbys":["node-4"],"deposed":"node-1""#).replace("10.0.10.0", "10.0.10.9");
    let naming_another = order(r#","standbys":["node-4","node-3"],"deposed":"node-1""#);
    vec![
        (
            "another as holder",
            with(claimed(), "/spec/holderIdentity", json!("node-4")),
            "can make node-2 the holder",
        ),
        ("the same epoch", moved, "starts a new epoch"),
        (
            "an absurd epoch",
            with(claimed(), "/spec/leaseTransitions", json!(i32::MAX)),
            "starts a new epoch",
        ),
        (
            "another address",
            with(claimed(), order_of, json!(announcing_more)),
            "belongs to the operator",
        ),
        (
            "a standby of its own",
            with(claimed(), order_of, json!(naming_another)),
            "belongs to the operator",
        ),
        (
            "no order",
            with(claimed(), "/metadata/annotations", json!({})),
            "belongs to the operator",
        ),
        (
            "no label",
            with(claimed(), "/metadata/labels", json!({})),
            "belongs to the operator",
        ),
        (
            "another duration",
            with(claimed(), "/spec/leaseDurationSeconds", json!(9)),
            "belongs to the operator",
        ),
        (
            "a finalizer",
            with(claimed(), "/metadata/finalizers", json!(["example.org/x"])),
            "belongs to the operator",
        ),
    ]
}

#[test]
fn an_agent_takes_over_what_it_stands_by_for_and_changes_nothing_else() -> Result<()> {
    let agents = Agents::up("claims")?;
    agents.bind()?;
    let (holder, standby) = (agents.token_of("node-1")?, agents.token_of("node-2")?);
    for (what, object, words) in excessive() {
        refused(what, &agents.tries(&standby, &["replace"], &object)?, words)?;
    }
    let third = agents.token_of("node-3")?;
    let taken = with(claimed(), "/spec/holderIdentity", json!("node-3"));
    refused(
        "no standby",
        &agents.tries(&third, &["replace"], &taken)?,
        "neither holds",
    )?;
    let unbound = agents.token(&[])?;
    refused(
        "no node",
        &agents.tries(&unbound, &["replace"], &claimed())?,
        "not bound to a node",
    )?;
    agents.touches_no_other(&holder)?;

    let kept = agents.lab.get(&["lease", "-n", "kube-system", WEB])?;
    ensure!(
        kept["spec"]["holderIdentity"] == "node-1",
        "it was changed: {kept}"
    );
    allowed(
        "a standby's claim",
        &agents.tries(&standby, &["replace"], &claimed())?,
    )?;
    let renewed = with(claimed(), "/spec/leaseTransitions", json!(7));
    allowed(
        "a holder's new epoch",
        &agents.tries(&standby, &["replace"], &renewed)?,
    )?;
    let late = agents.tries(
        &holder,
        &["replace"],
        &with(renewed, "/spec/holderIdentity", json!("node-1")),
    )?;
    refused("the deposed one", &late, "node-1 neither holds")?;
    let told = agents.lab.get(&["lease", "-n", "kube-system", WEB])?;
    let holder = told["spec"]["holderIdentity"].as_str().context("no holder")?;
    ensure!(holder == "node-2", "{told}");
    agents.lab.down()
}
