//! The guides' own manifests are accepted as written, with strict validation.

use std::fs;

use lightship_tests::{Options, binaries, lab::testing::TestLab};

/// Installed by its own users, not by us.
const GATEWAY: &str = "j1/gateway.yaml";

#[test]
fn every_sample_is_accepted_strictly() {
    let options = Options {
        nodes: 1,
        bare: true,
        ..Options::default()
    };
    let lab = TestLab::up("samples", &options).unwrap();
    lab.install_manifests().unwrap();
    lab.kubectl(&["create", "namespace", "prod"]).unwrap();

    let samples = binaries::source().join("manifests/samples");
    let mut applied = 0;
    for journey in fs::read_dir(&samples).unwrap() {
        for file in fs::read_dir(journey.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            if file.ends_with(GATEWAY) {
                continue;
            }
            let name = file.strip_prefix(binaries::source().join("manifests")).unwrap();
            lab.apply_file(&name.to_string_lossy()).unwrap();
            applied += 1;
        }
    }
    assert!(
        applied >= 16,
        "only {applied} samples were found in {}",
        samples.display()
    );

    // The same strictness refuses what it does not know.
    let misspelt =
        "{apiVersion: cilium.io/v2, kind: CiliumLoadBalancerIPPool, metadata: {name: p}, spec: {block: []}}";
    let refused = lab.apply(misspelt).unwrap_err().to_string();
    assert!(refused.contains("unknown field"), "{refused}");
    lab.down().unwrap();
}
