//! Whatever people write: read as meant, or refused with a sentence; never a panic, never something arbitrary.

use proptest::prelude::*;

use super::*;
use crate::service::requested;

/// Texts near what is meant, so that more than noise is tried.
fn near() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9a-f:./, -]{0,40}",
        "(10\\.0\\.[0-9]{1,3}\\.[0-9]{1,3}|2004::[0-9a-f]{0,4})(/[0-9]{1,3})?([-,] ?(10\\.0\\.0\\.[0-9]{1,3})?)?",
    ]
}

#[test]
fn numbers_that_could_be_octal_are_refused() {
    for text in [
        "10.0.0.010/24",
        "10.0.0.0/+8",
        "010.0.0.0/8",
        "10.0.0.0/",
        "10.0.0.0",
    ] {
        let refused = BlockText::cidr(text).read(FirstLast::Allowed).unwrap_err();
        assert_eq!(refused, BlockError::NotACidr(text.to_owned()));
    }
}

proptest! {
    #[test]
    fn a_block_is_what_is_written_or_an_error(cidr in near(), start in near(), stop in near(), which in 0..8u8) {
        let text = BlockText {
            cidr: (which & 1 != 0).then_some(cidr.clone()),
            start: (which & 2 != 0).then_some(start.clone()),
            stop: (which & 4 != 0).then_some(stop.clone()),
        };
        for first_last in [FirstLast::Allowed, FirstLast::Withheld] {
            match text.read(first_last) {
                Ok(block) => {
                    let (first, last) = block.range.ends();
                    prop_assert_eq!(Family::of(first), Family::of(last));
                    prop_assert!(first <= last);
                    let (inner_first, inner_last) = block.usable.ends();
                    prop_assert!(first <= inner_first && inner_first <= inner_last && inner_last <= last);
                    let by_cidr = which & 1 != 0 && !cidr.is_empty();
                    let written = if by_cidr { cidr.split('/').next().unwrap_or_default() } else { start.as_str() };
                    prop_assert!(block.range.contains(written.parse().unwrap()));
                }
                Err(error) => prop_assert!(error.to_string().starts_with("failed to")),
            }
        }
    }

    #[test]
    fn a_reserved_item_is_what_is_written_or_an_error(item in near()) {
        if let Ok(range) = BlockText::read_reserved(&item) {
            let (first, last) = range.ends();
            prop_assert!(first <= last);
            let start = item.trim().split(['-', '/']).next().unwrap_or_default().trim();
            prop_assert!(range.contains(start.parse().unwrap()));
        }
    }

    #[test]
    fn every_item_of_a_request_is_an_address_or_reported(single in near(), list in near()) {
        let items = requested(Some(&single), Some(&list));
        let mut written: Vec<&str> = std::iter::once(single.as_str()).chain(list.split(',')).map(str::trim).collect();
        written.retain(|item| !item.is_empty());
        for item in &written {
            let expected = item.parse().map_or_else(|_| Requested::Unreadable((*item).to_owned()), Requested::Address);
            prop_assert!(items.contains(&expected));
        }
        prop_assert!(items.len() <= written.len());
    }

    #[test]
    fn namespaces_and_the_opt_in_mean_nothing_that_is_not_written(text in near()) {
        match Namespaces::read(Some(&text)) {
            Namespaces::All => prop_assert!(text.split(',').any(|item| item.trim() == "*")),
            Namespaces::Listed(listed) => prop_assert!(listed.iter().all(|one| text.contains(one.as_str()) && !one.is_empty())),
            Namespaces::Own => prop_assert!(text.split(',').all(|item| item.trim().is_empty())),
        }
        let permits = ["1", "t", "T", "true", "TRUE", "True"].contains(&text.as_str());
        prop_assert_eq!(DifferentPods::read(Some(&text)) == DifferentPods::Permitted, permits);
        prop_assert_eq!(SharingKey::new(&text).is_none(), text.is_empty());
    }

    #[test]
    fn a_selector_is_checked_or_refused(key in any::<String>(), operator in "(In|NotIn|Exists|DoesNotExist|.{0,8})", values in prop::collection::vec(any::<String>(), 0..3)) {
        let known = ["In", "NotIn", "Exists", "DoesNotExist"].contains(&operator.as_str());
        let takes = operator == "In" || operator == "NotIn";
        match Selector::everything().with_expression(&key, &operator, &values) {
            Ok(selector) => {
                prop_assert!(known && takes != values.is_empty());
                let labels = values.first().map(|value| (key.clone(), value.clone())).into_iter().collect();
                prop_assert_eq!(selector.matches(&labels), operator == "In" || operator == "DoesNotExist");
            }
            Err(error) => {
                prop_assert!(!known || takes == values.is_empty());
                prop_assert!(error.to_string().starts_with("failed to"));
            }
        }
    }
}
