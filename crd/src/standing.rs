//! What stands in the API server where our definitions should: ours, or somebody else's of the same name.
//!
//! Cilium's operator, its chart and its manifests know the same two kinds with fewer fields. Where theirs is in place, the API
//! server drops what it does not know from every object that is read, and for good from every one that is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray,
};

use crate::label;

/// The command that puts ours in place.
pub const APPLY: &str = "lightship crd | kubectl apply --server-side --force-conflicts -f -";

/// How an installed definition compares with ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It keeps all that we read and write.
    Ours,
    /// It keeps it, but has not our label, so Cilium's operator replaces it when it starts next.
    Unprotected,
    /// It is somebody else's.
    Replaced(Replaced),
}

/// A definition that drops or refuses what we write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The name of the definition.
    pub name: String,
    /// The versions that it does not serve, and the fields that it does not know.
    pub lacks: BTreeSet<String>,
    /// The version of its schema by Cilium's label, where it has one.
    pub schema_version: Option<String>,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lacks: Vec<_> = self.lacks.iter().map(String::as_str).collect();
        write!(f, "{} lacks {}", self.name, lacks.join(", "))?;
        match &self.schema_version {
            Some(version) => write!(f, " (its schema is Cilium's, {version})"),
            None => Ok(()),
        }
    }
}

impl Standing {
    /// How `expected` stands among the definitions `installed`; one that is not there drops nothing.
    #[must_use]
    pub fn among(expected: &CustomResourceDefinition, installed: &[CustomResourceDefinition]) -> Self {
        let mut named = installed
            .iter()
            .filter(|one| one.metadata.name == expected.metadata.name);
        named.next().map_or(Self::Ours, |there| Self::of(expected, there))
    }

    /// Compares an installed definition with `expected`, which is ours of the same name.
    #[must_use]
    pub fn of(expected: &CustomResourceDefinition, installed: &CustomResourceDefinition) -> Self {
        let version = |one: &CustomResourceDefinition| {
            let labels = one.metadata.labels.as_ref();
            labels
                .and_then(|labels| labels.get(label::SCHEMA_VERSION))
                .cloned()
        };
        let lacks = lacks(expected, installed);
        if !lacks.is_empty() {
            return Self::Replaced(Replaced {
                name: expected.metadata.name.clone().unwrap_or_default(),
                lacks,
                schema_version: version(installed),
            });
        }
        if version(expected) == version(installed) {
            Self::Ours
        } else {
            Self::Unprotected
        }
    }
}

fn lacks(expected: &CustomResourceDefinition, installed: &CustomResourceDefinition) -> BTreeSet<String> {
    let mut lacks = BTreeSet::new();
    for version in &expected.spec.versions {
        let mut served = installed.spec.versions.iter().filter(|one| one.served);
        let Some(there) = served.find(|one| one.name == version.name) else {
            lacks.insert(format!("version {}", version.name));
            continue;
        };
        for part in ["spec", "status"] {
            match (property(version, part), property(there, part)) {
                (Some(wanted), Some(there)) => compare(part, wanted, there, &mut lacks),
                (Some(_), None) => {
                    lacks.insert(part.to_owned());
                }
                (None, _) => {}
            }
        }
    }
    lacks
}

fn property<'a>(version: &'a CustomResourceDefinitionVersion, name: &str) -> Option<&'a JSONSchemaProps> {
    let root = version.schema.as_ref()?.open_api_v3_schema.as_ref()?;
    root.properties.as_ref()?.get(name)
}

