//! Objects as large, as many and as spiteful as the API server takes them: operator and agents go on serving everybody else.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kube::{
    Api, Client, Config,
    api::{DynamicObject, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    discovery::ApiResource,
};
use lightship_tests::{
    Lab, Options,
    client::arping::arping,
    eventually,
    lab::{testing::TestLab, unit::Unit},
    objects::{PATIENCE, condition, has, ingress, pool, service},
};
use serde_json::{Value, json};

const POLICIES: &str = "ciliuml2announcementpolicies";
/// How many there are in the end.
const CROWD: usize = 10_000;
/// As many as fit into an object: etcd takes a megabyte and a half.
const TERMS: usize = 15_000;
/// Services that are timed at once.
const TIMED: usize = 8;
/// A service may take this often the time that it took before, and a second, in which less happens on a machine that rests.
const SLOWER: u32 = 8;

const SANE: &str = "
---
apiVersion: cilium.io/v2alpha1
kind: CiliumL2AnnouncementPolicy
metadata: {name: sane}
spec: {loadBalancerIPs: true, interfaces: ['^eth0$'], serviceSelector: {matchLabels: {sane: 'yes'}}}
";

struct Cluster {
    lab: TestLab,
    processes: BTreeMap<String, u32>,
}

impl Cluster {
    fn up() -> Result<Self> {
        let options = Options {
            nodes: 2,
            ..Options::default()
        };
        let lab = TestLab::up("absurd", &options)?;
        lab.apply(&(pool("sane", "blocks: [{cidr: 10.0.10.0/24}]") + SANE))?;
        let processes = processes(&lab);
        ensure!(processes.len() == 4, "there run {processes:?}");
        Ok(Self { lab, processes })
    }

    /// How long a few services take from their creation to their answers: all of them.
    fn serves(&self, round: &str) -> Result<Duration> {
        let names: Vec<String> = (0..TIMED).map(|number| format!("{round}-{number}")).collect();
        let services = names
            .iter()
            .map(|name| service(name, ", labels: {sane: 'yes'}", ""));
        let start = Instant::now();
        self.lab.apply(&services.collect::<String>())?;
        for name in &names {
            let address = eventually(&format!("an address of {name}"), 3 * PATIENCE, || {
                ingress(&self.lab, name)?.pop().context("it has none")
            })?;
            eventually(&format!("an answer for {name}"), 3 * PATIENCE, || {
                let answers = arping(&self.lab, &address, 1)?;
                ensure!(answers.received == 1, "{answers:?}");
                Ok(())
            })?;
        }
        Ok(start.elapsed())
    }

    /// Everybody else is served as before, and by the same processes.
    #[expect(clippy::print_stdout, reason = "the times are to be seen, by --nocapture")]
    fn unmoved(&self, round: &str, yardstick: Duration) -> Result<()> {
        let took = self.serves(round)?;
        println!("{round}: {took:?} beside {yardstick:?} before");
        ensure!(
            took < SLOWER * yardstick + Duration::from_secs(1),
            "{round}: {TIMED} services took {took:?}, and {yardstick:?} before"
        );
        let now = processes(&self.lab);
        ensure!(
            now == self.processes,
            "there run {now:?}, not {:?}",
            self.processes
        );
        for unit in now.keys() {
            ensure!(!self.lab.logs(unit)?.contains("panicked"), "{unit} panicked");
        }
        Ok(())
    }

    /// Not applied, for `kubectl apply` would store it in an annotation, which is then too long.
    fn create(&self, object: &Value) -> Result<()> {
        let tool = self.lab.kubectl_tool(&["create", "-f", "-"])?;
        tool.input(object.to_string()).run().map(drop)
    }
}

/// Operator and agents by their units' names.
fn processes(lab: &Lab) -> BTreeMap<String, u32> {
    let units = Unit::all(lab.folder()).into_iter();
    let ours = units.filter(|unit| unit.name.starts_with("agent-") || unit.name.starts_with("operator-"));
    ours.filter_map(|unit| Some((unit.name.clone(), unit.process()?.pid)))
        .collect()
}

