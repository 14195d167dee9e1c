//! Leaders that end with writes under way, or without knowing what these did: whoever leads next awaits them.
//!
//! The whole operator runs against a server whose answers are held back, in simulated time.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's own tools may fail loudly"
)]

mod objects;
mod server;

use std::time::Duration;

use kube::Client;
use lightship_core::placement::Rebalancing;
use lightship_core::service::DefaultClass;
use lightship_core::timing::LeaseTimings;
use lightship_edge::Tracer;
use lightship_operator::{Operator, Options};
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use server::{Held, Link, Server, pool, service};

const LEADER: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/lightship-operator";
const WEB: &str = "/api/v1/namespaces/default/services/web";
const OTHER: &str = "/api/v1/namespaces/default/services/other";
const POOL: &str = "/apis/cilium.io/v2/ciliumloadbalancerippools/pool";

/// The only address there is.
const ADDRESS: &str = "10.0.10.0";

/// Longer than a leader waits for an answer: the API server's limit and a second.
const UNANSWERED: Duration = Duration::from_secs(6);

/// Shorter than a write may be late.
const LATE: Duration = Duration::from_secs(2);

/// Long against every duration and deadline of the leases.
const LONG: Duration = Duration::from_mins(2);

/// One replica.
struct Replica {
    link: Link,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Replica {
    fn start(server: &Server, identity: &str, held: Held) -> Self {
        let (client, link) = server.client();
        link.hold(held);
        let stop = CancellationToken::new();
        let ended = tokio::spawn(run(client, identity.to_owned(), stop.clone()));
        Self { link, stop, ended }
    }

    async fn end(self) {
        self.stop.cancel();
        within(self.ended).await.unwrap();
    }
}

async fn run(client: Client, identity: String, stop: CancellationToken) {
    let options = Options {
        namespace: "kube-system".to_owned(),
        identity,
        timings: LeaseTimings::default(),
        default_class: DefaultClass::LbIpam,
        rebalancing: Rebalancing::Off,
        tracer: Tracer::default(),
    };
    let operator = Operator::new(options, client, &mut Registry::default());
    operator.run(stop).await.unwrap();
}

/// A condition that never comes true fails, and does not hang.
async fn within<T>(awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, awaited).await.expect("it comes true")
}

/// Lets time pass; the runtime jumps from one timer to the next.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

async fn comes_true(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            pass(Duration::from_millis(50)).await;
        }
    })
    .await;
}

fn leader(server: &Server) -> Value {
    server.get(LEADER)["spec"]["holderIdentity"].clone()
}

fn shows(server: &Server, service: &str) -> Value {
    server.get(service)["status"]["loadBalancer"]["ingress"][0]["ip"].clone()
}

/// A service waits for the only address, and is given it by a write of the leader `one` that waits.
async fn giving() -> (Server, Replica) {
    let server = Server::new();
    server.put(POOL, pool(&format!("{ADDRESS}/32")));
    ask_too(&server);
    let one = Replica::start(&server, "one", Held::Nothing);
    comes_true(|| shows(&server, OTHER) == ADDRESS).await;
    server.put(WEB, service("web", 1, ADDRESS));
    comes_true(|| server.get(WEB)["status"]["conditions"].is_array()).await;
    one.link.hold(Held::StatusesOfServices);
    server.delete(OTHER);
    within(one.link.holds("web")).await;
    (server, one)
}

/// An older service asks for the address, too. Who does not know of the write finds all as it was before, so that nothing is
/// written to the younger one, which would make the write refused.
fn ask_too(server: &Server) {
    server.put(OTHER, service("other", 0, ADDRESS));
}

/// The write that was on its way is carried out, and all comes to rest; the address is one service's at every moment.
async fn arrives_late(server: &Server, link: &Link) {
    assert_eq!(shows(server, WEB), Value::Null, "the write was carried out early");
    link.hold(Held::Nothing);
    comes_true(|| shows(server, WEB) == ADDRESS || shows(server, OTHER) == ADDRESS).await;
    pass(LONG).await;
    assert_eq!(server.doubled(), Vec::<String>::new(), "two services showed it");
    let holders = [WEB, OTHER].map(|one| shows(server, one));
    assert!(
        holders.iter().any(|shown| shown == ADDRESS),
        "nobody has it: {holders:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_stopped_leads_until_its_writes_are_answered() {
    let (server, one) = giving().await;
    one.stop.cancel();
    pass(LATE).await;
    assert_eq!(leader(&server), "one", "handed over with a write under way");
    one.link.hold(Held::Nothing);
    within(one.ended).await.unwrap();
    assert_eq!(shows(&server, WEB), ADDRESS);
    assert_eq!(leader(&server), "", "kept the lease although all was answered");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_does_not_know_what_its_writes_did_lets_its_lease_expire() {
    let (server, one) = giving().await;
    let link = one.link.clone();
    link.hold(Held::Services);
    pass(UNANSWERED).await;
    one.end().await;
    assert_eq!(leader(&server), "one", "handed over with a write unanswered");
    ask_too(&server);
    let two = Replica::start(&server, "two", Held::Nothing);
    comes_true(|| leader(&server) == "two").await;
    pass(LATE).await;
    arrives_late(&server, &link).await;
    two.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_leaders_writes_are_awaited_by_whoever_follows_it() {
    // A process of the dead one's name finds the lease its own, and waits for it no longer than a moment.
    for follower in ["two", "one"] {
        let (server, one) = giving().await;
        one.link.dies();
        ask_too(&server);
        let before = server.get(LEADER)["spec"]["renewTime"].clone();
        let next = Replica::start(&server, follower, Held::Nothing);
        comes_true(|| server.get(LEADER)["spec"]["renewTime"] != before).await;
        assert_eq!(leader(&server), follower);
        pass(LATE).await;
        arrives_late(&server, &one.link).await;
        next.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_leads_again_awaits_what_it_wrote_before() {
    let (server, one) = giving().await;
    one.link.hold(Held::Everything);
    ask_too(&server);
    pass(LeaseTimings::default().leads_for() + UNANSWERED).await;
    one.link.hold(Held::StatusesOfServices);
    within(one.link.led(2)).await;
    pass(LATE).await;
    arrives_late(&server, &one.link).await;
    one.end().await;
}
