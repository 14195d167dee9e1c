//! Names of the objects decisions speak of, one type per kind so that they cannot be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A service by namespace and name; orders by namespace first, as `kubectl get -A` does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceId {
    /// Namespace of the service.
    pub namespace: String,
    /// Name of the service.
    pub name: String,
}

impl ServiceId {
    /// The service `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

macro_rules! cluster_scoped_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The name as Kubernetes writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

cluster_scoped_name! {
    /// A node, which is also the `holderIdentity` of the leases it holds.
    NodeName
}
cluster_scoped_name! {
    /// A `CiliumLoadBalancerIPPool`.
    PoolName
}
cluster_scoped_name! {
    /// A `CiliumL2AnnouncementPolicy`.
    PolicyName
}
