//! Whether anybody is behind the address: it answers ARP and ping all the same, which misleads.

use kube::ResourceExt as _;
use lightship_crd::label;

use super::{Step, View};

pub(super) fn step(view: &View<'_>) -> Option<Step> {
    let slices = view.cluster.objects.endpoints.iter().filter(|slice| {
        slice.namespace().as_deref() == Some(view.id.namespace.as_str())
            && slice.labels().get(label::SERVICE_OF_SLICE) == Some(&view.id.name)
    });
    let endpoints = slices.flat_map(|slice| &slice.endpoints);
    // No word on readiness counts as ready, by the API's own rule.
    let ready = endpoints
        .filter(|endpoint| {
            let conditions = endpoint.conditions.as_ref();
            conditions.and_then(|conditions| conditions.ready) != Some(false)
        })
        .count();
    if ready > 0 {
        return Some(Step::well(
            "backends",
            format!("endpoints that are ready: {ready}"),
        ));
    }
    let spec = view.service.spec.as_ref()?;
    let selector = spec.selector.as_ref().filter(|selector| !selector.is_empty());
    let found = "no endpoint is ready: connections to the address fail, although it may answer ARP and ping";
    let remedy = match selector {
        Some(selector) => {
            let labels: Vec<_> = selector
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!(
                "kubectl -n {} get pods -l {}",
                view.id.namespace,
                labels.join(",")
            )
        }
        None => "it has no selector, so somebody has to write its EndpointSlices".to_owned(),
    };
    Some(Step::wrong("backends", found, remedy))
}
