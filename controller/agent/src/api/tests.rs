//! How long a claim waits.

use super::*;
use crate::server::{Server, group, held};

fn claim(service: &str) -> Claim {
    Claim {
        primary: group(service),
        holder: "node-1".into(),
        seen: 1,
        epoch: 2,
        claimant: "node-2".into(),
        trace: None,
    }
}

fn name(number: usize) -> String {
    format!("web-{number}")
}

/// A lease as an agent sees it.
fn see(leases: &Leases, lease: Lease) {
    let service = lightship_edge::lease::bound_service(&lease);
    leases.keep(service, lease, None, &"node-2".into());
}

/// So many claims at once, each of another group.
fn claims(arbiter: &Arbiter, count: usize) -> impl Iterator<Item = impl Future<Output = Claimed>> {
    let leases = Leases::default();
    (0..count).map(name).map(move |service| {
        see(&leases, held(&service, 1));
        let (arbiter, leases) = (arbiter.clone(), leases.clone());
        async move { arbiter.claim(claim(&service), &leases).await }
    })
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_answered_every_claim_waits_until_its_rank_counts_and_no_longer() {
    let arbiter = Server::frozen().arbiter();
    let start = Instant::now();
    let timed = |claim: Claimed| (claim.answer, start.elapsed());
    let claims = claims(&arbiter, 500).map(|claim| async { timed(claim.await) });
    for (answer, took) in futures::future::join_all(claims).await {
        assert_eq!(answer, ClaimAnswer::Unreachable);
        let late = took.checked_sub(API_PATIENCE);
        assert!(
            late.is_some_and(|late| late < Duration::from_millis(20)),
            "{took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn while_others_are_answered_a_claim_waits_for_its_turn() {
    // Ten rounds of six, longer than a claim waits for a server that is silent.
    let arbiter = Server::with((0..60).map(name)).slow(API_PATIENCE / 4).arbiter();
    for claimed in futures::future::join_all(claims(&arbiter, 60)).await {
        assert_eq!(claimed.answer, ClaimAnswer::Won, "{:?}", claimed.claim.primary);
    }
}

#[tokio::test]
async fn a_lease_that_is_not_kept_is_read_before_it_is_claimed() {
    let server = Server::with(["web".to_owned()]);
    let leases = Leases::default();
    let lease = held("web", 1);
    let binding = lightship_edge::lease::binding(&lease).unwrap();
    leases.keep(group("web"), lease, Some(&binding), &"node-3".into());
    let claimed = server.arbiter().claim(claim("web"), &leases).await;
    assert_eq!(claimed.answer, ClaimAnswer::Won);
    assert_eq!(server.asked(), (2, 0), "a read and a write");
}

#[tokio::test(start_paused = true)]
async fn who_waited_while_another_claimed_or_the_lease_went_asks_for_nothing() {
    let names = ["claimed", "gone"];
    let server = Server::with((0..MOST_CLAIMS).map(name).chain(names.map(str::to_owned)));
    let arbiter = server.clone().slow(CLAIM_DEADLINE / 2).arbiter();
    let leases = Leases::default();
    for name in names {
        see(&leases, held(name, 1));
    }
    let late = names.map(|name| {
        let (arbiter, leases) = (arbiter.clone(), leases.clone());
        async move { arbiter.claim(claim(name), &leases).await.answer }
    });
    let meanwhile = async {
        tokio::time::sleep(CLAIM_DEADLINE / 4).await;
        let mut claimed = held("claimed", 2);
        claimed.spec.get_or_insert_default().holder_identity = Some("node-3".to_owned());
        see(&leases, claimed);
        leases.forget(&group("gone"));
    };
    let others = futures::future::join_all(claims(&arbiter, MOST_CLAIMS));
    let (_, late, ()) = futures::join!(others, futures::future::join_all(late), meanwhile);
    assert_eq!(late, [ClaimAnswer::Lost; 2]);
    assert_eq!(server.asked(), (MOST_CLAIMS, 0), "the others' writes");
}

/// Sixty claims at once, of which the server passes over so many requests of the first; what became of that one, and after how
/// long.
async fn passed_over(requests: usize) -> (ClaimAnswer, Duration) {
    let server = Server::with((0..60).map(name)).passing_over("web-0", requests);
    let arbiter = server.slow(CLAIM_DEADLINE / 2).arbiter();
    let start = Instant::now();
    let mut first = None;
    let mut claims: futures::stream::FuturesUnordered<_> = claims(&arbiter, 60).collect();
    while let Some(claimed) = futures::StreamExt::next(&mut claims).await {
        if claimed.claim.primary == group("web-0") {
            first = Some((claimed.answer, start.elapsed()));
        } else {
            assert_eq!(claimed.answer, ClaimAnswer::Won, "{:?}", claimed.claim.primary);
        }
    }
    first.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_alone_is_not_answered_is_tried_again() {
    for requests in [2, 4] {
        assert_eq!(passed_over(requests).await.0, ClaimAnswer::Won, "{requests}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_passed_over_again_and_again_does_not_go_by_rank() {
    let (answer, took) = passed_over(usize::MAX).await;
    assert_eq!(answer, ClaimAnswer::Postponed);
    assert!(took <= 14 * CLAIM_DEADLINE + API_PATIENCE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_it_can_do_nothing_answers_nobody() {
    let arbiter = Server::failing().arbiter();
    for claimed in futures::future::join_all(claims(&arbiter, 20)).await {
        assert_eq!(claimed.answer, ClaimAnswer::Unreachable);
    }
}
