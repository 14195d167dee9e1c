//! A pool of one address: everybody but one waits, and that costs nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use kube::Client;
use lightship_crd::condition::service::{REASON_NO_POOL, REASON_OUT_OF_IPS};
use lightship_tests::Lab;

use crate::api;
use crate::ipam::{pool, seconds};
use crate::report::Figure;
use crate::spread;
use crate::usage::Usage;
use crate::writes::at_rest;

/// How long the operator is watched at rest.
const REST: Duration = Duration::from_secs(10);

/// How often an address is freed.
const HAND_OVERS: u32 = 15;

/// What the operator asks the API server about, beside its own lease.
const RESOURCES: [&str; 5] = [
    "services",
    "ciliumloadbalancerippools",
    "ciliuml2announcementpolicies",
    "nodes",
    "events",
];

/// What the operator asks for and needs, and how soon an address that is freed is given again.
pub(crate) async fn on_a_full_pool(lab: &Lab, client: &Client, services: u32) -> Result<Vec<Figure>> {
    lab.kubectl(&["delete", "ippools", "bench"])?;
    api::until(client, services, |one| api::is_judged(one, REASON_NO_POOL)).await?;
    lab.apply(&pool("10.9.0.0/32"))?;
    api::until(client, services - 1, |one| api::is_judged(one, REASON_OUT_OF_IPS)).await?;
    at_rest(client).await?;
    let before = api::requests(client).await?;
    let used = Usage::now(lab)?;
    tokio::time::sleep(REST).await;
    let used = Usage::now(lab)?.since(&used).of("operator-1");
    let after = api::requests(client).await?;
    let ours = |(resource, _, _): &&api::Request| RESOURCES.contains(&resource.as_str());
    let sum = |counts: &BTreeMap<api::Request, f64>| -> f64 {
        counts
            .iter()
            .filter(|(request, _)| ours(request))
            .map(|(_, count)| count)
            .sum()
    };
    let (freed, trips) = api::hand_overs(client, HAND_OVERS).await?;
    let ms = |all: Vec<Duration>| spread::median(all.into_iter().map(|one| 1e3 * seconds(one)).collect());
    Ok(vec![
        Figure::alone(
            format!("requests per second, {services} services pending on a full pool"),
            (sum(&after) - sum(&before)) / seconds(REST),
            "1/s",
        ),
        Figure::alone(
            "the operator's processor at rest, the same",
            100.0 * used / seconds(REST),
            "%",
        ),
        Figure::beside(
            "one address freed to the next service seen with it; the bare client's write until seen",
            ms(freed),
            "ms",
            ms(trips),
        ),
    ])
}
