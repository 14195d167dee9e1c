//! Kubernetes objects translated into what decisions are taken on. No Kubernetes type goes further than this.

pub(crate) mod node;
pub(crate) mod policy;
pub(crate) mod pool;
pub(crate) mod service;
#[cfg(test)]
mod tests;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use lightship_core::selector::{Selector, SelectorError};
use lightship_core::time::Timestamp;
use lightship_crd::{LabelSelector, Operator};

fn created(meta: &ObjectMeta) -> Timestamp {
    meta.creation_timestamp
        .as_ref()
        .map_or_else(Timestamp::default, |Time(at)| Timestamp(at.as_second()))
}

/// Absent and empty selectors both match everything.
fn selector(selector: Option<&LabelSelector>) -> Result<Selector, SelectorError> {
    let Some(written) = selector else {
        return Ok(Selector::everything());
    };
    let labels = written.match_labels.iter();
    let by_label = labels.fold(Selector::everything(), |all, (key, value)| {
        all.with_label(key, value)
    });
    let all = written.match_expressions.iter().try_fold(by_label, |all, one| {
        let operator = match one.operator {
            Operator::In => "In",
            Operator::NotIn => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
        };
        all.with_expression(&one.key, operator, &one.values)
    })?;
    all.checked()
}