/// Notes every field below `path` that is wanted and not there; of one that is missing, none of those in it.
fn compare(path: &str, wanted: &JSONSchemaProps, there: &JSONSchemaProps, lacks: &mut BTreeSet<String>) {
    if there.x_kubernetes_preserve_unknown_fields == Some(true) {
        return;
    }
    let none = BTreeMap::new();
    let fields = there.properties.as_ref().unwrap_or(&none);
    for (name, wanted) in wanted.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        match fields.get(name) {
            Some(there) => compare(&path, wanted, there, lacks),
            None => {
                lacks.insert(path);
            }
        }
    }
    if let (Some(JSONSchemaPropsOrArray::Schema(wanted)), Some(JSONSchemaPropsOrArray::Schema(there))) =
        (&wanted.items, &there.items)
    {
        compare(path, wanted, there, lacks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crds;

    fn pool() -> CustomResourceDefinition {
        crds().unwrap().remove(0)
    }

    /// The schema of one part of every version.
    fn edit(definition: &mut CustomResourceDefinition, part: &str, edit: impl Fn(&mut JSONSchemaProps)) {
        for version in &mut definition.spec.versions {
            let schema = version.schema.as_mut().unwrap().open_api_v3_schema.as_mut();
            edit(
                schema
                    .unwrap()
                    .properties
                    .as_mut()
                    .unwrap()
                    .get_mut(part)
                    .unwrap(),
            );
        }
    }

    fn lacks(installed: &CustomResourceDefinition) -> Vec<String> {
        match Standing::of(&pool(), installed) {
            Standing::Replaced(replaced) => replaced.lacks.into_iter().collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ours_is_ours_and_without_its_label_unprotected() {
        let mut installed = pool();
        assert_eq!(Standing::of(&pool(), &installed), Standing::Ours);
        let labels = installed.metadata.labels.as_mut().unwrap();
        labels.insert(label::SCHEMA_VERSION.to_owned(), "1.31.5".to_owned());
        assert_eq!(Standing::of(&pool(), &installed), Standing::Unprotected);
    }

    #[test]
    fn a_field_that_is_not_known_is_named_wherever_it_stands() {
        let mut installed = pool();
        edit(&mut installed, "spec", |spec| {
            spec.properties.as_mut().unwrap().remove("reserved");
        });
        edit(&mut installed, "status", |status| {
            let allocations = status
                .properties
                .as_mut()
                .unwrap()
                .get_mut("allocations")
                .unwrap();
            let Some(JSONSchemaPropsOrArray::Schema(item)) = &mut allocations.items else {
                panic!("a list has items");
            };
            item.properties.as_mut().unwrap().remove("since");
        });
        assert_eq!(lacks(&installed), ["spec.reserved", "status.allocations.since"]);
    }

    #[test]
    fn a_version_that_is_not_served_is_lacking() {
        let mut installed = pool();
        installed.spec.versions.retain(|version| version.name != "v2");
        assert_eq!(lacks(&installed), ["version v2"]);
        let mut installed = pool();
        installed
            .spec
            .versions
            .iter_mut()
            .for_each(|one| one.served = false);
        assert_eq!(lacks(&installed), ["version v2", "version v2alpha1"]);
    }

    #[test]
    fn what_is_kept_unread_is_not_lacking() {
        let mut installed = pool();
        for part in ["spec", "status"] {
            edit(&mut installed, part, |part| {
                part.properties = None;
                part.x_kubernetes_preserve_unknown_fields = Some(true);
            });
        }
        assert_eq!(Standing::of(&pool(), &installed), Standing::Ours);
    }

    #[test]
    fn a_part_that_is_not_there_at_all_is_named_alone() {
        let mut installed = pool();
        for version in &mut installed.spec.versions {
            let schema = version.schema.as_mut().unwrap().open_api_v3_schema.as_mut();
            schema.unwrap().properties.as_mut().unwrap().remove("status");
        }
        assert_eq!(lacks(&installed), ["status"]);
    }

    #[test]
    fn what_says_that_it_keeps_nothing_unread_does_not() {
        let mut installed = pool();
        edit(&mut installed, "spec", |spec| {
            spec.properties.as_mut().unwrap().remove("reserved");
            spec.x_kubernetes_preserve_unknown_fields = Some(false);
        });
        assert_eq!(lacks(&installed), ["spec.reserved"]);
    }

    #[test]
    fn it_is_compared_with_the_one_of_its_name_and_told_by_it() {
        let [pools, policies] = <[_; 2]>::try_from(crds().unwrap()).unwrap();
        assert_eq!(Standing::among(&policies, &[]), Standing::Ours);
        let mut others = policies.clone();
        others.metadata.labels = Some([(label::SCHEMA_VERSION.to_owned(), "1.31.5".to_owned())].into());
        edit(&mut others, "spec", |spec| {
            spec.properties.as_mut().unwrap().remove("interfaces");
        });
        let installed = [pools.clone(), others];
        assert_eq!(Standing::among(&pools, &installed), Standing::Ours);
        let Standing::Replaced(replaced) = Standing::among(&policies, &installed) else {
            panic!("it drops the interfaces of every policy");
        };
        assert_eq!(
            replaced.to_string(),
            "ciliuml2announcementpolicies.cilium.io lacks spec.interfaces (its schema is Cilium's, 1.31.5)"
        );
    }
}
