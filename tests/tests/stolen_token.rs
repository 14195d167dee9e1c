//! What somebody can do who has the token of a node's agent: the whole list, under the shipped rights. `docs/stolen-token.md` is made of it.

use std::time::Duration;

use anyhow::{Result, ensure};
use lightship_tests::{
    Options, command::Outcome, eventually, lab::testing::TestLab, objects::lease, snapshot,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const HELD: &str = "cilium-l2announce-default-held";
const STOOD_BY: &str = "cilium-l2announce-default-stood-by";
const OTHERS: &str = "cilium-l2announce-default-of-others";

/// What comes of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It works.
    Done,
    /// No role lets it.
    NoRight,
    /// A role does, the admission policy does not.
    NotAdmitted,
}
use Answer::{Done, NoRight, NotAdmitted};

struct Thief {
    lab: TestLab,
    token: String,
    rows: Vec<String>,
}

impl Thief {
    /// A cluster in which node-1 holds an address that node-2 stands by for, and node-3 one that it does not; the token is node-2's.
    fn up() -> Result<Self> {
        let options = Options {
            nodes: 3,
            bare: true,
            ..Options::default()
        };
        let lab = TestLab::up("stolen", &options)?;
        lab.install_manifests()?;
        let leases = [
            order(HELD, "node-2", "node-1"),
            order(STOOD_BY, "node-1", "node-2"),
            order(OTHERS, "node-3", "node-1"),
            lease("kube-scheduler", "", "control-plane"),
            lease("lightship-agent-node-1", "heartbeat", "node-1"),
            lease("lightship-agent-node-2", "heartbeat", "node-2"),
        ];
        for one in leases {
            lab.kubectl_tool(&["create", "-f", "-"])?
                .input(one.to_string())
                .run()?;
        }
        lab.apply(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: lightship-members, namespace: kube-system}}",
        )?;
        let token = lab.kubectl(&[
            "create",
            "token",
            "lightship-agent",
            "--namespace=kube-system",
            "--bound-object-kind=Node",
            "--bound-object-name=node-2",
        ])?;
        let thief = Self {
            lab,
            token: token.trim().to_owned(),
            rows: Vec::new(),
        };
        // Established is a moment before kubectl finds it.
        eventually("the kinds to be found", SOON, || {
            thief.lab.kubectl(&["get", "ippools,l2announcement"])
        })?;
        eventually("the admission policy to be in force", SOON, || {
            let asked = thief.run(&["replace", "--dry-run=server"], Some(&changed(OTHERS, "node-3")))?;
            ensure!(
                asked.stderr.contains("ValidatingAdmissionPolicy"),
                "{}",
                asked.stderr
            );
            Ok(())
        })?;
        Ok(thief)
    }

    fn run(&self, typed: &[&str], object: Option<&Value>) -> Result<Outcome> {
        let mut line = vec!["--token", &self.token];
        line.extend(typed);
        if object.is_some() {
            line.extend(["-f", "-"]);
        }
        let tool = self.lab.kubectl_tool(&line)?;
        match object {
            Some(object) => tool.input(object.to_string()).attempt(),
            None => tool.attempt(),
        }
    }

    /// Tries it, and notes what came of it.
    fn tries(&mut self, what: &str, expected: Answer, typed: &[&str], object: Option<&Value>) -> Result<()> {
        let outcome = self.run(typed, object)?;
        let said = outcome.stderr.lines().last().unwrap_or_default();
        let answer = match outcome.code {
            0 => Done,
            _ if said.contains("ValidatingAdmissionPolicy 'lightship-agent'") => NotAdmitted,
            _ if said.contains("forbidden") => NoRight,
            _ => anyhow::bail!(
                "{what} ended with something else: {}{}",
                outcome.stdout,
                outcome.stderr
            ),
        };
        ensure!(answer == expected, "{what}: {}{}", outcome.stdout, outcome.stderr);
        let shown = match answer {
            Done => "**works**".to_owned(),
            NoRight => "no role grants it".to_owned(),
            NotAdmitted => format!(
                "the admission policy: {}",
                said.rsplit_once("denied request: ").map_or(said, |(_, why)| why)
            ),
        };
        let command = typed.join(" ").replace("--namespace=", "-n ");
        self.rows
            .push(format!("| {what} | `kubectl {command}` | {shown} |\n"));
        Ok(())
    }

    fn reads(&mut self) -> Result<()> {
        const SYSTEM: &str = "--namespace=kube-system";
        self.tries(
            "read the leases of `kube-system`, other components' too",
            Done,
            &["get", "leases", SYSTEM],
            None,
        )?;
        let members = [
            "get",
            "configmaps",
            SYSTEM,
            "--field-selector=metadata.name=lightship-members",
        ];
        self.tries("read the list of members", Done, &members, None)?;
        for (what, typed) in [
            ("read other configuration", vec!["get", "configmaps", SYSTEM]),
            (
                "read leases elsewhere",
                vec!["get", "leases", "--namespace=default"],
            ),
            ("read secrets", vec!["get", "secrets", SYSTEM]),
            ("read pods", vec!["get", "pods", SYSTEM]),
            ("read services", vec!["get", "services", "--all-namespaces"]),
            (
                "read endpoints",
                vec!["get", "endpointslices", "--all-namespaces"],
            ),
            ("read nodes", vec!["get", "nodes"]),
            ("read pools", vec!["get", "ippools"]),
            ("read policies", vec!["get", "ciliuml2announcementpolicies"]),
        ] {
            self.tries(what, NoRight, &typed, None)?;
        }
        Ok(())
    }

    fn writes_leases(&mut self) -> Result<()> {
        let replace = ["replace"];
        let beat = lease("lightship-agent-node-2", "heartbeat", "node-2");
        self.tries(
            "write its own heartbeat, whatever it says",
            Done,
            &replace,
            Some(&beat),
        )?;
        self.tries(
            "take over an address that its node stands by for",
            Done,
            &replace,
            Some(&changed(STOOD_BY, "node-2")),
        )?;
        self.tries(
            "raise the epoch of an address that its node holds",
            Done,
            &replace,
            Some(&changed(HELD, "node-2")),
        )?;
        self.tries(
            "take over any other address",
            NotAdmitted,
            &replace,
            Some(&changed(OTHERS, "node-2")),
        )?;
        self.tries(
            "give an address to another node",
            NotAdmitted,
            &replace,
            Some(&changed(HELD, "node-3")),
        )?;
        let mut more = changed(HELD, "node-2");
        let text = more["metadata"]["annotations"]["lightship.dev/work-order"].to_string();
        more["metadata"]["annotations"]["lightship.dev/work-order"] =
            serde_json::from_str(&text.replace("10.0.10.0", "10.0.10.9"))?;
        more["spec"]["leaseTransitions"] = json!(9);
        self.tries("announce another address", NotAdmitted, &replace, Some(&more))?;
        let beat = lease("lightship-agent-node-1", "heartbeat", "node-1");
        self.tries(
            "write another node's heartbeat",
            NotAdmitted,
            &replace,
            Some(&beat),
        )?;
        let foreign = lease("kube-scheduler", "", "node-2");
        self.tries(
            "take another component's leadership",
            NotAdmitted,
            &replace,
            Some(&foreign),
        )?;
        let new = order("cilium-l2announce-default-new", "node-2", "node-1");
        self.tries("bind a service of its own", NotAdmitted, &["create"], Some(&new))?;
        let elsewhere = ["create", "--namespace=default"];
        let mut new = lease("any", "", "node-2");
        new["metadata"]["namespace"] = json!("default");
        self.tries("create leases elsewhere", NoRight, &elsewhere, Some(&new))?;
        let delete = ["delete", "lease", HELD, "--namespace=kube-system"];
        self.tries("delete leases", NoRight, &delete, None)?;
        let patch = [
            "patch",
            "lease",
            HELD,
            "--namespace=kube-system",
            "--type=merge",
            "-p",
            "{}",
        ];
        self.tries("patch leases", NoRight, &patch, None)
    }

    fn reaches_further(&mut self) -> Result<()> {
        let service = "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"10.0.10.9\"}]}}}";
        for (what, typed) in [
            (
                "change a service's addresses",
                vec![
                    "patch",
                    "service",
                    "kubernetes",
                    "--subresource=status",
                    "--type=merge",
                    "-p",
                    service,
                ],
            ),
            ("label its node", vec!["label", "node", "node-2", "x=y"]),
            (
                "run pods",
                vec!["run", "x", "--image=x", "--namespace=kube-system"],
            ),
            ("make pools", vec!["create", "-f", "SAMPLES/j0/pool.yaml"]),
            ("make policies", vec!["create", "-f", "SAMPLES/j0/policy.yaml"]),
            (
                "change the members",
                vec![
                    "patch",
                    "configmap",
                    "lightship-members",
                    "--namespace=kube-system",
                    "--type=merge",
                    "-p",
                    "{}",
                ],
            ),
            (
                "draw tokens",
                vec!["create", "token", "lightship-operator", "--namespace=kube-system"],
            ),
            ("act as somebody else", vec!["get", "nodes", "--as=admin"]),
            (
                "give itself rights",
                vec![
                    "create",
                    "clusterrolebinding",
                    "x",
                    "--clusterrole=cluster-admin",
                    "--user=x",
                ],
            ),
            (
                "take the admission policy away",
                vec!["delete", "validatingadmissionpolicy", "lightship-agent"],
            ),
        ] {
            let samples = lightship_tests::binaries::source().join("manifests/samples");
            let path: Vec<String> = typed
                .iter()
                .map(|word| word.replace("SAMPLES", &samples.to_string_lossy()))
                .collect();
            let words: Vec<&str> = path.iter().map(String::as_str).collect();
            self.tries(what, NoRight, &words, None)?;
            if let Some(row) = self.rows.last_mut() {
                *row = row.replace(&*samples.to_string_lossy(), "manifests/samples");
            }
        }
        Ok(())
    }
}

