//! A simulation that cannot fail proves nothing: with each mechanism switched off it does, soon.

use super::Switches;
use super::histories::{first_broken, play, shrink};
use super::plan::Plan;

/// Some history within so many breaks without the mechanism, and does not with it.
fn breaks(within: u64, most_faults: u64, switches: Switches, word: &str) {
    let broken = first_broken(1..=within, |seed| Plan::roll(seed, most_faults), switches);
    let Some((seed, plan)) = broken else {
        panic!("{within} histories passed with {switches:?}");
    };
    let short = shrink(plan, switches);
    let why = play(&short, switches, false).0.unwrap();
    #[expect(clippy::print_stderr, reason = "what it shows is the point")]
    let () = eprintln!("{switches:?}: seed {seed}, {} faults: {why}", short.faults.len());
    assert!(why.contains(word), "{why}");
    assert_eq!(play(&short, Switches::default(), false).0, None);
}

#[test]
fn without_the_fence_a_node_answers_after_a_claim() {
    let switches = Switches {
        no_fence: true,
        ..Switches::default()
    };
    breaks(100, 6, switches, "after a claim");
}

#[test]
fn without_the_witness_a_node_that_is_cut_off_takes_what_others_hold() {
    let switches = Switches {
        no_witness: true,
        ..Switches::default()
    };
    breaks(200, 1, switches, "moved more than");
}

#[test]
fn without_compare_and_swap_bindings_are_overwritten() {
    let switches = Switches {
        no_compare: true,
        ..Switches::default()
    };
    breaks(400, 6, switches, " went from ");
}
