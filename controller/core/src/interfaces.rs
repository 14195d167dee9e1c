//! Which interfaces of a node a policy announces on.

use regex::RegexSet;
use thiserror::Error;

use crate::inventory::Interface;

/// A regular expression that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("failed to compile the interface expression \"{expression}\": {reason}")]
pub struct InterfaceExpressionError {
    /// The expression as written.
    pub expression: String,
    /// What the parser objects to.
    pub reason: String,
}

/// The interfaces of a policy: unanchored regular expressions, any of which may match.
#[derive(Clone, Debug, Default)]
pub enum InterfaceSelector {
    /// No expression given: every interface the node counts as suitable.
    #[default]
    Suitable,
    /// Every interface whose name one of the expressions finds a match in.
    Named(RegexSet),
}

impl InterfaceSelector {
    /// Compiles a policy's `interfaces`; an empty list means every suitable interface.
    ///
    /// # Errors
    /// On the first expression that does not parse.
    pub fn compile(expressions: &[String]) -> Result<Self, InterfaceExpressionError> {
        if expressions.is_empty() {
            return Ok(Self::Suitable);
        }
        if let Some((expression, error)) = expressions
            .iter()
            .find_map(|one| regex::Regex::new(one).err().map(|error| (one, error)))
        {
            return Err(InterfaceExpressionError {
                expression: expression.clone(),
                reason: error
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            });
        }
        RegexSet::new(expressions)
            .map(Self::Named)
            .map_err(|error| InterfaceExpressionError {
                expression: expressions.join("|"),
                reason: error.to_string(),
            })
    }

    /// The expressions as written, empty for every suitable interface.
    #[must_use]
    pub fn expressions(&self) -> &[String] {
        match self {
            Self::Suitable => &[],
            Self::Named(set) => set.patterns(),
        }
    }

    /// Whether the policy means this interface, up or not.
    #[must_use]
    pub fn selects(&self, interface: &Interface) -> bool {
        match self {
            Self::Suitable => interface.suitable,
            Self::Named(set) => set.is_match(&interface.name),
        }
    }
}

impl PartialEq for InterfaceSelector {
    fn eq(&self, other: &Self) -> bool {
        self.expressions() == other.expressions()
    }
}

impl Eq for InterfaceSelector {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::LinkState;

    fn interface(name: &str, suitable: bool) -> Interface {
        Interface {
            name: name.into(),
            mac: None,
            link: LinkState::Up,
            suitable,
            addresses: vec![],
        }
    }

    #[test]
    fn expressions_are_unanchored_and_any_may_match() {
        let both = InterfaceSelector::compile(&["^eth[0-9]+".into(), "net0".into()]).unwrap();
        assert!(both.selects(&interface("eth0", false)));
        assert!(both.selects(&interface("mynet01", false)));
        assert!(!both.selects(&interface("veth0", true)));
    }

    #[test]
    fn without_expressions_suitability_decides() {
        let any = InterfaceSelector::compile(&[]).unwrap();
        assert!(any.selects(&interface("enp0s25", true)));
        assert!(!any.selects(&interface("veth12ab", false)));
    }

    #[test]
    fn a_bad_expression_is_named() {
        let error = InterfaceSelector::compile(&["eth0".into(), "eth[".into()]).unwrap_err();
        assert_eq!(error.expression, "eth[");
        assert!(!error.reason.is_empty());
    }
}
