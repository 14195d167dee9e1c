//! Histories of groups whose primary's service goes and comes back, beside everything else that goes wrong.

use super::dice::Dice;
use super::histories::{hold, replay};
use super::plan::{Fault, Kind, Plan, QUIET};
use super::{MS, SECOND};

/// The same history for groups of two or three services, whose primaries go now and then; some of them for another address.
pub(super) fn shared(mut plan: Plan, permille_leave: u64) -> Plan {
    let mut dice = Dice::new(plan.seed ^ 0x5A4E);
    if permille_leave > 0 {
        // A write that is carried out after its group split and merged again makes a second authority, until the operator sees it.
        let is_late = |fault: &Fault| matches!(fault.kind, Kind::ApiLossy | Kind::ApiFrozen);
        plan.faults.retain(|fault| !is_late(fault));
    }
    plan.shape.members = 2 + dice.index(2);
    for _ in 0..=dice.below(4) {
        let kind = Kind::Retire {
            group: dice.index(plan.shape.groups),
            leaves: dice.permille(permille_leave),
        };
        let most = if dice.permille(500) { 300 * MS } else { 4 * SECOND };
        plan.faults.push(Fault {
            at: QUIET + dice.between(0, 8 * SECOND),
            lasts: dice.between(5 * MS, most),
            kind,
        });
    }
    plan.faults.sort_by_key(|fault| fault.at);
    plan
}

/// A primary's service is deleted, or leaves, about when another comes back: leases are written meanwhile.
pub(super) fn in_turn(seed: u64, permille_leave: u64) -> Plan {
    let mut plan = shared(Plan::roll(seed, 0), permille_leave);
    let mut dice = Dice::new(seed ^ 0x707A);
    let mut at = QUIET + SECOND;
    for fault in &mut plan.faults {
        fault.kind = Kind::Retire {
            group: 0,
            leaves: dice.permille(permille_leave),
        };
        (fault.at, fault.lasts) = (at, dice.between(5 * MS, 300 * MS));
        at = fault.until() + dice.between(0, 50 * MS);
    }
    plan
}

/// Nothing is wrong but that primaries' services are deleted and created again.
pub(super) fn deleted(seed: u64) -> Plan {
    shared(Plan::roll(seed, 0), 0)
}

#[test]
fn a_primary_whose_service_is_deleted_is_not_missed() {
    hold("deleted", 150, deleted);
}

#[test]
fn a_primary_that_shares_no_more_is_not_missed() {
    hold("leaves", 150, |seed| shared(Plan::roll(seed, 0), 1000));
}

#[test]
fn one_that_goes_as_another_comes_back_is_not_missed() {
    hold("in turn", 150, |seed| in_turn(seed, 500));
}

#[test]
fn beside_one_fault_it_moves_nothing_either() {
    hold("deleted and single", 300, |seed| shared(Plan::roll(seed, 1), 0));
}

#[test]
fn beside_many_faults_it_breaks_nothing_for_good() {
    hold("deleted and many", 300, |seed| shared(Plan::roll(seed, 6), 0));
}

#[test]
fn beside_many_faults_whoever_leaves_breaks_nothing_for_good() {
    hold("leaves and many", 300, |seed| shared(Plan::roll(seed, 6), 500));
}

#[test]
fn an_agent_that_froze_as_it_started_answers_by_no_news_from_before_it_listed() {
    replay([70477, 90436].map(|seed| shared(Plan::roll(seed, 6), 0)));
}

#[test]
fn whoever_leaves_or_goes_while_its_group_is_being_written_waits_for_that() {
    replay([
        shared(Plan::roll(70003, 0), 1000),
        deleted(91335),
        shared(Plan::roll(71117, 1), 0),
    ]);
}

#[test]
fn a_primary_that_comes_back_leads_nobody_whose_address_it_does_not_bind() {
    replay([shared(Plan::roll(90053, 6), 500)]);
}

#[test]
fn nobody_claims_a_primary_that_a_part_of_its_group_leaves() {
    replay([71474, 91210, 91264].map(|seed| shared(Plan::roll(seed, 6), 500)));
}

#[test]
fn who_is_to_lead_knows_in_which_epoch_another_leads() {
    replay([20140, 71180].map(|seed| in_turn(seed, 500)));
}
