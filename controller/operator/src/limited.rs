//! Writes that the API server itself gives up after a while.
//!
//! A client that stops waiting stops nothing: the API server may carry the write out much later. Its `timeout`
//! parameter, which kube's own calls do not send, ends a write there; so a leader that comes after a crash knows when
//! nothing of the dead one can arrive any more.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::{Request, request};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A client whose writes end.
#[derive(Clone)]
pub(crate) struct Limited {
    client: Client,
    limit: Duration,
}

/// As the client builds it.
type Raw = http::Request<Vec<u8>>;

impl Limited {
    /// Writes by `client` for which the API server has that long from when it gets them.
    pub(crate) fn new(client: Client, limit: Duration) -> Self {
        Self { client, limit }
    }

    /// How long the API server has.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Patches the status of an object.
    pub(crate) async fn patch_status<K>(
        &self,
        namespace: Option<&str>,
        name: &str,
        params: &PatchParams,
        patch: &Patch<impl Serialize>,
    ) -> Result<K, kube::Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let request = at::<K>(namespace).patch_subresource("status", name, params, patch);
        self.client.request(self.limited(request)?).await
    }

    /// Creates an object.
    pub(crate) async fn create<K>(
        &self,
        namespace: Option<&str>,
        params: &PostParams,
        object: &K,
    ) -> Result<K, kube::Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
        let request = at::<K>(namespace).create(params, body);
        self.client.request(self.limited(request)?).await
    }

    /// Replaces an object.
    pub(crate) async fn replace<K>(
        &self,
        namespace: Option<&str>,
        name: &str,
        params: &PostParams,
        object: &K,
    ) -> Result<K, kube::Error>
    where
        K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
        let request = at::<K>(namespace).replace(name, params, body);
        self.client.request(self.limited(request)?).await
    }

    /// Deletes an object.
    pub(crate) async fn delete<K>(
        &self,
        namespace: Option<&str>,
        name: &str,
        params: &DeleteParams,
    ) -> Result<(), kube::Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let request = at::<K>(namespace).delete(name, params);
        let deleted = self.client.request_status::<K>(self.limited(request)?).await;
        deleted.map(drop)
    }

    fn limited(&self, request: Result<Raw, request::Error>) -> Result<Raw, kube::Error> {
        request
            .and_then(|request| limit(request, self.limit))
            .map_err(kube::Error::BuildRequest)
    }
}

fn at<K: Resource<DynamicType = ()>>(namespace: Option<&str>) -> Request {
    Request::new(K::url_path(&(), namespace))
}

fn limit(mut request: Raw, limit: Duration) -> Result<Raw, request::Error> {
    let uri = request.uri().to_string();
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let limited = format!("{uri}{joint}timeout={}ms", limit.as_millis());
    *request.uri_mut() = limited
        .parse()
        .map_err(|error: http::uri::InvalidUri| request::Error::BuildRequest(error.into()))?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::Lease;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(4);

    fn target(request: Result<Raw, request::Error>) -> String {
        limit(request.unwrap(), LIMIT).unwrap().uri().to_string()
    }

    #[test]
    fn every_write_says_when_it_ends() {
        let leases = at::<Lease>(Some("kube-system"));
        let path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
        let managed = PatchParams {
            field_manager: Some("lightship-operator".to_owned()),
            ..PatchParams::default()
        };
        let nothing = Patch::Merge(serde_json::json!({}));
        assert_eq!(
            target(leases.patch_subresource("status", "a", &managed, &nothing)),
            format!("{path}/a/status?&fieldManager=lightship-operator&timeout=4000ms")
        );
        assert_eq!(
            target(leases.create(&PostParams::default(), vec![])),
            format!("{path}?timeout=4000ms")
        );
        assert_eq!(
            target(leases.delete("a", &DeleteParams::default())),
            format!("{path}/a?timeout=4000ms")
        );
    }
}
