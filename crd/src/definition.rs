//! The definitions the API server is given: both kinds, every version.
//!
//! What the derived schemas cannot say is added here: the second version of the pool, the label that keeps Cilium's
//! operator from replacing the definitions, and what is required at the root.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;
use kube::core::crd::{MergeError, merge_crds};
use serde_json::json;

use crate::label;
use crate::policy::CiliumL2AnnouncementPolicy;
use crate::pool::CiliumLoadBalancerIPPool;

/// Above every version Cilium has shipped or is likely to.
const SCHEMA_VERSION: &str = "1000.0.0";

/// The version of the pool that is stored.
const POOL_STORED: &str = "v2";

/// The version of the pool that older manifests use.
const POOL_DEPRECATED: &str = "v2alpha1";

/// What `kubectl` says when somebody uses it.
const POOL_DEPRECATION: &str =
    "cilium.io/v2alpha1 CiliumLoadBalancerIPPool is deprecated; use cilium.io/v2, the fields are the same";

/// Why the definitions could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The versions of the pool contradict each other.
    #[error("failed to merge the versions of CiliumLoadBalancerIPPool")]
    Merge(#[source] MergeError),
}

/// The definitions of both kinds, pool first, as the API server accepts them.
///
/// # Errors
///
/// [`Error::Merge`] if the versions of the pool contradict each other, which only a mistake in this crate can cause.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, Error> {
    let mut pool = merge_crds(
        vec![CiliumLoadBalancerIPPool::crd(), deprecated_pool()],
        POOL_STORED,
    )
    .map_err(Error::Merge)?;
    finish(&mut pool, Spec::Required);
    let mut policy = CiliumL2AnnouncementPolicy::crd();
    finish(&mut policy, Spec::Optional);
    Ok(vec![pool, policy])
}

/// The pool as `v2alpha1`: the same schema under the older name.
fn deprecated_pool() -> CustomResourceDefinition {
    let mut crd = CiliumLoadBalancerIPPool::crd();
    for version in &mut crd.spec.versions {
        POOL_DEPRECATED.clone_into(&mut version.name);
        version.deprecated = Some(true);
        version.deprecation_warning = Some(POOL_DEPRECATION.to_owned());
    }
    crd
}

/// Whether an object of the kind must have a spec.
#[derive(Clone, Copy)]
enum Spec {
    Required,
    /// An absent spec is stored as an empty one, so that readers need not tell the two apart.
    Optional,
}

fn finish(crd: &mut CustomResourceDefinition, spec: Spec) {
    crd.metadata.labels = Some(BTreeMap::from([(
        label::SCHEMA_VERSION.to_owned(),
        SCHEMA_VERSION.to_owned(),
    )]));
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut());
    for schema in schemas.filter_map(|validation| validation.open_api_v3_schema.as_mut()) {
        tidy(schema);
        root(schema, spec);
    }
}

/// The parts of the root every object has, which the derive leaves out.
fn root(schema: &mut JSONSchemaProps, spec: Spec) {
    let text = |description: &str| JSONSchemaProps {
        type_: Some("string".to_owned()),
        description: Some(description.to_owned()),
        ..JSONSchemaProps::default()
    };
    // The API server knows metadata better and refuses a description of it.
    let metadata = JSONSchemaProps {
        type_: Some("object".to_owned()),
        ..JSONSchemaProps::default()
    };
    let properties = schema.properties.get_or_insert_default();
    properties.insert(
        "apiVersion".to_owned(),
        text("Group and version of the object's schema."),
    );
    properties.insert("kind".to_owned(), text("The object's kind."));
    properties.insert("metadata".to_owned(), metadata);
    schema.required = Some(match spec {
        Spec::Required => vec!["metadata".to_owned(), "spec".to_owned()],
        Spec::Optional => {
            if let Some(spec) = properties.get_mut("spec") {
                spec.default = Some(JSON(json!({})));
            }
            vec!["metadata".to_owned()]
        }
    });
}

/// Takes out what the derive adds: Cilium's schemas accept no null, their lists and structures have no defaults, and
/// the line breaks and backticks of a comment mean nothing to `kubectl explain`.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.title = None;
    if let Some(description) = &mut schema.description {
        *description = description.replace('\n', " ").replace('`', "");
    }
    if schema
        .default
        .as_ref()
        .is_some_and(|JSON(default)| !default.is_boolean())
    {
        schema.default = None;
    }
    for property in schema.properties.iter_mut().flat_map(BTreeMap::values_mut) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
}
