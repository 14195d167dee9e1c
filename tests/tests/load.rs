//! Many requests for many addresses on one cable, beside a program that only sends frames back. Every figure is a share or a ratio
//! of the same run: `hack/bench responder` has the long form.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use anyhow::{Result, ensure};
use lightship_tests::{
    client::{
        frames::{self, Heard},
        packets::Packets,
    },
    eventually,
    segment::{
        self, FAR, NEAR, NEAR_MAC,
        flood::{Flood, Rate, flood},
        replies, requests,
        responder::Responder,
        yardstick::Yardstick,
    },
};

const ADDRESSES: u32 = 4_000;
const WINDOW: Duration = Duration::from_millis(300);
const PAIRS: usize = 7;

/// What is answered at the rate at which the kernel sends frames back at all, whoever else uses the machine.
#[test]
fn a_load_is_answered_as_quickly_as_frames_can_be_sent_back() -> Result<()> {
    segment::isolated(|segment| {
        let responder = Responder::hold(ADDRESSES)?;
        let frames = requests(responder.addresses());
        let bounced = replies(responder.addresses());
        let mut reflector = Yardstick::reflector()?;
        let mut ratios = Vec::new();
        let mut sent = 0;
        for _ in 0..PAIRS {
            let link = reflector.attach(NEAR)?;
            let bare = segment.client.run(|| flood(&bounced, Rate::Unlimited, WINDOW));
            reflector.detach(link)?;
            let (bare, ours) = (
                bare?,
                segment.client.run(|| flood(&frames, Rate::Unlimited, WINDOW))?,
            );
            sent += ours.sent;
            ensure!(bare.share() > 0.999, "the cable itself loses frames: {bare:?}");
            ensure!(
                ours.share() > 0.999,
                "requests are lost: {ours:?} beside {bare:?}"
            );
            ratios.push(per_processor(&ours) / per_processor(&bare));
        }
        ratios.sort_by(f64::total_cmp);
        // The benchmark shows 0.6; a responder that walked a list would show a small part of that.
        ensure!(
            ratios[PAIRS / 2] > 0.3,
            "for each frame that is sent back, so many are answered: {ratios:?}"
        );
        let counted = responder.answered()?;
        ensure!(
            counted.values().sum::<u64>() == sent,
            "of {sent} requests, {} were counted",
            counted.values().sum::<u64>()
        );
        let fewest = counted.values().min().copied().unwrap_or_default();
        // Each flood begins with the first address, and ends anywhere.
        ensure!(
            fewest + PAIRS as u64 >= sent / u64::from(ADDRESSES),
            "an address was answered {fewest} times only"
        );
        Ok(())
    })
}

/// Requests in a second of the processor's time, which the work of others leaves as it is.
#[expect(clippy::cast_precision_loss, reason = "counts of frames")]
fn per_processor(flood: &Flood) -> f64 {
    flood.sent as f64 / flood.processor.as_secs_f64()
}

#[test]
fn each_of_many_addresses_is_answered_for_itself() -> Result<()> {
    segment::isolated(|segment| {
        let responder = Responder::hold(ADDRESSES)?;
        segment.client.run(|| {
            let packets = Packets::here(FAR, frames::ARP)?;
            for request in requests(responder.addresses()) {
                packets.send(&request)?;
            }
            let mut answered: BTreeSet<IpAddr> = BTreeSet::new();
            eventually("an answer for each", Duration::from_secs(10), || {
                let mut buffer = [0; 128];
                while let Some(frame) = packets.next(&mut buffer)? {
                    match frames::hear(frame) {
                        Some(Heard::Answer {
                            address,
                            mac: NEAR_MAC,
                            ..
                        }) => drop(answered.insert(address)),
                        other => ensure!(other.is_none(), "{other:?}"),
                    }
                }
                let silent = responder
                    .addresses()
                    .iter()
                    .find(|address| !answered.contains(*address));
                ensure!(silent.is_none(), "{} answered, not {silent:?}", answered.len());
                Ok(())
            })
        })
    })
}
