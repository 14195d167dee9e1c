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
async fn no_claim_waits_for_others_longer_than_until_its_rank_counts() {
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