fn policy(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "cilium.io/v2alpha1", "kind": "CiliumL2AnnouncementPolicy", "metadata": {"name": name}, "spec": spec})
}

/// A selector of so many terms, none of which anybody meets: one requirement of as many values, or as many requirements.
fn terms(in_one: bool) -> Value {
    let value = |number: usize| format!("{number:05}{}", "v".repeat(45));
    if in_one {
        let values: Vec<String> = (0..TERMS).map(value).collect();
        return json!({"matchExpressions": [{"key": "sane", "operator": "In", "values": values}]});
    }
    let each = (0..TERMS / 2)
        .map(|number| json!({"key": format!("k{number}"), "operator": "NotIn", "values": [value(number)]}));
    let mut each: Vec<Value> = each.collect();
    // Every term has to be looked at before the last one fails.
    each.push(json!({"key": "sane", "operator": "DoesNotExist"}));
    json!({"matchExpressions": each})
}

/// Selectors of thousands of terms, expressions that explode elsewhere, and a pool of as many blocks as it may have.
fn swollen(cluster: &Cluster) -> Result<()> {
    for (name, in_one) in [("one-requirement", true), ("many-requirements", false)] {
        let selectors = json!({"serviceSelector": terms(in_one), "loadBalancerIPs": true});
        cluster.create(&policy(name, &selectors))?;
        let selectors = json!({"nodeSelector": terms(in_one), "loadBalancerIPs": true});
        cluster.create(&policy(&format!("nodes-{name}"), &selectors))?;
        let spec = json!({"blocks": [{"cidr": "192.0.2.0/24"}], "serviceSelector": terms(in_one)});
        // Two pools of the same block are a conflict that nobody else has.
        cluster.create(&json!({"apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": name}, "spec": spec}))?;
    }
    let evil = json!([
        "(a+)+$",
        "(a|aa)+$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(e+t+h+)*0+$"
    ]);
    cluster.create(&policy(
        "evil",
        &json!({"interfaces": evil, "loadBalancerIPs": true}),
    ))?;
    let large = json!({"interfaces": ["^eth0$", "(((a{100}){100}){100}){100}"], "loadBalancerIPs": true});
    cluster.create(&policy("large", &large))?;
    let many: Vec<String> = (0..TERMS)
        .map(|card| format!("^enp{card}s[0-9]+f[0-9]np[0-9]$"))
        .collect();
    cluster.create(&policy(
        "many",
        &json!({"interfaces": many, "loadBalancerIPs": true}),
    ))?;
    let blocks: Vec<Value> = (0..1024)
        .map(|at| json!({"cidr": format!("2001:db8:{at:x}::/48")}))
        .collect();
    let reserved: Vec<String> = (0..1024).map(|at| format!("2001:db8:{at:x}::7")).collect();
    let spec = json!({"blocks": blocks, "reserved": reserved, "serviceSelector": {"matchLabels": {"nobody": "yes"}}});
    cluster.create(&json!({"apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": "blocks"}, "spec": spec}))?;
    let labels: BTreeMap<String, &str> = (0..TERMS / 2)
        .map(|number| (format!("label-{number}"), "x"))
        .collect();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "labelled", "namespace": "default", "labels": labels},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}});
    cluster.create(&service)
}

/// What is too large to be compiled says so; its policy alone is out of force.
fn refused(lab: &Lab) -> Result<()> {
    for name in ["large", "many"] {
        eventually(&format!("policy {name} to be called bad"), PATIENCE, || {
            let object = lab.get(&[POLICIES, name])?;
            let bad =
                condition(&object, "io.cilium/bad-interface-regex").context("it has no such condition")?;
            ensure!(bad["message"].to_string().contains("size limit"), "it says {bad}");
            Ok(())
        })?;
    }
    let evil = lab.get(&[POLICIES, "evil"])?;
    ensure!(
        condition(&evil, "io.cilium/bad-interface-regex").is_none(),
        "{}",
        evil["status"]
    );
    eventually(
        "an address of the service with thousands of labels",
        PATIENCE,
        || {
            ensure!(!ingress(lab, "labelled")?.is_empty(), "it has none");
            Ok(())
        },
    )
}

