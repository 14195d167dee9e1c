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

#[tokio::test(start_paused = true)]
async fn where_nobody_is_answered_no_claim_waits_longer_than_until_its_rank_counts() {
    let arbiter = Server::frozen().arbiter();
    let start = Instant::now();
    let claims = (0..500).map(|number| {
        let service = format!("web-{number}");
        arbiter
            .clone()
            .claim(claim(&service), Kept::whole(held(&service, 1)))
    });
    for claimed in futures::future::join_all(claims).await {
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
    let names = || (0..60).map(|number| format!("web-{number}"));
    // Ten rounds of six, longer than a claim waits for a server that is silent.
    let arbiter = Server::with(names()).slow(API_PATIENCE / 4).arbiter();
    let claims = names().map(|service| {
        arbiter
            .clone()
            .claim(claim(&service), Kept::whole(held(&service, 1)))
    });
    for claimed in futures::future::join_all(claims).await {
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
    let names = || (0..60).map(|number| format!("web-{number}"));
    let server = Server::with(names()).passing_over("web-0", requests);
    let arbiter = server.slow(CLAIM_DEADLINE / 2).arbiter();
    let start = Instant::now();
    let claims = names().map(|service| {
        arbiter
            .clone()
            .claim(claim(&service), Kept::whole(held(&service, 1)))
    });
    let mut first = None;
    let mut claims = claims.collect::<futures::stream::FuturesUnordered<_>>();
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
    let claims = (0..20).map(|number| {
        let service = format!("web-{number}");
        arbiter
            .clone()
            .claim(claim(&service), Kept::whole(held(&service, 1)))
    });
    for claimed in futures::future::join_all(claims).await {
        assert_eq!(claimed.answer, ClaimAnswer::Unreachable);
    }
}
