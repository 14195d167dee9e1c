//! All services wait, then a pool comes: the operator beside a bare client that writes the same statuses, in rounds by turns. The
//! store grows with every write and a machine is not the same from minute to minute, so each round has a yardstick of its own, half of them before it
//! and half behind.

use std::time::{Duration, Instant};

use anyhow::Result;
use kube::Client;
use lightship_tests::Lab;
use lightship_tests::lab::unit::Action;
use tokio::task::JoinSet;

use crate::api;
use crate::ipam::{pool, seconds, start_and_judge};
use crate::observer::Observer;
use crate::report::{Figure, Report};
use crate::spread;
use crate::stored::{self, Status};
use crate::usage::Usage;
use crate::waiting;
use crate::writes::{Writes, at_rest, difference, writes};

/// With more services than this, waiting on a full pool is not measured: it takes long and shows nothing new.
const MOST_ON_A_FULL_POOL: u32 = 10_000;

/// Measures so many rounds; with an even number as many yardsticks stand behind as before.
pub(crate) async fn measure(lab: &Lab, services: u32, times: usize, report: &mut Report) -> Result<()> {
    // The operator's own account, once it exists: an administrator would pass authorization and fair queuing unseen.
    lab.operator(Action::Start, 1)?;
    lab.operator(Action::Kill, 1)?;
    let client = api::client(&lab.folder().kubeconfig()).await?;
    let writer = api::client(&lab.folder().component_kubeconfig("operator-1")).await?;
    stored::create(lab, &client, services, Status::Empty).await?;
    let at_once = api::best_concurrency(&writer, services).await?;
    report.tell([Figure::alone(
        "requests the bare client had under way at once",
        f64::from(at_once),
        "requests",
    )]);
    let bench = Bench {
        lab,
        client,
        writer,
        services,
        at_once,
    };
    let alone = bench.bare(0).await?;
    let mut rounds = Vec::new();
    for number in 1..times {
        let round = bench.round(number).await?;
        bench.end()?;
        report.tell([round.figure(number)]);
        rounds.push(round);
    }
    // This one's operator goes on, to tell what it has done.
    let last = bench.round(times).await?;
    report.tell([last.figure(times)]);
    let told = bench.told(&last.ours).await?;
    rounds.push(last);
    report.tell(summary(&rounds, services, &alone));
    report.tell(told);
    if services <= MOST_ON_A_FULL_POOL {
        report.tell(waiting::on_a_full_pool(lab, &bench.client, services).await?);
    }
    Ok(())
}

struct Bench<'a> {
    lab: &'a Lab,
    client: Client,
    /// With the operator's rights.
    writer: Client,
    services: u32,
    at_once: u32,
}

/// What it took to give all services an address.
struct Taken {
    took: Duration,
    used: Usage,
}

/// The same by the operator.
struct Given {
    taken: Taken,
    /// Services that wait already were written this often by the operator as it started.
    unasked: f64,
    /// As the pool came, and as the last address was seen.
    written: (Writes, Writes),
}

struct Round {
    ours: Given,
    bare: Taken,
}

impl Round {
    fn figure(&self, number: usize) -> Figure {
        Figure::beside(
            format!(
                "round {number}: from the pool's creation to the last address; the bare client, two watches open"
            ),
            seconds(self.ours.taken.took),
            "s",
            seconds(self.bare.took),
        )
    }

    fn ratio(&self) -> f64 {
        seconds(self.ours.taken.took) / seconds(self.bare.took)
    }
}