/// Everything under the longest name that it may have.
fn longest_names(lab: &Lab) -> Result<()> {
    let (short, long) = ("n".repeat(63), format!("{}x", "long.".repeat(50)) + "yz");
    lab.kubectl(&["create", "namespace", &short])?;
    lab.apply(&pool(
        &long,
        "blocks: [{cidr: 10.0.77.0/24}], serviceSelector: {matchLabels: {long: 'yes'}}",
    ))?;
    let spec = json!({"loadBalancerIPs": true, "interfaces": ["^eth0$"], "serviceSelector": {"matchLabels": {"long": "yes"}}});
    lab.apply(&policy(&long, &spec).to_string())?;
    lab.apply(&format!(
        "{{apiVersion: v1, kind: Node, metadata: {{name: {long}}}}}"
    ))?;
    let named = format!("{short}/{short}");
    let own = format!(", labels: {{long: 'yes'}}, annotations: {{lightship.dev/pool: {long}}}");
    let manifest = service(&short, &own, "").replace("namespace: default", &format!("namespace: {short}"));
    lab.apply(&manifest)?;
    has(lab, &named, &["10.0.77.0"])?;
    eventually("an answer for the longest name", PATIENCE, || {
        let answers = arping(lab, "10.0.77.0", 1)?;
        ensure!(answers.received == 1, "{answers:?}");
        Ok(())
    })?;
    eventually("pool and policy to name the service", PATIENCE, || {
        let given = lab.get(&["ippools", &long])?["status"].to_string();
        let held = lab.get(&[POLICIES, &long])?["status"].to_string();
        ensure!(given.contains(&named) && held.contains(&named), "{given} {held}");
        Ok(())
    })
}

/// Thousands of policies, half of which have a selector that everybody meets but no node; as fast as the API server takes them.
fn crowd(lab: &Lab) -> Result<()> {
    let kubeconfig = Kubeconfig::read_from(lab.folder().kubeconfig())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let kind = ApiResource {
            group: "cilium.io".into(),
            version: "v2alpha1".into(),
            api_version: "cilium.io/v2alpha1".into(),
            kind: "CiliumL2AnnouncementPolicy".into(),
            plural: POLICIES.into(),
        };
        let api: Api<DynamicObject> = Api::all_with(Client::try_from(config)?, &kind);
        let one = |number: usize| {
            let selector = if number.is_multiple_of(2) { json!({}) } else { json!({"matchLabels": {"nobody": number.to_string()}}) };
            let spec = json!({"loadBalancerIPs": true, "interfaces": ["^eth0$", "(e+)+$"],
                "serviceSelector": selector, "nodeSelector": {"matchLabels": {"nowhere": number.to_string()}}});
            let object = serde_json::from_value(policy(&format!("crowd-{number:05}"), &spec));
            let api = api.clone();
            async move { anyhow::Ok(api.create(&PostParams::default(), &object?).await.map(drop)?) }
        };
        stream::iter(0..CROWD).map(one).buffer_unordered(16).try_collect().await
    })
}

#[test]
fn everybody_else_is_served_beside_objects_of_any_size_name_and_number() -> Result<()> {
    let cluster = Cluster::up()?;
    // The first round finds everything cold.
    cluster.serves("first")?;
    let yardstick = cluster.serves("before")?;
    swollen(&cluster)?;
    refused(&cluster.lab)?;
    cluster.unmoved("swollen", yardstick)?;
    longest_names(&cluster.lab)?;
    cluster.unmoved("named", yardstick)?;
    crowd(&cluster.lab)?;
    cluster.unmoved("crowded", yardstick)?;
    cluster.lab.down()
}
