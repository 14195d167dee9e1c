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

/// So many claims at once, each of another group.
fn claims(arbiter: &Arbiter, count: usize) -> impl Iterator<Item = impl Future<Output = Claimed>> {
    (0..count).map(name).map(|service| {
        arbiter
            .clone()
            .claim(claim(&service), Kept::whole(held(&service, 1)))
    })
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_answered_no_claim_waits_longer_than_until_its_rank_counts() {
    let arbiter = Server::frozen().arbiter();
    let start = Instant::now();
    for claimed in futures::future::join_all(claims(&arbiter, 500)).await {
        assert_eq!(claimed.answer, ClaimAnswer::Unreachable);
    }
    assert!(
        start.elapsed() <= API_PATIENCE + 2 * CLAIM_DEADLINE,
        "{:?}",
        start.elapsed()
    );
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
    let kept = Kept {
        lease: None,
        ..Kept::whole(held("web", 1))
    };
    let claimed = server.arbiter().claim(claim("web"), kept).await;
    assert_eq!(claimed.answer, ClaimAnswer::Won);
    assert_eq!(server.asked(), (2, 0), "a read and a write");
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
