//! J4.1: a label on a Gateway is enough for the service that is generated for it.

use anyhow::Result;
use lightship_tests::{
    Lab,
    gateway::{self, GENERATED},
    journey::results::step,
    lab::unit::Action,
    objects::{PATIENCE, addresses_only, has, pool, says, service, told, version},
};

fn install(lab: &Lab) -> Result<()> {
    gateway::install(lab, PATIENCE, || lab.apply_file("samples/j1/gateway.yaml"))
}

fn in_its_namespace(lab: &Lab, args: &[&str]) -> Result<String> {
    lab.kubectl(&[&["-n", "kube-system"], args].concat())
}

/// The service of a Gateway whose label nobody sees.
fn unlabelled(lab: &Lab) -> Result<()> {
    for sample in ["pool", "policy"] {
        lab.apply_file(&format!("samples/j1/{sample}.yaml"))?;
    }
    gateway::generate(lab)?;
    says(lab, GENERATED, "no_pool", "ippool=l2announced")
}

/// The API is installed while the operator runs.
fn labelled(lab: &Lab) -> Result<()> {
    install(lab)?;
    has(lab, GENERATED, &["10.0.10.0"])?;
    // The policy's selector sees the label too: what is missing is a node, not a policy.
    let generated = ["-n", "kube-system", "service", "lab-gateway-central"];
    told(
        lab,
        &generated,
        "lightship.dev/Announced",
        "no_node",
        "datacenter",
    )?;

    // Where the label is does not matter, and without it there is no address.
    let nowhere = r#"{"spec":{"infrastructure":{"labels":null}}}"#;
    in_its_namespace(
        lab,
        &["patch", "gateway", "central", "--type=merge", "-p", nowhere],
    )?;
    has(lab, GENERATED, &[])?;
    in_its_namespace(lab, &["label", "gateway", "central", "ippool=l2announced"])?;
    has(lab, GENERATED, &["10.0.10.0"])
}

#[test]
fn labels_of_a_gateway_count_for_its_service_whenever_its_api_comes_and_goes() {
    let lab = addresses_only("gateway", &[]).unwrap();
    step("J4.1", || {
        unlabelled(&lab)?;
        labelled(&lab)
    })
    .unwrap();

    // A new operator knows the Gateways before it decides anything.
    let before = version(&lab, GENERATED).unwrap();
    lab.operator(Action::Kill, 1).unwrap();
    lab.operator(Action::Start, 1).unwrap();
    lab.apply(&(pool("open", "blocks: [{cidr: 10.0.20.0/24}]") + &service("after", "", "")))
        .unwrap();
    has(&lab, "after", &["10.0.20.0"]).unwrap();
    assert_eq!(
        version(&lab, GENERATED).unwrap(),
        before,
        "it was written without a cause"
    );

    // Without the API there is no label, and everything else goes on.
    lab.kubectl(&["delete", "ippools", "open"]).unwrap();
    lab.kubectl(&["delete", "crd", "gateways.gateway.networking.k8s.io"])
        .unwrap();
    has(&lab, GENERATED, &[]).unwrap();
    says(&lab, GENERATED, "no_pool", "ippool=l2announced").unwrap();
    install(&lab).unwrap();
    has(&lab, GENERATED, &["10.0.10.0"]).unwrap();
    // Its pool is gone, too, and for longer than the grace.
    has(&lab, "after", &[]).unwrap();
    lab.down().unwrap();
}
