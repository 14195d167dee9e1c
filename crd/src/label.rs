//! Labels that are read or written, and the two that exist only while a selector is evaluated.

/// On Lightship's own leases: which kind of lease it is, so that a watch selects exactly what it needs.
pub const LEASE: &str = "lightship.dev/lease";

/// Value of [`LEASE`] on the lease that binds a service to a node.
pub const LEASE_SERVICE: &str = "service";

/// Value of [`LEASE`] on the lease that an agent renews to say that it lives.
pub const LEASE_HEARTBEAT: &str = "heartbeat";

/// Seen by service selectors only: the service's namespace. Overrides a real label of that name.
pub const SERVICE_NAMESPACE: &str = "io.kubernetes.service.namespace";

/// Seen by service selectors only: the service's name. Overrides a real label of that name.
pub const SERVICE_NAME: &str = "io.kubernetes.service.name";

/// On nodes that should not receive traffic from outside; kubeadm sets it on control-plane nodes.
pub const EXCLUDE_FROM_LOAD_BALANCERS: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// On an endpoint slice: the service it is of.
pub const SERVICE_OF_SLICE: &str = "kubernetes.io/service-name";

/// On a service that a Gateway controller generated: the name of its Gateway.
pub const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// On the definitions themselves: Cilium's operator replaces a definition whose version is lower than its own.
pub const SCHEMA_VERSION: &str = "io.cilium.k8s.crd.schema.version";
