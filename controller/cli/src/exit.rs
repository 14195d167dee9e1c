//! How a command ends: the exit codes, and errors that know theirs. `docs/reference/cli.md` lists them from here.

use std::error::Error as StdError;
use std::fmt;

use crate::kubeconfig;

/// Why a command did not end with 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It could not be done; the message says why.
    Failed,
    /// The command line, or the environment that stands in for it, cannot be understood.
    Usage,
    /// It was done, and what was looked at is not in order.
    Disorder,
    /// No API server answers.
    NoCluster,
    /// The API server does not let this user do it.
    Forbidden,
    /// What Lightship needs in the cluster is not installed.
    NotInstalled,
}

impl Exit {
    /// Every one, in the order of the codes.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [
        Self::Failed,
        Self::Usage,
        Self::Disorder,
        Self::NoCluster,
        Self::Forbidden,
        Self::NotInstalled,
    ];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Disorder => 3,
            Self::NoCluster => 4,
            Self::Forbidden => 5,
            Self::NotInstalled => 6,
        }
    }

    /// What it means, for the reference.
    #[cfg(test)]
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Failed => "it could not be done; the message says why and what to do",
            Self::Usage => "the command line, or the environment that stands in for it, cannot be understood",
            Self::Disorder => {
                "it was done, and what was looked at is not in order (`why`, `doctor`, `validate`, `import`: see what was printed)"
            }
            Self::NoCluster => "no cluster is named, or no API server answers where it should be",
            Self::Forbidden => "the API server does not know this user, or does not let them do it",
            Self::NotInstalled => "what Lightship needs in the cluster is not installed",
        }
    }

    /// The code an error ends the process with: that of the first cause that has one.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let found = error.chain().find_map(|cause| {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                return Some(failure.exit);
            }
            if let Some(error) = cause.downcast_ref::<kubeconfig::Error>() {
                return Some(match error {
                    kubeconfig::Error::Refused { .. } => Self::Forbidden,
                    _ => Self::NoCluster,
                });
            }
            cause.downcast_ref::<kube::Error>().map(Self::of_api)
        });
        found.unwrap_or(Self::Failed)
    }

    pub(crate) fn of_api(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => Self::Forbidden,
            kube::Error::HyperError(_) | kube::Error::Service(_) => Self::NoCluster,
            _ => Self::Failed,
        }
    }
}

/// A sentence with its remedy, the code it ends the process with, and what caused it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    sentence: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self {
            exit,
            sentence: sentence.into(),
            source: None,
        }
    }

    pub(crate) fn caused(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_of_the_first_cause_that_has_one() {
        let codes = Exit::ALL.map(Exit::code);
        assert_eq!(codes, [1, 2, 3, 4, 5, 6]);
        let forbidden = anyhow::Error::new(Failure::new(Exit::Forbidden, "you may not")).context("failed");
        assert_eq!(Exit::of(&forbidden), Exit::Forbidden);
        assert_eq!(Exit::of(&anyhow::anyhow!("else")), Exit::Failed);
        let nowhere = anyhow::Error::new(kubeconfig::Error::Nowhere);
        assert_eq!(Exit::of(&nowhere), Exit::NoCluster);
    }
}
