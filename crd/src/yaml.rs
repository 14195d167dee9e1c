//! Objects as YAML: the form of the files under `manifests/crds` and of what `lightship crd` prints.

use serde::Serialize;

/// Why an object could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object has no JSON form.
    #[error("failed to serialise the object")]
    Serialise(#[source] serde_json::Error),
    /// The object's JSON form has no YAML form.
    #[error("failed to write the object as YAML")]
    Write(#[source] serde_saphyr::ser::Error),
}

/// One document, its keys in alphabetical order, ending in a newline.
///
/// # Errors
///
/// If the object's type serialises to something that YAML cannot express.
pub fn render<T: Serialize>(object: &T) -> Result<String, Error> {
    // By way of a JSON value, whose maps are sorted: the order of the fields of somebody else's type is no contract.
    let value = serde_json::to_value(object).map_err(Error::Serialise)?;
    serde_saphyr::to_string(&value).map_err(Error::Write)
}

/// Several documents, each started by `---`.
///
/// # Errors
///
/// As [`render`].
pub fn render_all<T: Serialize>(objects: &[T]) -> Result<String, Error> {
    objects
        .iter()
        .map(|object| Ok(format!("---\n{}", render(object)?)))
        .collect()
}
