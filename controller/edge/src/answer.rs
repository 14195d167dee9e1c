//! What an error says about the API server's answer, in the words its callers decide by.

/// The answers that mean something other than failure.
pub trait ApiAnswer {
    /// The object is not there.
    fn is_not_found(&self) -> bool;
    /// The object changed meanwhile, or is there already.
    fn is_conflict(&self) -> bool;
}

impl ApiAnswer for kube::Error {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(status) if status.is_not_found())
    }

    fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(status) if status.is_conflict() || status.is_already_exists())
    }
}
