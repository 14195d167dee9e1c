//! Which interfaces of a node a policy announces on.

use regex::{RegexBuilder, RegexSet, RegexSetBuilder};
use thiserror::Error;

use crate::inventory::Interface;

/// What the expressions of one policy may take when compiled, in bytes, and again to match with. Names of interfaces have at most 15
/// characters: who needs more than a thousand expressions do has not named interfaces but tried what memory there is.
const MOST_BYTES: usize = 1 << 20;

/// A regular expression that does not parse, or is too large.
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
    /// On the first expression that does not parse or is too large, or when all of them together are.
    pub fn compile(expressions: &[String]) -> Result<Self, InterfaceExpressionError> {
        if expressions.is_empty() {
            return Ok(Self::Suitable);
        }
        let set = RegexSetBuilder::new(expressions)
            .size_limit(MOST_BYTES)
            .dfa_size_limit(MOST_BYTES)
            .build();
        // Which of them it is, is only asked where one is at fault.
        set.map(Self::Named).map_err(|error| {
            let at_fault = at_fault(expressions);
            let (expression, error) = at_fault.unwrap_or_else(|| (expressions.join("|"), error));
            InterfaceExpressionError {
                expression: shortened(&expression),
                reason: last_line(&error.to_string()),
            }
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

/// The first expression that does not parse, or else one that is too large alone. To be told so, nothing is compiled that
/// parses, and few are where none has to be at fault: compiling thousands takes longer than anybody shall wait.
fn at_fault(expressions: &[String]) -> Option<(String, regex::Error)> {
    const TRIED: usize = 64;
    let fault = |one: &String, most: usize| RegexBuilder::new(one).size_limit(most).build().err();
    let unread = expressions.iter().find_map(|one| {
        let error = fault(one, 0).filter(|error| matches!(error, regex::Error::Syntax(_)));
        error.map(|error| (one.clone(), error))
    });
    let large = || {
        let mut first = expressions.iter().take(TRIED);
        first.find_map(|one| fault(one, MOST_BYTES).map(|error| (one.clone(), error)))
    };
    unread.or_else(large)
}

/// The beginning of an expression, enough to recognise it by: it stands in conditions and events.
fn shortened(expression: &str) -> String {
    const RECOGNISED: usize = 256;
    match expression.char_indices().nth(RECOGNISED) {
        Some((end, _)) => format!("{}…", &expression[..end]),
        None => expression.to_owned(),
    }
}

/// What is wrong; the lines before it draw where.
fn last_line(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim().to_owned()
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
    fn what_explodes_elsewhere_is_answered_at_once_or_refused() {
        let name = "a".repeat(15);
        let evil = ["(a+)+$", "(a|aa)+$", "(.*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$"];
        let evil = InterfaceSelector::compile(&evil.map(str::to_owned)).unwrap();
        assert!(evil.selects(&interface(&name, false)));

        let large = [
            r"\w{200}",
            "(((a{100}){100}){100}){100}",
            "((x{1,1000}){1,1000})+",
        ];
        for expression in large {
            let error = InterfaceSelector::compile(&["eth0".into(), expression.into()]).unwrap_err();
            assert_eq!(error.expression, expression);
            assert!(error.reason.contains("size limit"), "{}", error.reason);
        }
    }

    #[test]
    fn a_thousand_expressions_are_fine_and_too_many_together_are_refused_in_few_words() {
        let cards = |number: usize| -> Vec<String> {
            (0..number)
                .map(|card| format!("^enp{card}s[0-9]+f[0-9]np[0-9]$"))
                .collect()
        };
        assert!(
            InterfaceSelector::compile(&cards(1_000))
                .unwrap()
                .selects(&interface("enp7s0f1np1", true))
        );
        let error = InterfaceSelector::compile(&cards(20_000)).unwrap_err();
        assert!(error.expression.len() < 1_000, "{}", error.expression.len());
    }

    #[test]
    fn a_bad_expression_is_named() {
        let error = InterfaceSelector::compile(&["eth0".into(), "eth[".into()]).unwrap_err();
        assert_eq!(error.expression, "eth[");
        assert!(!error.reason.is_empty());
    }
}
