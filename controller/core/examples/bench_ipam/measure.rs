//! The measurements: each sets its scene and returns what it took.

use std::hint::black_box;

use lightship_core::ipam::{Free, Ipam};
use lightship_core::names::ServiceId;
use lightship_core::service::{Requested, Service};

use crate::scene::{
    MILLION, NOW, each_since, elsewhere, most_memory, pool, processor, running, service, small_pools, tenth,
};
use crate::{Failure, plain};

const SERVICES: u32 = 50_000;

/// Takes the measurement of a name.
pub(crate) fn by_name(name: &str) -> Result<Vec<f64>, Failure> {
    match name {
        "intervals" => intervals(),
        "set" => plain::set(),
        "serve" => serve(),
        "plain" => plain::serve(plain::lowest),
        "request" => request(),
        "plain-request" => plain::serve(plain::scattered),
        "pools" => pools(10_000),
        "few-pools" => pools(100),
        "among-pools" => among(running(small_pools(10_000)?), "pool-09999"),
        "among-one" => among(running([pool("p", "10.0.0.0/12")?]), "p"),
        "many-waiting" => freed(10_000),
        "few-waiting" => freed(200),
        "memory" => memory(),
        "plain-memory" => {
            black_box((0..SERVICES).map(service).collect::<Vec<_>>());
            Ok(vec![most_memory()?])
        }
        _ => Err(format!("there is no measurement {name}").into()),
    }
}

/// The free addresses alone.
fn intervals() -> Result<Vec<f64>, Failure> {
    let mut free = Free::default();
    free.give_range(0, (1 << 20) - 1);
    let start = processor()?;
    for _ in 0..MILLION {
        let lowest = free.lowest_in(0, (1 << 20) - 1).ok_or("no address is left")?;
        free.take(lowest);
    }
    let taken = each_since(start, MILLION)?;
    let start = processor()?;
    for number in 0..MILLION {
        free.give(u128::from(elsewhere(number)));
    }
    let given = each_since(start, MILLION)?;
    black_box(free);
    Ok(vec![taken, given])
}

/// Whom a change concerns is asked after each batch of events, as the operator does.
fn drain(ipam: &mut Ipam, number: usize) {
    if number % 512 == 511 {
        black_box((ipam.take_changed(), ipam.take_changed_pools()));
    }
}

/// A million services into a /12, the last thousand of them against the first, and out again.
fn serve() -> Result<Vec<f64>, Failure> {
    let services: Vec<Service> = (0..MILLION).map(service).collect();
    let ids: Vec<ServiceId> = services.iter().map(|service| service.id.clone()).collect();
    let mut ipam = running([pool("p", "10.0.0.0/12")?]);
    let start = processor()?;
    let (mut first, mut before_last) = (start, start);
    let mut services = services.into_iter();
    for (number, service) in services.by_ref().enumerate() {
        if number == 1_000 {
            first = processor()?;
        } else if number == 999_000 {
            before_last = processor()?;
        }
        ipam.apply_service(service, NOW);
        drain(&mut ipam, number);
    }
    let served = each_since(start, MILLION)?;
    let late = each_since(before_last, 1_000)?;
    let early = first.saturating_sub(start).as_secs_f64() * 1e6;
    drop(services);
    black_box(ipam.take_changed());
    let start = processor()?;
    for (number, id) in ids.iter().enumerate() {
        ipam.delete_service(id, NOW);
        drain(&mut ipam, number);
    }
    Ok(vec![served, late / early, each_since(start, MILLION)?])
}

fn request() -> Result<Vec<f64>, Failure> {
    let asking = |number| Service {
        requested: vec![Requested::Address(tenth(elsewhere(number)))],
        ..service(number)
    };
    let services: Vec<Service> = (0..MILLION).map(asking).collect();
    let mut ipam = running([pool("p", "10.0.0.0/12")?]);
    let start = processor()?;
    let mut services = services.into_iter();
    for (number, service) in services.by_ref().enumerate() {
        ipam.apply_service(service, NOW);
        drain(&mut ipam, number);
    }
    let took = each_since(start, MILLION)?;
    drop(services);
    Ok(vec![took])
}

fn pools(count: u32) -> Result<Vec<f64>, Failure> {
    let specs = small_pools(count)?;
    let mut ipam = running([]);
    let start = processor()?;
    for spec in specs {
        ipam.apply_pool(spec, NOW);
    }
    Ok(vec![each_since(start, count)?])
}

/// 100,000 services all over the pools, most of which become full; some name their pool.
fn among(mut ipam: Ipam, named: &str) -> Result<Vec<f64>, Failure> {
    let naming = |number| Service {
        pool: (number % 10_000 == 0).then(|| named.into()),
        ..service(number)
    };
    let services: Vec<Service> = (0..100_000).map(naming).collect();
    let start = processor()?;
    let mut services = services.into_iter();
    for (number, service) in services.by_ref().enumerate() {
        ipam.apply_service(service, NOW);
        drain(&mut ipam, number);
    }
    let took = each_since(start, 100_000)?;
    drop(services);
    Ok(vec![took])
}

/// Services wait on a full pool; 200 addresses are freed.
fn freed(waiting: u32) -> Result<Vec<f64>, Failure> {
    let mut ipam = running([pool("p", "10.0.0.0/24")?]);
    for number in 0..256 + waiting {
        ipam.apply_service(service(number), NOW);
    }
    ipam.take_changed();
    let start = processor()?;
    for number in 0..200 {
        ipam.delete_service(&service(number).id, NOW);
    }
    let took = each_since(start, 200)?;
    let served = ipam.take_changed().len();
    if served != 200 {
        return Err(format!("{served} services were served").into());
    }
    Ok(vec![took])
}

/// The process of the core as a whole: the program, the services, and all that is known of them.
fn memory() -> Result<Vec<f64>, Failure> {
    let mut ipam = running([pool("p", "10.0.0.0/12")?]);
    for number in 0..SERVICES {
        ipam.apply_service(service(number), NOW);
    }
    black_box((ipam.take_changed(), &ipam));
    Ok(vec![most_memory()?])
}
