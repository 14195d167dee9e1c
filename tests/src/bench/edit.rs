//! What people do to objects while something else goes wrong, and how it is taken back. None of it may cost an address.

use anyhow::Result;
use clap::ValueEnum;
use lightship_tests::scene::{Scene, objects};
use serde_json::json;

/// One edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Edit {
    Nothing,
    PoolWidened,
    PoolDisabled,
    PoolReplaced,
    PolicyRewritten,
    ServicesLabelled,
    ServiceCreated,
    PolicyAdded,
}

const POOL: &str = "ciliumloadbalancerippools/scene";
const POLICY: &str = "ciliuml2announcementpolicies/scene";

/// Says the same as the scene's policy, for services with a label that none has.
const SECOND_POLICY: &str = "
apiVersion: cilium.io/v2alpha1
kind: CiliumL2AnnouncementPolicy
metadata: {name: second}
spec: {serviceSelector: {matchLabels: {scene: none}}, interfaces: ['^eth[0-9]+$'], loadBalancerIPs: true}
";

impl Edit {
    /// The words for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no edit",
            Self::PoolWidened => "pool widened",
            Self::PoolDisabled => "pool disabled",
            Self::PoolReplaced => "pool deleted and created again",
            Self::PolicyRewritten => "policy's interfaces rewritten",
            Self::ServicesLabelled => "services labelled",
            Self::ServiceCreated => "service created",
            Self::PolicyAdded => "second policy",
        }
    }

    /// Makes it.
    pub(crate) fn make(self, scene: &Scene, round: u32) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::PoolWidened => blocks(scene, &["10.0.16.0/20", "2004::a:0/112", "10.0.64.0/24"]),
            Self::PoolDisabled => patch(scene, POOL, &json!({"spec": {"disabled": true}})),
            Self::PoolReplaced => {
                scene.kubectl(&["delete", POOL])?;
                scene.apply(objects::POOL).map(drop)
            }
            Self::PolicyRewritten => {
                patch(scene, POLICY, &json!({"spec": {"interfaces": ["^eth0", "^lan"]}}))
            }
            Self::ServicesLabelled => scene
                .kubectl(&[
                    "label",
                    "services",
                    "-l",
                    "scene=yes",
                    &format!("round=r{round}"),
                    "--overwrite",
                ])
                .map(drop),
            Self::ServiceCreated => scene.apply(&extra(round)).map(drop),
            Self::PolicyAdded => scene.apply(SECOND_POLICY).map(drop),
        }
    }

    /// Takes it back.
    pub(crate) fn take_back(self, scene: &Scene, round: u32) -> Result<()> {
        match self {
            Self::Nothing | Self::PoolReplaced | Self::ServicesLabelled => Ok(()),
            Self::PoolWidened => blocks(scene, &["10.0.16.0/20", "2004::a:0/112"]),
            Self::PoolDisabled => patch(scene, POOL, &json!({"spec": {"disabled": false}})),
            Self::PolicyRewritten => patch(scene, POLICY, &json!({"spec": {"interfaces": ["^eth0$"]}})),
            Self::ServiceCreated => scene
                .kubectl(&["delete", "service", &format!("extra-{round}")])
                .map(drop),
            Self::PolicyAdded => scene
                .kubectl(&["delete", "ciliuml2announcementpolicies/second"])
                .map(drop),
        }
    }
}

fn blocks(scene: &Scene, networks: &[&str]) -> Result<()> {
    let blocks: Vec<_> = networks.iter().map(|cidr| json!({"cidr": cidr})).collect();
    patch(scene, POOL, &json!({"spec": {"blocks": blocks}}))
}

fn patch(scene: &Scene, object: &str, change: &serde_json::Value) -> Result<()> {
    scene
        .kubectl(&["patch", object, "--type=merge", "-p", &change.to_string()])
        .map(drop)
}

fn extra(round: u32) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: extra-{round}, namespace: default}}\n\
         spec: {{type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{{port: 80}}]}}\n"
    )
}
