use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const INTERVAL: Duration = Duration::from_secs(10);
const NIC: &str = "eth0";

fn at(milliseconds: u64) -> Instant {
    Instant::after_start(Duration::from_millis(milliseconds))
}

fn since(milliseconds: u64, moment: Instant) -> Duration {
    moment - at(milliseconds)
}

fn schedule() -> Schedule<&'static str, usize> {
    Schedule::new(INTERVAL)
}

fn taken(addresses: Range<usize>) -> Schedule<&'static str, usize> {
    let mut schedule = schedule();
    for address in addresses {
        schedule.taken(NIC, address, at(0));
    }
    schedule
}

/// What goes out until then, when the schedule is looked at as soon as it asks for it.
fn run(schedule: &mut Schedule<&'static str, usize>, until: u64) -> Vec<(Instant, usize)> {
    let mut sent = Vec::new();
    while let Some(now) = schedule.next_due().filter(|due| *due <= at(until)) {
        let due = schedule.take_due(now);
        assert!(!due.is_empty(), "asked for at {now:?}, and nothing was due");
        sent.extend(due.into_iter().map(|(_, address)| (now, address)));
    }
    sent
}

fn milliseconds(sent: &[(Instant, usize)]) -> Vec<u128> {
    sent.iter()
        .map(|(moment, _)| since(0, *moment).as_millis())
        .collect()
}

#[test]
fn a_takeover_is_repeated_and_then_refreshed_at_the_interval() {
    let sent = run(&mut taken(0..1), 27_000);
    assert_eq!(milliseconds(&sent), [0, 50, 150, 500, 2000, 6180, 16_180, 26_180]);
}

#[test]
fn an_adopted_address_only_refreshes_and_a_lost_one_falls_silent() {
    let mut schedule = schedule();
    schedule.adopted(NIC, 0, at(0));
    schedule.adopted(NIC, 0, at(3000));
    assert_eq!(milliseconds(&run(&mut schedule, 20_000)), [6180, 16_180]);
    schedule.retain(|_, _| false);
    assert_eq!(schedule.next_due(), None);
}

#[test]
fn refreshes_are_spread_over_the_interval() {
    let mut schedule = schedule();
    for address in 0..1000 {
        schedule.adopted(NIC, address, at(7));
    }
    let sent = run(&mut schedule, 20_007);
    let mut tenths: BTreeMap<u128, usize> = BTreeMap::new();
    for moment in milliseconds(&sent) {
        *tenths.entry((moment - 7) / 100).or_default() += 1;
    }
    assert_eq!(sent.len(), 2000);
    let uneven: Vec<_> = tenths
        .iter()
        .filter(|(_, sent)| !(8..=12).contains(*sent))
        .collect();
    assert!(uneven.is_empty() && tenths.len() == 200, "{uneven:?}");
}

#[test]
fn a_takeover_of_as_many_as_a_burst_waits_for_nothing() {
    let everything: Vec<_> = (0..BURST as usize).map(|address| (NIC, address)).collect();
    assert_eq!(taken(0..BURST as usize).take_due(at(0)), everything);
}

#[test]
fn a_greater_takeover_is_paced_and_announces_every_address_before_it_repeats_any() {
    let sent = run(&mut taken(0..3000), 1500);
    let (first, others) = sent.split_at(3000);
    let in_order: Vec<_> = first.iter().map(|(_, address)| *address).collect();
    assert_eq!(in_order, (0..3000).collect::<Vec<_>>());
    let at_once = first.iter().filter(|(moment, _)| *moment == at(0)).count();
    assert_eq!(at_once, 1000);
    assert_eq!(first.last().map(|(moment, _)| *moment), Some(at(1000)));
    assert!(others.iter().all(|(moment, _)| *moment > at(1000)) && !others.is_empty());
}

#[test]
fn an_interface_does_not_wait_for_another() {
    let mut schedule = taken(0..1000);
    schedule.taken("eth1", 7, at(0));
    assert_eq!(schedule.take_due(at(0)).len(), 1001);
}

#[test]
fn what_is_repeated_leaves_room_for_a_takeover() {
    let mut schedule = taken(0..500);
    assert_eq!(schedule.take_due(at(0)).len(), 500);
    assert_eq!(schedule.take_due(at(50)).len(), 100);
    for address in 500..1000 {
        schedule.taken(NIC, address, at(60));
    }
    let first: Vec<_> = (500..1000).map(|address| (NIC, address)).collect();
    assert_eq!(schedule.take_due(at(60)), first);
}

#[test]
fn a_takeover_that_is_to_wait_waits_and_is_repeated_from_then_on() {
    let mut schedule = schedule();
    schedule.taken(NIC, 0, at(5));
    assert_eq!(schedule.next_due(), Some(at(5)));
    assert_eq!(milliseconds(&run(&mut schedule, 3000)), [5, 55, 155, 505, 2005]);
}

#[test]
fn repetitions_whose_time_has_passed_are_not_made_up_for() {
    let mut schedule = taken(0..1);
    assert_eq!(schedule.take_due(at(30)), [(NIC, 0)]);
    // It was looked at late: 80 and 180 ms are over.
    assert_eq!(schedule.take_due(at(200)), [(NIC, 0)]);
    assert_eq!(schedule.take_due(at(200)), []);
    assert_eq!(milliseconds(&run(&mut schedule, 3000)), [530, 2030]);
}

