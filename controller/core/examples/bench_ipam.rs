//! How fast addresses are managed, each figure beside the plainest structure that could do the same, in the same run.
//!
//! Measured on 2026-11-21 with two cores shared with other builds, so that only ratios mean anything: an allocation
//! 2.4x of plain maps doing the same bookkeeping (3.6 µs), a release 1.0x, a specific request 2.4x, 10,000 pools 0.8x of
//! one pool, an address freed with 10,000 waiting 1.8x of 200 waiting, 50,000 services 85 MiB beside the services' own 58.
//!
//! `--json FILE` writes a list of `{figure, value, unit, yardstick, ratio}`; every figure is the median of several runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant as Clock};

use lightship_core::ipam::{Admission, BlockText, Family, FirstLast, Ipam, PoolSpec};
use lightship_core::names::{PoolName, ServiceId};
use lightship_core::selector::{Labels, Selector};
use lightship_core::service::{Handling, IngressOwner, Requested, Service};
use lightship_core::time::{Instant, Timestamp};
use serde_json::json;

const MILLION: u32 = 1_000_000;
const RUNS: usize = 3;
const NOW: Instant = Instant::after_start(Duration::ZERO);

type Failure = Box<dyn Error>;

/// Several measurements of one thing.
struct Runs(Vec<f64>);

impl Runs {
    fn of(mut one: impl FnMut() -> Result<f64, Failure>) -> Result<Self, Failure> {
        let mut runs = (0..RUNS).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
        runs.sort_by(f64::total_cmp);
        Ok(Self(runs))
    }

    fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }

    fn spread(&self) -> String {
        let (least, most) = (self.0.first(), self.0.last());
        format!(
            "{:.4} to {:.4}",
            least.copied().unwrap_or_default(),
            most.copied().unwrap_or_default()
        )
    }
}

#[derive(Default)]
struct Report(Vec<serde_json::Value>);

