//! What the operator makes of an answer: what is told, and what is tried again.

use std::time::Duration;

use kube::core::Status;
use kube::core::response::StatusSummary;
use lightship_core::placement::Rebalancing;
use lightship_edge::Clock;
use prometheus_client::registry::Registry;

use super::*;
use crate::error::Error;
use crate::telling::Telling;
use crate::writer::tests::Answering;
use crate::{Done, Operator, Options};

/// An operator, and the API server that its events go to.
fn operator() -> (Operator, Answering) {
    let events = Answering::with(201, json!({}));
    let options = Options {
        namespace: "kube-system".to_owned(),
        identity: "replica".to_owned(),
        timings: LeaseTimings::default(),
        default_class: DefaultClass::LbIpam,
        rebalancing: Rebalancing::default(),
        tracer: lightship_edge::Tracer::default(),
    };
    (
        Operator::new(options, events.client(), &mut Registry::default()),
        events,
    )
}

fn failed(code: u16) -> Error {
    let status = Status {
        status: Some(StatusSummary::Failure),
        code,
        ..Status::default()
    };
    Error::Write {
        target: "the status of service default/web".to_owned(),
        source: Box::new(kube::Error::Api(Box::new(status))),
    }
}

/// What was told about the service since the last call.
async fn told(telling: &mut Telling, events: &Answering, known: &mut usize) -> Vec<String> {
    telling.go_on(&events.writer(), 0);
    while telling.told().await.is_some() {
        telling.go_on(&events.writer(), 0);
    }
    let asked = events.asked().split_off(*known);
    *known += asked.len();
    let note = |(_, event): &(String, Value)| event["note"].as_str().unwrap().to_owned();
    asked.iter().map(note).collect()
}

#[tokio::test]
async fn a_change_is_told_once_and_only_when_it_is_written() {
    let (operator, events) = operator();
    let (clock, mut telling, mut known) = (Clock::start(), Telling::default(), 0);
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("web"));
    let mut world = leader(&server, clock.now());
    let mut later = clock.now();
    let answer = |world: &mut World, telling: &mut Telling, write: Write, answer| {
        let took = Duration::ZERO;
        operator.done(world, telling, Ok(Done { write, answer, took }), clock);
    };
    for code in [409, 422] {
        let write = due(&mut world, &mut server, later).remove(0);
        assert!(matches!(write.content, Content::Status(_)), "{code}");
        answer(&mut world, &mut telling, write, Err(failed(code)));
        assert_eq!(
            told(&mut telling, &events, &mut known).await,
            [] as [&str; 0],
            "{code}"
        );
        assert_eq!(
            due(&mut world, &mut server, clock.now()).len(),
            0,
            "{code}: it pauses first"
        );
        later = later + Duration::from_mins(1);
    }
    for code in [500, 504] {
        let write = due(&mut world, &mut server, later).remove(0);
        answer(&mut world, &mut telling, write, Err(failed(code)));
        assert_eq!(
            told(&mut telling, &events, &mut known).await,
            [] as [&str; 0],
            "{code}"
        );
        later = later + Duration::from_mins(1);
        let read = due(&mut world, &mut server, later).remove(0);
        assert!(
            matches!(read.content, Content::Read),
            "{code}: it may have been carried out"
        );
        let is = server.carry_out(&read).unwrap();
        answer(&mut world, &mut telling, read, Ok(is));
        assert_eq!(
            told(&mut telling, &events, &mut known).await,
            [] as [&str; 0],
            "{code}"
        );
    }
    let write = due(&mut world, &mut server, later).remove(0);
    let is = server.carry_out(&write).unwrap();
    answer(&mut world, &mut telling, write, Ok(is));
    let assigned = "Address 10.0.10.0 was assigned from pool p";
    assert_eq!(told(&mut telling, &events, &mut known).await[0], assigned);
    see(&mut world, &server, "web", later);
    settle(&mut world, &mut server, later);
    assert_eq!(told(&mut telling, &events, &mut known).await, [] as [&str; 0]);
}