#[test]
fn repetitions_and_refreshes_are_not_starved_by_takeovers_without_end() {
    let mut schedule = taken(0..1);
    schedule.adopted(NIC, 1, at(0));
    let (mut news, mut announced) = (2.., BTreeSet::new());
    let mut sent: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for now in 0..20_000 {
        // Half as many again as there is room for, at every moment.
        for address in news.by_ref().take(3) {
            schedule.taken(NIC, address, at(now));
        }
        for (_, address) in schedule.take_due(at(now)) {
            if address < 2 {
                sent.entry(address).or_default().push(now);
            } else {
                announced.insert(address);
            }
        }
        if now % 100 == 0 {
            schedule.retain(|_, address| !announced.contains(address));
        }
    }
    // Each waits for what is due before its own patience ends, and for nothing that comes later.
    let expected = [(0, vec![0, 50, 150, 1901, 4152]), (1, vec![18_192])];
    assert_eq!(sent, expected.into());
}

#[test]
fn a_place_in_the_line_is_kept() {
    let mut schedule = taken(0..1001);
    assert_eq!(schedule.take_due(at(0)).len(), 1000);
    schedule.taken(NIC, 0, at(1));
    schedule.taken(NIC, 1000, at(1));
    assert_eq!(schedule.take_due(at(2)), [(NIC, 1000), (NIC, 0)]);
}

#[test]
fn a_defence_goes_at_once_and_many_of_them_are_paced() {
    let mut schedule = schedule();
    schedule.again(NIC, &0, at(0));
    assert_eq!(schedule.next_due(), None);
    for address in 0..3000 {
        schedule.adopted(NIC, address, at(0));
        schedule.again(NIC, &address, at(0));
    }
    let mut sent: BTreeSet<_> = schedule.take_due(at(0)).into_iter().collect();
    assert_eq!(sent.len(), 500);
    sent.extend(
        run(&mut schedule, 1300)
            .into_iter()
            .map(|(_, address)| (NIC, address)),
    );
    assert_eq!(sent, (0..3000).map(|address| (NIC, address)).collect());
}

#[derive(Clone, Debug)]
enum Event {
    Taken(Range<usize>),
    Adopted(Range<usize>),
    Again(Range<usize>),
    Lost(Range<usize>),
    /// Nothing happens for as many milliseconds.
    Passes(u64),
}

const MOST: usize = 3000;

fn event() -> impl Strategy<Value = Event> {
    let range = || (0..MOST, 1..MOST).prop_map(|(from, many)| from..MOST.min(from + many));
    prop_oneof![
        range().prop_map(Event::Taken),
        range().prop_map(Event::Adopted),
        range().prop_map(Event::Again),
        range().prop_map(Event::Lost),
        (0..4000_u64).prop_map(Event::Passes),
    ]
}

/// What was sent, and since when each address that waits for its first announcement does.
#[derive(Debug, Default)]
struct Observer {
    sent: Vec<(Instant, usize)>,
    awaited: BTreeMap<usize, Instant>,
    heard: BTreeMap<usize, Instant>,
}

/// As much as the whole table takes, and a little for what waits to go together.
fn longest_wait() -> Duration {
    Duration::from_secs(MOST as u64) / RATE + Duration::from_millis(10)
}

impl Observer {
    fn follow(
        &mut self,
        schedule: &mut Schedule<&'static str, usize>,
        until: u64,
    ) -> Result<(), TestCaseError> {
        for (now, address) in run(schedule, until) {
            self.sent.push((now, address));
            if let Some(taken) = self.awaited.remove(&address) {
                prop_assert!(
                    now - taken <= longest_wait(),
                    "{} waited since {:?}",
                    address,
                    taken
                );
            }
            if let Some(last) = self.heard.insert(address, now) {
                let patience = Duration::from_secs(10);
                prop_assert!(
                    now - last <= INTERVAL + patience + longest_wait(),
                    "{} was not refreshed",
                    address
                );
            }
        }
        let overdue = |taken: &Instant| at(until) - *taken > longest_wait();
        prop_assert_eq!(self.awaited.values().find(|taken| overdue(taken)), None);
        Ok(())
    }

    /// No window of any length has more than a burst and what the rate allows in it.
    fn within_budget(&self) -> Result<(), TestCaseError> {
        let mut spent = 0_u128;
        let mut last = at(0);
        for (now, _) in &self.sent {
            let allowed = (*now - last).as_nanos() * u128::from(RATE);
            spent = spent.saturating_sub(allowed) + 1_000_000_000;
            last = *now;
            prop_assert!(
                spent <= u128::from(BURST) * 1_000_000_000,
                "too many at {:?}",
                now
            );
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_the_budget_is_kept_and_nobody_is_starved(events in vec(event(), 1..24)) {
        let (mut schedule, mut observer, mut now) = (schedule(), Observer::default(), 0);
        for event in events {
            match event {
                Event::Taken(addresses) => for address in addresses {
                    schedule.taken(NIC, address, at(now));
                    observer.awaited.entry(address).or_insert(at(now));
                },
                Event::Adopted(addresses) => for address in addresses {
                    schedule.adopted(NIC, address, at(now));
                },
                Event::Again(addresses) => for address in addresses {
                    schedule.again(NIC, &address, at(now));
                },
                Event::Lost(addresses) => {
                    schedule.retain(|_, address| !addresses.contains(address));
                    observer.awaited.retain(|address, _| !addresses.contains(address));
                    observer.heard.retain(|address, _| !addresses.contains(address));
                }
                Event::Passes(milliseconds) => now += milliseconds,
            }
            observer.follow(&mut schedule, now)?;
        }
        observer.follow(&mut schedule, now + 60_000)?;
        observer.within_budget()?;
    }
}
