//! A client that asks all the time.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    Station,
    agent::{CLIENT, SOON},
    mac_of, request,
};

/// Asks for addresses in turn, over and over, while `work` goes on. Every request must be answered; how many there were,
/// and what the work came to.
pub(crate) fn asked_throughout<T>(addresses: &[Ipv4Addr], work: impl FnOnce() -> T) -> (u64, T) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // A thread begins in the namespaces of the one that starts it.
        let prober = scope.spawn(|| {
            let (station, source) = (Station::on("far"), mac_of("far"));
            let mut asked = 0_u64;
            let bound = Instant::now() + Duration::from_secs(30);
            while !done.load(Ordering::Relaxed) && Instant::now() < bound {
                for address in addresses {
                    let frame = request(source, CLIENT, address.octets());
                    assert!(
                        station.ask(&frame, SOON).is_some(),
                        "request {asked} for {address} was lost"
                    );
                    asked += 1;
                }
            }
            asked
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        (prober.join().expect("every request answered"), worked)
    })
}
