//! What can end the operator, or fail in it and be tried again.

use lightship_core::cilium::Rival;
use lightship_edge::ApiAnswer as _;
use thiserror::Error;

/// A failed operation.
#[derive(Debug, Error)]
pub enum Error {
    /// The definitions are not installed, or may not be read.
    #[error(
        "failed to list {kind}: apply the manifests (kubectl apply -k manifests), which install the definitions and \
         the permissions of the service account"
    )]
    List {
        /// Plural of the kind.
        kind: &'static str,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The definitions that are expected could not be made.
    #[error("failed to make the definitions to compare with: this is a mistake in Lightship, report it")]
    Definitions(#[source] lightship_crd::definition::Error),
    /// Cilium does the same in this cluster.
    #[error("refuses to start beside Cilium: {rival}; turn it off: {}", rival.remedy())]
    BesideCilium {
        /// Which part of it.
        rival: Rival,
    },
    /// The leader lease could not be read or written.
    #[error("failed to {operation} the leader lease {lease}")]
    LeaderLease {
        /// What was attempted.
        operation: &'static str,
        /// Namespace and name.
        lease: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("failed to {operation} in time: the API server did not answer")]
    Deadline {
        /// What was attempted.
        operation: &'static str,
    },
    /// A write of a decision was refused.
    #[error("failed to write {target}")]
    Write {
        /// Which object.
        target: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// A value could not be turned into JSON.
    #[error("failed to encode {what}")]
    Encode {
        /// Which value.
        what: &'static str,
        /// What the encoder objects to.
        #[source]
        source: serde_json::Error,
    },
}

/// What is known of a write that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It did nothing.
    None,
    /// It may have been carried out, or may be yet.
    Unknown,
}

impl Error {
    /// What the failed write may have done. Only a refusal that the API server states is certain.
    pub(crate) fn effect(&self) -> Effect {
        match self {
            Self::Write { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if (400..500).contains(&status.code) => Effect::None,
                _ => Effect::Unknown,
            },
            Self::Deadline { .. } => Effect::Unknown,
            Self::List { .. }
            | Self::Definitions(_)
            | Self::BesideCilium { .. }
            | Self::LeaderLease { .. }
            | Self::Encode { .. } => Effect::None,
        }
    }

    /// Whether an object could not be created because one of its name is there.
    pub(crate) fn is_occupied(&self) -> bool {
        match self {
            Self::Write { source, .. } => {
                matches!(source.as_ref(), kube::Error::Api(status) if status.is_already_exists())
            }
            _ => false,
        }
    }

    /// The category, as metrics label it.
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::Definitions(_) => "definitions",
            Self::BesideCilium { .. } => "beside_cilium",
            Self::LeaderLease { .. } => "leader_lease",
            Self::Deadline { .. } => "deadline",
            Self::Write { source, .. } if source.is_conflict() => "conflict",
            Self::Write { .. } => "write",
            Self::Encode { .. } => "encode",
        }
    }
}
