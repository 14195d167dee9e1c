//! A policy that names no interfaces announces on the node's uplink, and on nothing that merely looks like one.

use std::time::Duration;

use anyhow::{Result, ensure};
use lightship_tests::{
    Options, client, eventually,
    journey::{j0, observed},
    lab::testing::TestLab,
};
use serde_json::{Value, json};

const POLICY: &str = "
apiVersion: cilium.io/v2alpha1
kind: CiliumL2AnnouncementPolicy
metadata: {name: any-interface}
spec: {loadBalancerIPs: true}
";

#[test]
fn without_names_the_uplink_announces_and_the_management_network_does_not() {
    let options = Options {
        nodes: 1,
        ..Options::default()
    };
    let lab = TestLab::up("uplink", &options).unwrap();
    for sample in ["service", "endpoints", "pool"] {
        lab.apply_file(&format!("samples/j0/{sample}.yaml")).unwrap();
    }
    lab.apply(POLICY).unwrap();
    eventually("answers", Duration::from_secs(30), || -> Result<()> {
        let answers = client::arping::arping(&lab, j0::ADDRESS, 1)?;
        ensure!(answers.received == 1, "{answers:?}");
        Ok(())
    })
    .unwrap();

    let holder = observed::holder(&lab).unwrap();
    let json_of =
        |argv: &[&str]| -> Value { serde_json::from_str(&lab.exec(&holder, argv).unwrap()).unwrap() };
    let uplink = json_of(&["ip", "-json", "link", "show", "eth0"])[0]["ifindex"].clone();
    let entries = json_of(&["bpftool", "--json", "map", "dump", "pinned", j0::MAP]);
    let keys: Vec<Value> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["formatted"]["key"].clone())
        .collect();
    assert_eq!(keys, [json!({"ip4": 655_370, "ifindex": uplink})]);
    lab.down().unwrap();
}
