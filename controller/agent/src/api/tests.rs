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
        arbiter.clone().claim(claim(&service), held(&service, 1))
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
    let claims = names().map(|service| arbiter.clone().claim(claim(&service), held(&service, 1)));
    for claimed in futures::future::join_all(claims).await {
        assert_eq!(claimed.answer, ClaimAnswer::Won, "{:?}", claimed.claim.primary);
    }
}
