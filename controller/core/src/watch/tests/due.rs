//! When the loop has to wake: what time alone brings comes at its moment, and between two such moments the loop rests.

use super::*;

/// What a scene brings is the same whether the watch is ticked when it asks to be or all the time; and it does not ask for
/// that all the time.
fn comes_in_time(play: impl Fn(&mut Scene)) -> Scene {
    let [asked, eager] = [false, true].map(|is_eager| {
        let mut scene = Scene::new();
        scene.is_eager = is_eager;
        play(&mut scene);
        scene
    });
    assert_eq!(asked.done, eager.done);
    assert_eq!(asked.sent, eager.sent);
    assert_eq!(asked.answers(), eager.answers());
    let most = usize::try_from(asked.now / 10).unwrap();
    assert!(asked.ticks < most, "{} ticks in {} ms", asked.ticks, asked.now);
    asked
}

fn contest(scene: &mut Scene, number: u8) {
    let from = Mac([6; 6]);
    let address = vip(number);
    let heard = Heard {
        nic: NIC,
        from,
        address,
    };
    let actions = scene.watch.contested(heard, at(scene.now));
    scene.perform(actions);
}

#[test]
fn who_leaves_says_in_time_that_nobody_follows() {
    let scene = comes_in_time(|scene| {
        scene.lease(0, 1, 4, &[3]);
        scene.pass(123);
        scene.alive.remove(&2);
        let view = GroupView {
            former: Some(name(1)),
            ..bound(0, 2, 5, &[3])
        };
        scene.see(0, view);
        // The new holder is probed at moments of its own.
        scene.watch.observe_members(Members::default());
        scene.pass(9_000);
    });
    assert!(
        matches!(scene.done[..], [(5_123, Action::Tell(..))]),
        "{:?}",
        scene.done
    );
}

#[test]
fn who_yielded_asks_and_comes_back_in_time() {
    let scene = comes_in_time(|scene| {
        scene.lease(0, 1, 4, &[2, 3]);
        scene.pass(123);
        scene.yielded(0, 2, Order { epoch: 5, rank: 1 });
        let now = at(scene.now);
        scene.watch.read_answered(ReadAnswer::Unreachable, now);
        scene.pass(10_000);
    });
    // Asked at once, three times in all, and taken back with the fourth turn; then once a second it is tried to write it.
    let claims: Vec<_> = scene
        .done
        .iter()
        .filter(|(_, action)| matches!(action, Action::Claim { .. }))
        .collect();
    assert_eq!(scene.part(0), Some(Part::Usurper));
    assert!((9..=10).contains(&claims.len()), "{claims:?}");
}

#[test]
fn the_standby_that_is_next_listens_and_takes_it_in_time() {
    let scene = comes_in_time(|scene| {
        scene.lease(0, 2, 4, &[3, 1]);
        scene.pass(3_000);
        scene.alive.remove(&2);
        for _ in 0..40 {
            scene.pass(77);
            let asked = scene
                .done
                .iter()
                .any(|(_, action)| matches!(action, Action::Claim { .. }));
            if asked && scene.now > 4_300 {
                scene.claim_answered(0, ClaimAnswer::Unreachable);
            }
        }
    });
    assert_eq!(scene.part(0), Some(Part::Usurper), "{:?}", scene.done);
}

#[test]
fn a_link_that_is_back_is_read_of_in_time_and_rests_while_it_is_down() {
    comes_in_time(|scene| {
        scene.lease(0, 1, 4, &[2, 3]);
        scene.pass(123);
        for link in [LinkState::NoCarrier, LinkState::Up, LinkState::NoCarrier] {
            let actions = scene.watch.observe_nics(nics(link), at(scene.now));
            scene.perform(actions);
            scene.pass(4_321);
        }
    });
}

#[test]
fn two_addresses_are_defended_again_each_in_time() {
    let scene = comes_in_time(|scene| {
        scene.lease(0, 1, 4, &[2, 3]);
        scene.lease(1, 1, 4, &[2, 3]);
        scene.pass(123);
        for number in [0, 0, 1, 1] {
            contest(scene, number);
            scene.pass(1_111);
        }
        scene.pass(30_000);
    });
    let defended = scene
        .done
        .iter()
        .filter(|(_, action)| matches!(action, Action::Defend { .. }));
    let moments: Vec<_> = defended.map(|(when, _)| *when).collect();
    assert_eq!(moments, [123, 2_345, 10_123, 12_345]);
    assert!(scene.watch.contests.is_empty());
}

#[test]
fn what_was_begun_upon_a_silence_that_did_not_count_is_begun_anew() {
    let mut scene = Scene::new();
    scene.lease(0, 2, 4, &[1, 3]);
    scene.pass(3_000);
    scene.alive.remove(&2);
    while scene.claims().is_empty() {
        scene.pass(10);
    }
    scene.pass(1_000);
    scene.claim_answered(0, ClaimAnswer::Unreachable);
    scene.watch.void();
    scene.pass(5_000);
    assert_eq!(scene.part(0), None, "the API server was not asked again");
    assert_eq!(scene.claims().len(), 1);
}