/// The lease of a service as the operator writes it.
fn order(name: &str, holder: &str, standby: &str) -> Value {
    let service = name.trim_start_matches("cilium-l2announce-default-");
    let mut lease = lease(name, "service", holder);
    let own = json!({"namespace": "default", "name": service}).to_string();
    let announcements = r#"[{"policy":"p","addresses":["10.0.10.0"],"interfaces":["^eth0$"]}]"#;
    let order = format!(
        r#"{{"service":{own},"primary":{own},"announcements":{announcements},"standbys":["{standby}"]}}"#
    );
    lease["metadata"]["annotations"] =
        json!({"lightship.dev/service": format!("default/{service}"), "lightship.dev/work-order": order});
    lease
}

/// A claim of a lease for a node.
fn changed(name: &str, holder: &str) -> Value {
    let (before, standby) = match name {
        HELD => ("node-2", "node-1"),
        STOOD_BY => ("node-1", "node-2"),
        _ => ("node-3", "node-1"),
    };
    let mut lease = order(name, before, standby);
    lease["spec"]["holderIdentity"] = json!(holder);
    lease["spec"]["leaseTransitions"] = json!(5);
    lease
}

#[test]
fn a_stolen_token_is_good_for_what_the_documentation_lists_and_for_nothing_else() -> Result<()> {
    let mut thief = Thief::up()?;
    thief.reads()?;
    thief.writes_leases()?;
    thief.reaches_further()?;
    // Whatever nobody thought of above: the API server's own list of what it grants beyond what every account has.
    let granted = thief.run(&["auth", "can-i", "--list", "--namespace=kube-system"], None)?;
    let everybody = |line: &&str| line.contains("[/") || line.contains("selfsubject");
    let granted: Vec<String> = granted
        .stdout
        .lines()
        .filter(|line| !everybody(line))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let rows = thief.rows.concat();
    let table = format!(
        "| what is tried | typed | what comes of it |\n|---|---|---|\n{rows}\n```\n{}\n```\n",
        granted.join("\n")
    );
    let update = "if that is right, set LIGHTSHIP_UPDATE_DOCS=1 and look at the difference";
    snapshot::generated("docs/stolen-token.md", "attempts", &table, update)?;
    thief.lab.kubectl(&["delete", "node", "node-2"])?;
    eventually("the token to be worth nothing", SOON, || {
        let asked = thief.run(&["get", "leases", "--namespace=kube-system"], None)?;
        ensure!(
            asked.stderr.contains("Unauthorized"),
            "{}{}",
            asked.stdout,
            asked.stderr
        );
        Ok(())
    })?;
    thief.lab.down()
}
