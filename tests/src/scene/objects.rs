//! The pool, policy and services of a scene.

use super::Plan;

/// Addresses of both families within the LAN's networks.
pub const POOL: &str = "
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: scene}
spec: {blocks: [{cidr: 10.0.16.0/20}, {cidr: '2004::a:0/112'}]}
";

/// Announced on the LAN by every worker.
pub const POLICY: &str = "
apiVersion: cilium.io/v2alpha1
kind: CiliumL2AnnouncementPolicy
metadata: {name: scene}
spec:
  nodeSelector: {matchExpressions: [{key: node-role.kubernetes.io/control-plane, operator: DoesNotExist}]}
  interfaces: ['^eth0$']
  loadBalancerIPs: true
";

/// The name of a service by its number.
#[must_use]
pub fn name(number: u32) -> String {
    format!("scene-{number:04}")
}

/// One service.
#[must_use]
pub fn service(number: u32, dual: bool) -> String {
    let families = if dual { "RequireDualStack" } else { "SingleStack" };
    let name = name(number);
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default, labels: {{scene: 'yes'}}}}\n\
         spec: {{type: LoadBalancer, allocateLoadBalancerNodePorts: false, ipFamilyPolicy: {families}, ports: [{{port: 80, targetPort: 8080}}]}}\n"
    )
}

/// All services, and who serves the first one: a backend on a node that outlives every worker.
#[must_use]
pub fn services(plan: Plan) -> String {
    let all: String = (0..plan.services)
        .map(|number| service(number, plan.dual))
        .collect();
    let first = name(0);
    let endpoints = format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {first}-lab, namespace: default, \
         labels: {{kubernetes.io/service-name: {first}}}}}\naddressType: IPv4\nports: [{{port: 8080}}]\n\
         endpoints: [{{addresses: [10.0.1.100], nodeName: control-plane, conditions: {{ready: true}}}}]\n"
    );
    all + &endpoints
}
