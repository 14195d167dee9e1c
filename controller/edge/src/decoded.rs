//! Objects of a list or a watch, each decoded by itself: one that cannot be costs no other.
//!
//! The text of an object is kept until it is decoded, not a copy of its whole tree, which takes three times as long.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object, or why it could not be decoded.
#[derive(Clone, Debug)]
pub struct Decoded<K>(pub Result<K, Undecodable>);

/// An object that could not be decoded.
#[derive(Clone, Debug)]
pub struct Undecodable {
    /// Which object.
    pub metadata: ObjectMeta,
    /// What is wrong with it.
    pub error: String,
}

#[derive(Deserialize)]
struct Named {
    metadata: ObjectMeta,
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Decoded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let decoded = match serde_json::from_str(text.get()) {
            Ok(object) => Ok(object),
            Err(error) => {
                let Named { metadata } = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
                let error = error.to_string();
                Err(Undecodable { metadata, error })
            }
        };
        Ok(Self(decoded))
    }
}

impl<K: Resource> Resource for Decoded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|bad| &bad.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|bad| &mut bad.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;
    use kube::ResourceExt as _;
    use kube::core::{ObjectList, WatchEvent};

    use super::*;

    const GOOD: &str = r#"{"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}}"#;
    const BAD: &str = r#"{"metadata": {"name": "odd"}, "spec": {"ports": "none"}}"#;

    #[test]
    fn an_object_that_cannot_be_decoded_is_named_and_costs_no_other_of_its_list() {
        let list = format!(
            r#"{{"kind": "ServiceList", "apiVersion": "v1", "metadata": {{}}, "items": [{BAD}, {GOOD}]}}"#
        );
        let list: ObjectList<Decoded<Service>> = serde_json::from_str(&list).unwrap();
        let [bad, good] = <[_; 2]>::try_from(list.items).unwrap();
        assert_eq!((bad.name_any(), good.name_any()), ("odd".into(), "web".into()));
        let why = bad.0.unwrap_err().error;
        assert!(why.contains("invalid type: string \"none\""), "{why}");
        let spec = good.0.unwrap().spec.unwrap();
        assert_eq!(spec.type_.as_deref(), Some("LoadBalancer"));
    }

    #[test]
    fn a_change_as_the_api_server_writes_it_is_decoded() {
        for (object, is_good) in [(GOOD, true), (BAD, false)] {
            let change = format!(r#"{{"type":"ADDED","object":{object}}}"#);
            let change = serde_json::from_slice(change.as_bytes()).unwrap();
            let WatchEvent::Added(Decoded::<Service>(object)) = change else {
                panic!("{change:?}");
            };
            assert_eq!(object.is_ok(), is_good);
        }
    }
}
