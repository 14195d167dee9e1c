//! What a claim that stands against an entry does to the plan.

use lightship_abi::fence::Tombstone;

use super::*;

/// A claim of another node's, left at this time.
fn left(epoch: u32, time_ns: u64) -> Tombstone {
    let order = Order { epoch, rank: 0 };
    Tombstone::of_claim(Tombstone::NONE, order, OTHER_MAC, time_ns)
}

fn hold(epoch: u32, confirmed: Confirmation) -> Hold {
    Hold {
        order: Order { epoch, rank: 0 },
        confirmed,
    }
}

/// What is planned for an entry of which the kernel keeps this.
fn planned(wanted: Hold, fence: Fence) -> Vec<Action> {
    let mut desired = desired(&[(ETH0, MAC)], &[], View::Complete);
    desired.entries.insert(entry(0, ETH0), wanted);
    let mut found = observed(Attachment::Current, &[(entry(0, ETH0), 7)]);
    found.entries.get_mut(&entry(0, ETH0)).unwrap().fence = fence;
    plan(&desired, &found)
}

#[test]
fn a_changed_order_is_told_to_the_program_and_then_to_the_segment() {
    let (one, next) = (
        hold(5, Confirmation::Unconfirmed),
        hold(6, Confirmation::Unconfirmed),
    );
    let fence = Fence {
        hold: Some(one),
        tombstone: None,
    };
    let told = [
        Action::SetHold(entry(0, ETH0), next),
        Action::Announce(entry(0, ETH0), MAC, next.order),
    ];
    assert_eq!(planned(next, fence), told);
    assert_eq!(
        planned(hold(5, Confirmation::After(9)), fence),
        [],
        "a confirmation alone is no news"
    );
}

#[test]
fn what_yielded_stays_silent_without_a_later_lease_or_a_higher_order() {
    let fence = Fence {
        hold: Some(hold(5, Confirmation::After(500))),
        tombstone: Some(left(7, 1_000)),
    };
    for confirmed in [
        Confirmation::Unconfirmed,
        Confirmation::After(999),
        Confirmation::After(1_000),
    ] {
        assert_eq!(planned(hold(5, confirmed), fence), []);
        let kept = hold(6, confirmed.max(Confirmation::After(500)));
        let told = [Action::SetHold(entry(0, ETH0), kept)];
        assert_eq!(planned(hold(6, confirmed), fence), told, "told, not announced");
    }
    for resumed in [
        hold(5, Confirmation::After(1_001)),
        hold(8, Confirmation::After(600)),
    ] {
        let told = [
            Action::SetHold(entry(0, ETH0), resumed),
            Action::Announce(entry(0, ETH0), MAC, resumed.order),
        ];
        assert_eq!(planned(resumed, fence), told);
    }
}

#[test]
fn what_was_confirmed_once_stays_so() {
    let fence = Fence {
        hold: Some(hold(5, Confirmation::After(2_000))),
        tombstone: Some(left(7, 1_000)),
    };
    assert_eq!(planned(hold(5, Confirmation::Unconfirmed), fence), []);
    let next = planned(hold(6, Confirmation::Unconfirmed), fence);
    assert_eq!(
        next[0],
        Action::SetHold(entry(0, ETH0), hold(6, Confirmation::After(2_000)))
    );
}

#[test]
fn a_tombstone_outlives_its_entry_until_nobody_wants_it() {
    let fence = Fence {
        hold: None,
        tombstone: Some(left(7, 1_000)),
    };
    let mut found = observed(Attachment::Current, &[]);
    found.strays.insert(entry(0, ETH0), fence);
    let wanted = desired(&[(ETH0, MAC)], &[entry(0, ETH0)], View::Complete);
    let added = [Action::AddEntry(entry(0, ETH0), HOLD)];
    assert_eq!(plan(&wanted, &found), added, "not announced: it is fenced");
    let nothing = desired(&[(ETH0, MAC)], &[], View::Complete);
    assert_eq!(plan(&nothing, &found), [Action::RemoveEntry(entry(0, ETH0))]);
    let unsure = desired(&[(ETH0, MAC)], &[], View::Partial);
    assert_eq!(plan(&unsure, &found), []);
}

proptest! {
    #[test]
    fn nothing_fenced_is_announced_and_one_step_is_enough(
        order in 4..8_u32, confirmed in 0..4_u64, before in prop::option::of((4..8_u32, 0..4_u64)),
        claimed in prop::option::of((4..8_u32, 1..4_u64)),
    ) {
        let confirmation = |at| if at == 0 { Confirmation::Unconfirmed } else { Confirmation::After(at) };
        let wanted = hold(order, confirmation(confirmed));
        let fence = Fence {
            hold: before.map(|(epoch, at)| hold(epoch, confirmation(at))),
            tombstone: claimed.map(|(epoch, at)| left(epoch, at)),
        };
        let actions = planned(wanted, fence);
        let known = confirmed.max(before.map_or(0, |(_, at)| at));
        let silent = claimed.is_some_and(|(epoch, at)| order <= epoch && known <= at);
        let was_silent = claimed.is_some_and(|(epoch, at)| match before {
            Some((own, known)) => own <= epoch && known <= at,
            None => true,
        });
        let changes = before.map(|(epoch, _)| epoch) != Some(order) || (was_silent && !silent);
        let announces = actions.iter().any(|action| matches!(action, Action::Announce(..)));
        prop_assert_eq!(announces, changes && !silent);
        let mut kernel = observed(Attachment::Current, &[(entry(0, ETH0), 7)]);
        kernel.entries.get_mut(&entry(0, ETH0)).unwrap().fence = fence;
        let reached = apply(kernel, &actions).entries[&entry(0, ETH0)].fence;
        prop_assert_eq!(reached.standing().is_some(), silent);
        prop_assert_eq!(planned(wanted, reached), []);
    }
}
