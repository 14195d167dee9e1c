//! J2.3: from MetalLB's objects in a cluster to ours, by what the tool prints alone; every service keeps its address.

use anyhow::Result;
use lightship_tests::{
    Lab, Options,
    journey::results::step,
    lab::{testing::TestLab, unit::Action},
    objects::{has, ingress, says, service},
};

/// The kinds as far as they matter here; MetalLB itself does not run.
fn definitions(lab: &Lab) -> Result<()> {
    for (kind, plural) in [
        ("IPAddressPool", "ipaddresspools"),
        ("L2Advertisement", "l2advertisements"),
    ] {
        lab.apply(&format!(
            "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: {plural}.metallb.io}},\n\
             spec: {{group: metallb.io, scope: Namespaced, names: {{kind: {kind}, plural: {plural}}}, versions: [{{name: v1beta1,\n\
             served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}]}}}}"
        ))?;
    }
    lab.kubectl(&[
        "wait",
        "--for=condition=established",
        "crd",
        "--all",
        "--timeout=30s",
    ])?;
    Ok(())
}

const METALLB: &str = "
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: first-pool, namespace: default}
spec: {addresses: [192.168.1.128-192.168.1.160], avoidBuggyIPs: true}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: costly, namespace: default}
spec: {addresses: [192.168.2.0/28], autoAssign: false}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: everywhere, namespace: default}
spec: {interfaces: [enp0s25]}
---
apiVersion: v1
kind: Service
metadata: {name: pi-hole-tcp, namespace: default, annotations: {metallb.universe.tf/allow-shared-ip: pi-hole}}
spec: {type: LoadBalancer, ports: [{name: dns, port: 53, protocol: TCP}]}
---
apiVersion: v1
kind: Service
metadata: {name: pi-hole-udp, namespace: default, annotations: {metallb.universe.tf/allow-shared-ip: pi-hole}}
spec: {type: LoadBalancer, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default, annotations: {metallb.io/address-pool: costly}}
spec: {type: LoadBalancer, ports: [{port: 443}]}
";

/// What MetalLB had given.
const GIVEN: [(&str, &str); 3] = [
    ("pi-hole-tcp", "192.168.1.153"),
    ("pi-hole-udp", "192.168.1.153"),
    ("shop", "192.168.2.7"),
];

#[test]
fn services_keep_what_metallb_gave_them() -> Result<()> {
    let options = Options {
        nodes: 1,
        bare: true,
        ..Options::default()
    };
    let lab = TestLab::up("import", &options)?;
    step("J2.3", || import(&lab))?;
    lab.down()
}

fn import(lab: &Lab) -> Result<()> {
    lab.install_manifests()?;
    definitions(lab)?;
    lab.apply(METALLB)?;
    for (service, address) in GIVEN {
        let status = format!(r#"{{"status":{{"loadBalancer":{{"ingress":[{{"ip":"{address}"}}]}}}}}}"#);
        lab.kubectl(&[
            "patch",
            "service",
            service,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
            "--field-manager=controller",
        ])?;
    }

    let imported = lab.try_exec("control-plane", &["lightship", "import", "metallb"])?;
    assert_eq!(imported.code, 3, "{}{}", imported.stdout, imported.stderr);
    assert!(
        imported
            .stdout
            .contains("# NOT CARRIED OVER: IPAddressPool/costly: autoAssign: false")
    );
    lab.apply(&imported.stdout)?;
    let commands = imported
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("#   "));
    for command in commands {
        lab.exec("control-plane", &["sh", "-ec", command])?;
    }
    // MetalLB is gone, and ours begins.
    lab.operator(Action::Start, 1)?;

    for (service, address) in GIVEN {
        has(lab, service, &[address])?;
        says(lab, service, "kept", address)?;
    }
    // It is theirs: nobody else gets it.
    let asking = ", annotations: {lbipam.cilium.io/ips: 192.168.1.153}";
    lab.apply(&service("thief", asking, ""))?;
    says(lab, "thief", "already_allocated", "default/pi-hole")?;
    // Who asks for nothing gets nothing of the pool that is not for everybody.
    lab.apply("{apiVersion: v1, kind: Service, metadata: {name: later}, spec: {type: LoadBalancer, ports: [{port: 80}]}}")
        ?;
    has(lab, "later", &["192.168.1.128"])?;
    assert_eq!(ingress(lab, "shop")?, ["192.168.2.7"]);
    Ok(())
}
