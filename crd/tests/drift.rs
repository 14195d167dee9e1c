//! The definitions under `manifests/crds` are those the types make.

use std::path::PathBuf;
use std::{env, fs};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use lightship_crd::{crds, yaml};

/// Set to write the files instead of comparing them.
const UPDATE: &str = "LIGHTSHIP_UPDATE_MANIFESTS";

fn path(crd: &CustomResourceDefinition) -> PathBuf {
    let file = format!("{}.yaml", crd.spec.names.plural);
    [env!("CARGO_MANIFEST_DIR"), "..", "manifests", "crds", &file]
        .iter()
        .collect()
}

#[test]
fn manifests_are_what_the_types_make() {
    for crd in crds().unwrap() {
        let (path, generated) = (path(&crd), yaml::render(&crd).unwrap());
        if env::var_os(UPDATE).is_some() {
            fs::write(&path, &generated).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == generated,
            "{} is not what the types make; run: {UPDATE}=1 cargo test -p lightship-crd --test drift",
            path.display(),
        );
    }
}
