//! The members object: what the agents are told about each other.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use lightship_core::members::Members;
use lightship_crd::members::{KEY, NAME};
use tracing::warn;

use crate::error::Error;

/// The API server takes objects of a mebibyte; some of it is not ours.
const LONGEST: usize = 1_000_000;

/// A write of the members object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MembersWrite {
    /// There is none yet.
    Create(Box<ConfigMap>),
    /// It changes; bound to the version it was decided on.
    Replace(Box<ConfigMap>),
}

/// The write that makes the object say who the members are; `None` when it does already, or nothing is
/// to be said yet.
pub(crate) fn update(
    namespace: &str,
    observed: Option<&ConfigMap>,
    members: Members,
) -> Result<Option<MembersWrite>, Error> {
    if observed.is_none() && members.nodes.is_empty() {
        return Ok(None);
    }
    let encoded = members.to_json_within(LONGEST);
    let (text, omitted) = encoded.map_err(|source| Error::Encode {
        what: "the members",
        source,
    })?;
    let said = observed
        .and_then(|object| object.data.as_ref())
        .and_then(|data| data.get(KEY));
    if said == Some(&text) {
        return Ok(None);
    }
    if omitted > 0 {
        warn!(
            omitted,
            "the members do not fit into one object: nodes that are left out can neither take over nor be taken from \
             without the operator"
        );
    }
    let data = Some([(KEY.to_owned(), text)].into());
    Ok(Some(match observed {
        None => MembersWrite::Create(Box::new(ConfigMap {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            data,
            ..ConfigMap::default()
        })),
        Some(object) => MembersWrite::Replace(Box::new(ConfigMap {
            data,
            binary_data: None,
            ..object.clone()
        })),
    }))
}

/// Who the members are by the object as it is; nobody when it cannot be read.
pub(crate) fn read(object: &ConfigMap) -> Members {
    let text = object.data.as_ref().and_then(|data| data.get(KEY));
    text.and_then(|text| Members::from_json(text).ok())
        .unwrap_or_default()
}
