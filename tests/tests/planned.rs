//! What people do on purpose costs no client an answer.

use std::time::Duration;

use anyhow::Result;
use lightship_tests::{
    client::prober::Prober,
    eventually,
    scene::{PATIENCE, Plan, Scene, objects},
};

#[test]
fn a_drained_node_hands_over_and_so_does_a_cordoned_one() -> Result<()> {
    let scene = Scene::up(
        "drain",
        Plan {
            services: 6,
            ..Plan::default()
        },
    )?;
    let old = scene.ready()?;
    let watching = scene.watch()?;
    let start = watching.mark(format!("{old} is drained"));
    scene.drain(&old)?;
    watching.answered_by_others(&old)?;
    watching.mark("the drain is taken back");
    scene.undrain(&old)?;
    watching.for_a_while(Duration::from_secs(3));
    let next = scene.holder(0)?;
    watching.mark(format!("{next} is cordoned"));
    scene.cordon(&next, true)?;
    watching.answered_by_others(&next)?;
    watching.for_a_while(Duration::from_secs(2));
    let seen = watching.finish()?;
    seen.nothing_lost(start)?;
    seen.nobody_stale(start)?;
    seen.pages(Duration::from_secs(1))?;
    scene.down()
}

#[test]
fn a_deleted_service_is_answered_no_more() -> Result<()> {
    let scene = Scene::up(
        "deleted",
        Plan {
            services: 2,
            ..Plan::default()
        },
    )?;
    scene.ready()?;
    let prober = Prober::start(&scene, scene.addresses())?;
    // The first two addresses are those of the first service.
    let (gone, stays) = scene.addresses().split_at(2);
    let start = prober.mark("the first service is deleted");
    scene.kubectl(&["delete", "service", &objects::name(0), "--wait=false"])?;
    eventually("no answers for it", PATIENCE, || {
        let since = prober.now().saturating_sub(Duration::from_millis(700));
        let answered = prober.look(|recording| {
            let mut records = gone.iter().filter_map(|address| recording.records.get(address));
            records.any(|record| {
                record
                    .between(since, Duration::MAX)
                    .any(|question| !question.answers.is_empty())
            })
        });
        anyhow::ensure!(!answered, "it is answered");
        Ok(())
    })?;
    let silent = prober.now();
    std::thread::sleep(Duration::from_secs(3));
    let recording = prober.finish()?;
    for address in gone {
        let record = &recording.records[address];
        let last = record
            .between(start, silent)
            .filter(|question| !question.answers.is_empty())
            .last();
        let after = last.map_or(Duration::ZERO, |question| question.sent.saturating_sub(start));
        assert!(
            after < Duration::from_secs(3),
            "{address} was answered for {after:?}"
        );
        assert_eq!(
            record.answerers(silent, recording.until),
            [],
            "{address} is answered again"
        );
    }
    for address in stays {
        assert_eq!(
            recording.records[address]
                .silence(start, recording.settled())
                .lost,
            0,
            "{address}"
        );
    }
    scene.down()
}
