//! The part of an API server that matters: versions, conditional writes, and who wrote what.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;
use lightship_crd::{CiliumLoadBalancerIPPool, field_owner};
use serde_json::{Value, json};

use super::super::writes::{Answer, Content, Write};
use crate::members::MembersWrite;
use crate::outbox::Target;

/// The object is not at the version the write was decided on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict;

#[derive(Default)]
pub(super) struct Server {
    services: BTreeMap<String, Value>,
    pools: BTreeMap<String, Value>,
    version: u64,
    /// Every address that was ever shown by two services at once.
    pub(super) doubled: Vec<String>,
}

impl Server {
    pub(super) fn put(&mut self, service: &Service) {
        let name = service.metadata.name.clone().unwrap();
        let mut object = serde_json::to_value(service).unwrap();
        if let Some(known) = self.services.get(&name) {
            object["status"] = known["status"].clone();
            object["metadata"]["managedFields"] = known["metadata"]["managedFields"].clone();
        }
        self.store(&name, object);
    }

    pub(super) fn put_pool(&mut self, pool: &CiliumLoadBalancerIPPool) {
        self.version += 1;
        let mut object = serde_json::to_value(pool).unwrap();
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.pools.insert(pool.metadata.name.clone().unwrap(), object);
    }

    /// The pools read so from now on, at the versions they have.
    pub(super) fn pools_are(&mut self, pools: Vec<CiliumLoadBalancerIPPool>) {
        let objects = pools.into_iter();
        self.pools = objects
            .map(|pool| {
                (
                    pool.metadata.name.clone().unwrap(),
                    serde_json::to_value(pool).unwrap(),
                )
            })
            .collect();
    }

    pub(super) fn delete(&mut self, name: &str) -> Service {
        serde_json::from_value(self.services.remove(name).unwrap()).unwrap()
    }

    pub(super) fn service(&self, name: &str) -> Option<Service> {
        let object = self.services.get(name)?;
        Some(serde_json::from_value(object.clone()).unwrap())
    }

    pub(super) fn services(&self) -> Vec<Service> {
        self.services
            .keys()
            .filter_map(|name| self.service(name))
            .collect()
    }

    pub(super) fn pools(&self) -> Vec<CiliumLoadBalancerIPPool> {
        let objects = self.pools.values().cloned();
        objects
            .map(|object| serde_json::from_value(object).unwrap())
            .collect()
    }

    /// What a service shows.
    pub(super) fn shows(&self, name: &str) -> Vec<String> {
        let entries = self.services[name]["status"]["loadBalancer"]["ingress"].as_array();
        let entries = entries.into_iter().flatten();
        entries
            .filter_map(|entry| entry["ip"].as_str().map(str::to_owned))
            .collect()
    }

    /// The status, reason and message of a service's condition, or nothing.
    pub(super) fn condition(&self, name: &str, type_: &str) -> String {
        said(&self.services[name], type_)
    }

    /// The same of a pool's.
    pub(super) fn pool_condition(&self, name: &str, type_: &str) -> String {
        said(&self.pools[name], type_)
    }

    /// The status and reason of the condition that tells whether the request is satisfied.
    pub(super) fn told(&self, name: &str) -> String {
        let conditions = self.services[name]["status"]["conditions"].as_array().unwrap();
        let request = conditions
            .iter()
            .find(|one| one["type"] == lightship_crd::condition::service::REQUEST_SATISFIED);
        let reason = request.map(|one| one["reason"].as_str().unwrap());
        reason.unwrap_or_default().to_owned()
    }

    pub(super) fn carry_out(&mut self, write: &Write) -> Result<Answer, Conflict> {
        match (&write.target, &write.content) {
            (Target::Service(id), Content::Read) => Ok(self.answer(&id.name)),
            (Target::Service(id), Content::Status(patch)) => {
                let Some(known) = self.services.get(&id.name) else {
                    return Ok(Answer::Gone);
                };
                let version = &patch["metadata"]["resourceVersion"];
                if *version != known["metadata"]["resourceVersion"] {
                    return Err(Conflict);
                }
                let mut object = known.clone();
                for (field, value) in patch["status"].as_object().unwrap() {
                    object["status"][field] = value.clone();
                }
                if patch["status"].get("loadBalancer").is_some() {
                    object["metadata"]["managedFields"] = json!([{
                        "manager": field_owner::OPERATOR, "operation": "Update", "subresource": "status",
                        "fieldsV1": {"f:status": {"f:loadBalancer": {"f:ingress": {}}}},
                    }]);
                }
                self.store(&id.name, object);
                Ok(self.answer(&id.name))
            }
            (Target::Pool(name), Content::Status(patch)) => {
                self.version += 1;
                let object = self.pools.get_mut(name.as_str()).unwrap();
                object["status"] = patch["status"].clone();
                object["metadata"]["resourceVersion"] = json!(self.version.to_string());
                let pool = serde_json::from_value(object.clone()).unwrap();
                Ok(Answer::Pool(Box::new(pool)))
            }
            (
                Target::Members,
                Content::Members(MembersWrite::Create(object) | MembersWrite::Replace(object)),
            ) => {
                self.version += 1;
                let mut object = object.clone();
                object.metadata.resource_version = Some(self.version.to_string());
                Ok(Answer::Members(object))
            }
            (target, content) => panic!("{target} is written with {content:?}"),
        }
    }

    fn answer(&self, name: &str) -> Answer {
        self.service(name)
            .map_or(Answer::Gone, |service| Answer::Service(Box::new(service)))
    }

    fn store(&mut self, name: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.services.insert(name.to_owned(), object);
        let mut shown: BTreeMap<String, usize> = BTreeMap::new();
        for name in self.services.keys() {
            for address in BTreeSet::from_iter(self.shows(name)) {
                *shown.entry(address).or_default() += 1;
            }
        }
        let twice = shown.into_iter().filter(|(_, count)| *count > 1);
        self.doubled.extend(twice.map(|(address, _)| address));
    }
}

fn said(object: &Value, type_: &str) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let one = conditions.into_iter().flatten().find(|one| one["type"] == type_);
    let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    one.map(|one| {
        ["status", "reason", "message"]
            .map(|field| text(one, field))
            .join(" ")
    })
    .unwrap_or_default()
}