impl Bench<'_> {
    /// The bare client first in every other round.
    async fn round(&self, number: usize) -> Result<Round> {
        if number.is_multiple_of(2) {
            let bare = self.bare(2).await?;
            let ours = self.ours().await?;
            return Ok(Round { ours, bare });
        }
        let ours = self.ours().await?;
        self.end()?;
        let bare = self.bare(2).await?;
        Ok(Round { ours, bare })
    }

    /// A client that decides nothing writes all statuses, while so many watches of services are open.
    async fn bare(&self, watches: u32) -> Result<Taken> {
        api::wait_for_pool(&self.writer, self.services).await?;
        let mut watching = JoinSet::new();
        let before = Usage::now(self.lab)?;
        let start = Instant::now();
        for _ in 0..watches {
            let observer = Observer::open(&self.client).await?;
            watching.spawn(observer.addresses(self.services));
        }
        api::patch(&self.writer, 0..self.services, self.at_once).await?;
        while let Some(seen) = watching.join_next().await {
            seen??;
        }
        let took = start.elapsed();
        let used = Usage::now(self.lab)?.since(&before);
        Ok(Taken { took, used })
    }

    /// The operator runs, all services wait; a pool comes.
    async fn ours(&self) -> Result<Given> {
        let Self { lab, client, .. } = self;
        api::wait_for_pool(&self.writer, self.services).await?;
        let unread = writes(client).await?;
        // All others say already what it would say.
        start_and_judge(lab, client).await?;
        let before = at_rest(client).await?;
        let observer = Observer::open(client).await?;
        let used = Usage::now(lab)?;
        let start = Instant::now();
        lab.apply(&pool("10.16.0.0/12"))?;
        observer.addresses(self.services + 1).await?;
        let took = start.elapsed();
        let used = Usage::now(lab)?.since(&used);
        let after = writes(client).await?;
        Ok(Given {
            taken: Taken { took, used },
            unasked: difference(&unread, &before, "services") - 1.0,
            written: (before, after),
        })
    }

    /// Everything as it was before the operator came, but for what the services say.
    fn end(&self) -> Result<()> {
        self.lab.operator(Action::Stop, 1)?;
        self.lab
            .kubectl(&["delete", "ippools", "bench", "--ignore-not-found"])?;
        self.lab
            .kubectl(&["delete", "services", "first", "--ignore-not-found"])?;
        Ok(())
    }

    /// What the operator has written, and what it still tells once all have their address.
    async fn told(&self, given: &Given) -> Result<Vec<Figure>> {
        let (before, after) = &given.written;
        let telling = Usage::now(self.lab)?;
        let rest = at_rest(&self.client).await?;
        let telling = Usage::now(self.lab)?.since(&telling);
        let made = |resource: &str| difference(before, &rest, resource);
        Ok(vec![
            Figure::alone(
                "writes of the starting operator to services that wait already",
                given.unasked,
                "writes",
            ),
            Figure::alone(
                "status writes per service",
                made("services") / f64::from(self.services + 1),
                "writes",
            ),
            Figure::alone(
                "pool writes per second",
                difference(before, after, "ciliumloadbalancerippools") / seconds(given.taken.took).max(1.0),
                "1/s",
            ),
            Figure::alone(
                "events published before the last address",
                difference(before, after, "events"),
                "events",
            ),
            Figure::alone("events published in the end", made("events"), "events"),
            Figure::alone("processor time for telling the rest", telling.total(), "s"),
        ])
    }
}

fn summary(rounds: &[Round], services: u32, alone: &Taken) -> Vec<Figure> {
    let middle = |of: fn(&Round) -> f64| spread::median(rounds.iter().map(of).collect());
    let mut ratios: Vec<f64> = rounds.iter().map(Round::ratio).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let bare = middle(|round| seconds(round.bare.took));
    let used = |of: fn(&Round) -> &Usage| {
        let all = rounds.iter().map(of);
        all.fold(Usage::default(), Usage::plus)
    };
    let mut figures = vec![
        Figure::beside(
            format!(
                "{services} services from the pool's creation to the last address, median of {} rounds; the bare client",
                rounds.len()
            ),
            middle(|round| seconds(round.ours.taken.took)),
            "s",
            bare,
        ),
        Figure::alone(
            "the same, ratio of a round, median",
            spread::median(ratios.clone()),
            "",
        ),
        Figure::alone("the same, least", ratios.first().copied().unwrap_or_default(), ""),
        Figure::alone(
            "the same, greatest",
            ratios.last().copied().unwrap_or_default(),
            "",
        ),
        Figure::beside(
            "the bare client with two watches of services open, median; without, once, at the beginning",
            bare,
            "s",
            seconds(alone.took),
        ),
    ];
    let times = services * u32::try_from(rounds.len()).unwrap_or(1);
    figures.extend(used(|round| &round.ours.taken.used).figures(&used(|round| &round.bare.used), times));
    figures
}