impl Report {
    fn tell(&mut self, figure: &str, value: &Runs, unit: &str, yardstick: Option<(&str, &Runs)>) {
        let ratio = yardstick.map(|(_, runs)| value.median() / runs.median());
        let told = yardstick.map_or_else(String::new, |(name, runs)| {
            let median = runs.median();
            format!("{:.2}x of {name}: {median:.4}", value.median() / median)
        });
        println!(
            "{figure:<58} {:>12.4} {unit:<12} ({}) {told}",
            value.median(),
            value.spread()
        );
        self.0.push(json!({
            "figure": figure,
            "value": value.median(),
            "unit": unit,
            "yardstick": yardstick.map(|(_, runs)| runs.median()),
            "ratio": ratio,
        }));
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut report = Report::default();
    resident(&mut report)?;
    million(&mut report)?;
    pools(&mut report)?;
    pending(&mut report)?;
    if let [flag, file] = arguments.as_slice()
        && flag == "--json"
    {
        std::fs::write(file, serde_json::to_string_pretty(&report.0)?)?;
    }
    Ok(())
}

fn pool(name: &str, cidr: &str) -> Result<PoolSpec, Failure> {
    Ok(PoolSpec {
        name: name.into(),
        created: Timestamp(0),
        priority: 0,
        admission: Admission::Open,
        selector: Ok(Selector::everything()),
        blocks: vec![BlockText::cidr(cidr).read(FirstLast::Allowed)?],
        reserved: vec![],
        problems: vec![],
    })
}

fn service(number: u32) -> Service {
    let name = format!("service-{number:07}");
    let labels: Labels = [
        ("app", name.as_str()),
        ("io.kubernetes.service.name", name.as_str()),
        ("io.kubernetes.service.namespace", "default"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    Service {
        id: ServiceId::new("default", name),
        created: Timestamp(i64::from(number)),
        labels,
        handling: Handling::Ours,
        families: vec![Family::V4],
        requested: vec![],
        pool: None,
        sharing: None,
        ingress: vec![],
        ingress_owner: IngressOwner::Us,
        satisfied_since: None,
    }
}

fn tenth(number: u32) -> IpAddr {
    Ipv4Addr::from((10 << 24) + number).into()
}

fn running(pools: impl IntoIterator<Item = PoolSpec>) -> Ipam {
    let mut ipam = Ipam::default();
    for pool in pools {
        ipam.apply_pool(pool, NOW);
    }
    ipam.start(NOW);
    ipam
}

/// Whom a change concerns is asked after each batch of events, as the operator does.
fn drain(ipam: &mut Ipam, number: usize) {
    if number % 512 == 511 {
        black_box((ipam.take_changed(), ipam.take_changed_pools()));
    }
}

fn nanoseconds(took: Duration, operations: u32) -> f64 {
    took.as_secs_f64() * 1e9 / f64::from(operations)
}

/// A million services into a /12, and out again; beside it the same bookkeeping in plain maps of names and addresses.
fn million(report: &mut Report) -> Result<(), Failure> {
    let (mut late, mut release, mut named) = (vec![], vec![], vec![]);
    let allocation = Runs::of(|| {
        let services: Vec<Service> = (0..MILLION).map(service).collect();
        let ids: Vec<ServiceId> = services.iter().map(|service| service.id.clone()).collect();
        let mut ipam = running([pool("p", "10.0.0.0/12")?]);
        let (mut first, mut last) = (Duration::ZERO, Duration::ZERO);
        let start = Clock::now();
        for (number, service) in services.into_iter().enumerate() {
            if number == 1_000 {
                first = start.elapsed();
            } else if number == 999_000 {
                last = start.elapsed();
            }
            ipam.apply_service(service, NOW);
            drain(&mut ipam, number);
        }
        let all = start.elapsed();
        late.push(all.saturating_sub(last).as_secs_f64() / first.as_secs_f64());
        black_box(ipam.take_changed());
        let start = Clock::now();
        for (number, id) in ids.iter().enumerate() {
            ipam.delete_service(id, NOW);
            drain(&mut ipam, number);
        }
        release.push(nanoseconds(start.elapsed(), MILLION));
        Ok(nanoseconds(all, MILLION))
    })?;
    for _ in 0..RUNS {
        let services: Vec<Service> = (0..MILLION)
            .map(|number| Service {
                requested: vec![Requested::Address(elsewhere(number))],
                ..service(number)
            })
            .collect();
        let mut ipam = running([pool("p", "10.0.0.0/12")?]);
        let start = Clock::now();
        for (number, service) in services.into_iter().enumerate() {
            ipam.apply_service(service, NOW);
            drain(&mut ipam, number);
        }
        named.push(nanoseconds(start.elapsed(), MILLION));
    }
    let (in_order, plain_release) = plain(next)?;
    let (plain_named, _) = plain(scattered)?;
    let yardstick = "free set, names and holders in plain maps";
    report.tell(
        "an allocation, of a million into a /12",
        &allocation,
        "ns",
        Some((yardstick, &in_order)),
    );
    let sorted = |mut runs: Vec<f64>| {
        runs.sort_by(f64::total_cmp);
        Runs(runs)
    };
    report.tell(
        "the last thousand against the first",
        &sorted(late),
        "times",
        None,
    );
    report.tell(
        "a release, of a million",
        &sorted(release),
        "ns",
        Some((yardstick, &plain_release)),
    );
    report.tell(
        "a specific request, of a million all over a /12",
        &sorted(named),
        "ns",
        Some((yardstick, &plain_named)),
    );
    Ok(())
}

fn next(_: u32, free: &mut BTreeSet<IpAddr>) -> Option<IpAddr> {
    free.pop_first()
}

fn scattered(number: u32, free: &mut BTreeSet<IpAddr>) -> Option<IpAddr> {
    free.take(&elsewhere(number))
}

/// Far apart, so that no request lies beside the one before.
fn elsewhere(number: u32) -> IpAddr {
    tenth(number.wrapping_mul(0x9E37_79B1) % (1 << 20))
}

fn plain(take: impl Fn(u32, &mut BTreeSet<IpAddr>) -> Option<IpAddr>) -> Result<(Runs, Runs), Failure> {
    let mut releases = vec![];
    let allocations = Runs::of(|| {
        let services: Vec<Service> = (0..MILLION).map(service).collect();
        let ids: Vec<ServiceId> = services.iter().map(|service| service.id.clone()).collect();
        let mut free: BTreeSet<IpAddr> = (0..1 << 20).map(tenth).collect();
        let mut known: BTreeMap<ServiceId, (Service, IpAddr)> = BTreeMap::new();
        let mut holders: BTreeMap<IpAddr, ServiceId> = BTreeMap::new();
        let start = Clock::now();
        for (number, service) in (0..).zip(services) {
            if let Some(address) = take(number, &mut free) {
                holders.insert(address, service.id.clone());
                known.insert(service.id.clone(), (service, address));
            }
        }
        let all = start.elapsed();
        let start = Clock::now();
        for id in &ids {
            if let Some((_, address)) = known.remove(id) {
                holders.remove(&address);
                free.insert(address);
            }
        }
        releases.push(nanoseconds(start.elapsed(), MILLION));
        black_box((free, known, holders));
        Ok(nanoseconds(all, MILLION))
    })?;
    releases.sort_by(f64::total_cmp);
    Ok((allocations, Runs(releases)))
}

/// Ten thousand pools: what one more costs, and what an allocation costs among them.
fn pools(report: &mut Report) -> Result<(), Failure> {
    const POOLS: u32 = 10_000;
    let many = || -> Result<Vec<PoolSpec>, Failure> {
        (0..POOLS)
            .map(|number| {
                pool(
                    &format!("pool-{number:05}"),
                    &format!("{}/28", tenth(number * 16)),
                )
            })
            .collect()
    };
    let created = Runs::of(|| {
        let specs = many()?;
        let mut ipam = running([]);
        let start = Clock::now();
        for spec in specs {
            ipam.apply_pool(spec, NOW);
        }
        Ok(nanoseconds(start.elapsed(), POOLS))
    })?;
    report.tell("a pool, of 10,000", &created, "ns", None);
    let mut allocate = |figure: &str, name: Option<PoolName>, yardstick: Option<(&str, &Runs)>| {
        let runs = Runs::of(|| {
            let pools = if yardstick.is_some() {
                many()?
            } else {
                vec![pool("p", "10.0.0.0/12")?]
            };
            let mut ipam = running(pools);
            // All over the pools, most of which become full.
            let services: Vec<Service> = (0..100_000)
                .map(|number| Service {
                    pool: name.clone().filter(|_| number % 10_000 == 0),
                    ..service(number)
                })
                .collect();
            let start = Clock::now();
            for (number, service) in services.into_iter().enumerate() {
                ipam.apply_service(service, NOW);
                drain(&mut ipam, number);
            }
            Ok(nanoseconds(start.elapsed(), 100_000))
        })?;
        report.tell(figure, &runs, "ns", yardstick);
        Ok::<_, Failure>(runs)
    };
    let one = allocate("an allocation, of 100,000 from one pool", None, None)?;
    let named = Some("pool-09999".into());
    allocate(
        "an allocation, of 100,000 from 10,000 pools",
        named,
        Some(("one pool", &one)),
    )?;
    Ok(())
}

/// Ten thousand services wait on a full pool; what one address costs that is freed, beside nobody waiting.
fn pending(report: &mut Report) -> Result<(), Failure> {
    let freed = |waiting: u32| {
        Runs::of(|| {
            let mut ipam = running([pool("p", "10.0.0.0/24")?]);
            for number in 0..256 + waiting {
                ipam.apply_service(service(number), NOW);
            }
            ipam.take_changed();
            let start = Clock::now();
            for number in 0..200 {
                ipam.delete_service(&service(number).id, NOW);
            }
            let took = start.elapsed();
            let served = ipam.take_changed().len();
            if served != usize::try_from(waiting.min(200))? {
                return Err(format!("{served} services were served").into());
            }
            Ok(nanoseconds(took, 200))
        })
    };
    let few = freed(200)?;
    let many = freed(10_000)?;
    report.tell(
        "an address freed with 10,000 waiting, one served",
        &many,
        "ns",
        Some(("200 waiting", &few)),
    );
    Ok(())
}

/// What 50,000 services take in memory, beside their specifications alone.
fn resident(report: &mut Report) -> Result<(), Failure> {
    const SERVICES: u32 = 50_000;
    let before = resident_mebibytes()?;
    let services: Vec<Service> = (0..SERVICES).map(service).collect();
    let alone = resident_mebibytes()? - before;
    let mut ipam = running([pool("p", "10.0.0.0/12")?]);
    for service in &services {
        ipam.apply_service(service.clone(), NOW);
    }
    let all = resident_mebibytes()? - before - alone;
    black_box((&ipam, &services));
    let specifications = Runs(vec![alone]);
    report.tell(
        "memory of the core with 50,000 services",
        &Runs(vec![all]),
        "MiB",
        Some(("the services alone", &specifications)),
    );
    Ok(())
}

fn resident_mebibytes() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes.ok_or("the kernel tells no VmRSS")?.parse::<f64>()? / 1024.0)
}
