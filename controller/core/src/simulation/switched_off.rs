//! A simulation that cannot fail proves nothing: with each mechanism switched off it does, soon.

use super::Without;
use super::histories::{
    busy_death, busy_only, drain, first_broken, forged, forged_alone, freeze, play, shrink,
};
use super::plan::Plan;
use super::successions::{deleted, in_turn, shared};
use crate::succession;
use crate::watch::broken::Rule;

/// Some history within so many breaks without the mechanism, and does not with it.
fn breaks(within: u64, plan: impl Fn(u64) -> Plan, without: Without, word: &str) {
    let broken = first_broken(1..=within, plan, without);
    let Some((seed, plan)) = broken else {
        panic!("{within} histories passed with {without:?}");
    };
    let short = shrink(plan, without);
    let why = play(&short, without, false).0.unwrap();
    #[expect(clippy::print_stderr, reason = "what it shows is the point")]
    let () = eprintln!("{without:?}: seed {seed}, {} faults: {why}", short.faults.len());
    assert!(why.contains(word), "{why}");
    assert_eq!(play(&short, Without::Nothing, false).0, None);
}

#[test]
fn without_the_fence_a_node_answers_after_a_claim() {
    let without = Without::Fence;
    breaks(100, |seed| Plan::roll(seed, 6), without, "after a claim");
}

#[test]
fn without_the_witness_a_node_that_is_cut_off_takes_what_others_hold() {
    let without = Without::Rule(Rule::Witness);
    breaks(200, |seed| Plan::roll(seed, 1), without, "moved more than");
}

#[test]
fn without_compare_and_swap_bindings_are_overwritten() {
    let without = Without::CompareAndSwap;
    breaks(400, |seed| Plan::roll(seed, 6), without, " went from ");
}

#[test]
fn a_claim_told_before_the_kernel_answers_silences_the_address() {
    let without = Without::Rule(Rule::CarriedOut);
    breaks(100, drain, without, "of silence by Drain");
}

#[test]
fn a_gate_that_closes_with_the_heartbeat_is_noticed() {
    breaks(100, freeze, Without::LateGate, "of silence by Freeze");
}

#[test]
fn a_forged_claim_that_comes_again_silences_for_good_where_it_is_not_read_again() {
    let without = Without::Rule(Rule::ReadAfterEveryClaim);
    breaks(300, forged, without, "all is healed");
}

#[test]
fn where_strangers_are_believed_they_silence_an_address() {
    breaks(300, forged_alone, Without::Membership, "Stranger");
}

#[test]
fn who_forgets_what_was_missed_whenever_it_is_late_does_not_notice_a_crash() {
    let without = Without::Rule(Rule::LateMisses);
    breaks(200, busy_death, without, "ms of silence");
}

#[test]
fn where_late_answers_do_not_count_the_living_are_suspected() {
    let without = Without::Rule(Rule::LateAnswers);
    breaks(100, busy_only, without, "moved more than");
}

#[test]
fn a_primary_that_is_deleted_without_being_retired_is_missed() {
    let without = Without::Succession(succession::broken::Rule::Retirement);
    breaks(100, deleted, without, "of silence by Retire");
}

#[test]
fn where_a_primary_is_claimed_while_a_part_of_its_group_leaves_two_lead() {
    let without = Without::Succession(succession::broken::Rule::Parting);
    breaks(
        100,
        |seed| shared(Plan::roll(seed, 6), 500),
        without,
        " went from ",
    );
}

#[test]
fn who_does_not_wait_for_writes_about_its_group_silences_it() {
    let without = Without::Succession(succession::broken::Rule::Answers);
    breaks(300, |seed| in_turn(seed, 0), without, "of silence by Retire");
}

#[test]
fn an_agent_that_forgets_the_retired_before_the_heir_leads_falls_silent() {
    breaks(100, deleted, Without::Regency, "of silence by Retire");
}

#[test]
fn an_heir_that_begins_its_epochs_anew_takes_addresses_back() {
    let without = Without::Succession(succession::broken::Rule::Epochs);
    breaks(300, |seed| shared(Plan::roll(seed, 6), 0), without, " went from ");
}

#[test]
fn where_an_heir_inherits_nothing_a_claim_that_was_refuted_silences_it() {
    let plan = |seed| {
        let mut plan = forged(seed);
        plan.faults.truncate(1);
        shared(plan, 0)
    };
    breaks(300, plan, Without::Inheritance, "all is healed");
}
