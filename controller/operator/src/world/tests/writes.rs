//! What can happen to a write.

use super::*;

#[test]
fn a_write_that_was_lost_is_made_again_by_the_next_leader() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("web"));
    let mut first = leader(&server, at(0));
    let lost = due(&mut first, &mut server, at(0));
    assert_eq!(lost.len(), 1);
    let mut second = leader(&server, at(0));
    settle(&mut second, &mut server, at(0));
    assert_eq!(server.shows("web"), ["10.0.10.0"]);
    assert_eq!(server.carry_out(&lost[0]).unwrap_err(), server::Conflict);
    let mut third = leader(&server, at(0));
    assert_eq!(third.decide(at(0), ALL).len(), 0, "a hand-over writes nothing");
}

#[test]
fn a_conflict_is_decided_anew_on_what_is_then_seen() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("web"));
    let mut world = leader(&server, at(0));
    let writes = due(&mut world, &mut server, at(0));
    server.put(&web("web", &json!({"lbipam.cilium.io/ips": "10.0.10.7"})));
    assert!(server.carry_out(&writes[0]).is_err());
    world.refused(target("web"), at(1));
    see(&mut world, &server, "web", at(2));
    settle(&mut world, &mut server, at(2));
    assert_eq!(server.shows("web"), ["10.0.10.7"]);
}

#[test]
fn a_refused_write_pauses_longer_each_time_and_others_go_on() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("bad"));
    let mut world = leader(&server, at(0));
    let (mut now, mut last) = (0, 0);
    let mut pauses = Vec::new();
    while pauses.len() < 6 {
        if !due(&mut world, &mut server, at(now)).is_empty() {
            world.refused(target("bad"), at(now));
            pauses.push(now - last);
            last = now;
        }
        now += 50;
    }
    assert_eq!(pauses, [0, 100, 200, 400, 800, 1600]);
    server.put(&plain("good"));
    see(&mut world, &server, "good", at(now));
    settle(&mut world, &mut server, at(now));
    assert_eq!(server.shows("good"), ["10.0.10.1"]);
}

#[test]
fn what_was_not_answered_is_read_before_anything_is_decided() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("web"));
    let mut world = leader(&server, at(0));
    let writes = due(&mut world, &mut server, at(0));
    server.carry_out(&writes[0]).unwrap();
    world.unanswered(target("web"), at(5_000));
    let reads = due(&mut world, &mut server, at(6_000));
    assert!(matches!(reads[0].content, Content::Read));
    let answer = server.carry_out(&reads[0]).unwrap();
    world.written(target("web"), answer, at(6_001));
    assert_eq!(
        due(&mut world, &mut server, at(6_001)).len(),
        0,
        "it was carried out"
    );
    assert_eq!(server.shows("web"), ["10.0.10.0"]);
}

/// The write that gives `first` the only address is not answered, and `first` loses it again before it is known.
fn unanswered_and_then_given_to_another() -> (Server, World, Write) {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/32"));
    server.put(&web("a-first", &json!({"lightship.dev/pool": "p"})));
    let mut world = leader(&server, at(0));
    let late = due(&mut world, &mut server, at(0)).remove(0);
    world.unanswered(target("a-first"), at(5_000));
    // The pool's selector turns away from the first and towards the second: the first service itself is not touched.
    let mut turned = pool("p", "10.0.10.0/32");
    let only = json!({"matchLabels": {"io.kubernetes.service.name": "b-second"}});
    turned.spec.service_selector = serde_json::from_value(only).unwrap();
    server.put_pool(&turned);
    world.observe(
        Change::Pool(Seen::Applied(Box::new(server.pools().remove(0)))),
        at(5_001),
    );
    server.put(&plain("b-second"));
    see(&mut world, &server, "b-second", at(5_002));
    let address = "10.0.10.0".parse().unwrap();
    assert_eq!(
        world.ipam.holders(address).cloned().collect::<Vec<_>>(),
        [ServiceId::new("default", "b-second")]
    );
    (server, world, late)
}

#[test]
fn an_address_of_a_write_that_may_arrive_yet_is_shown_by_nobody_else() {
    let (mut server, mut world, late) = unanswered_and_then_given_to_another();
    // A read finds nothing, and the write arrives only after it, as late as the API server may be.
    let writes = due(&mut world, &mut server, at(6_000));
    for write in writes {
        assert!(
            matches!(write.content, Content::Read),
            "nothing is written yet: {write:?}"
        );
        let answer = server.carry_out(&write).unwrap();
        world.written(write.target, answer, at(6_001));
    }
    let mut writes = due(&mut world, &mut server, at(6_001));
    writes.retain(|write| write.target == target("b-second"));
    assert_eq!(writes.len(), 0, "the second waits");
    server.carry_out(&late).unwrap();
    assert_eq!(server.shows("a-first"), ["10.0.10.0"]);
    world.refused(target("a-first"), at(6_002));
    see(&mut world, &server, "a-first", at(6_003));
    settle(&mut world, &mut server, at(6_003));
    assert_eq!(server.shows("a-first"), [] as [&str; 0]);
    assert_eq!(server.shows("b-second"), ["10.0.10.0"]);
    assert_eq!(server.doubled, [] as [&str; 0]);
}

#[test]
fn a_write_that_never_arrives_frees_its_address_by_the_next_write_to_the_service() {
    let (mut server, mut world, late) = unanswered_and_then_given_to_another();
    // The first is told that no pool serves it; that write makes the late one impossible.
    settle(&mut world, &mut server, at(6_000));
    assert_eq!(server.told("a-first"), "no_pool");
    assert_eq!(server.shows("b-second"), ["10.0.10.0"]);
    assert!(server.carry_out(&late).is_err());
    assert_eq!(server.doubled, [] as [&str; 0]);
}

#[test]
fn a_write_is_late_for_as_long_as_the_api_server_was_away_and_its_limit() {
    let (mut server, mut world, late) = unanswered_and_then_given_to_another();
    // Nothing is answered for minutes, and then a read is: only now does the API server have the write, too.
    let back = at(300_000);
    world.advance(back);
    let reads = due(&mut world, &mut server, back);
    let read = reads.iter().find(|write| write.target == target("a-first"));
    assert!(matches!(read.unwrap().content, Content::Read));
    for write in reads {
        let answer = server.carry_out(&write).unwrap();
        world.written(write.target, answer, back);
    }
    // What the first is told is refused for some other reason, so that nothing ends the late write before its time.
    let shown = |world: &mut World, server: &mut Server, now| {
        for write in due(world, server, now) {
            if write.target == target("b-second") || matches!(write.content, Content::Read) {
                let answer = server.carry_out(&write).unwrap();
                world.written(write.target, answer, now);
            } else {
                world.refused(write.target, now);
            }
        }
        server.shows("b-second")
    };
    assert_eq!(shown(&mut world, &mut server, at(304_900)), [] as [&str; 0]);
    world.advance(at(305_000));
    shown(&mut world, &mut server, at(305_000));
    assert_eq!(shown(&mut world, &mut server, at(305_001)), ["10.0.10.0"]);
    drop(late);
}

#[test]
fn a_dead_leaders_last_write_arrives_before_its_address_is_given_to_another() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("a-first"));
    let mut dead = leader(&server, at(0));
    let late = due(&mut dead, &mut server, at(0)).remove(0);
    // The next one knows nothing of it, and finds an older service that asks for the very address.
    let mut older = web("b-second", &json!({"lbipam.cilium.io/ips": "10.0.10.0"}));
    older.metadata.creation_timestamp = None;
    server.put(&older);
    let mut next = leader(&server, at(0));
    next.hold_back(at(5_000));
    assert_eq!(
        due(&mut next, &mut server, at(0)).len(),
        0,
        "nothing is given yet"
    );
    server.carry_out(&late).unwrap();
    see(&mut next, &server, "a-first", at(1));
    settle(&mut next, &mut server, at(4_999));
    assert_eq!(server.shows("b-second"), [] as [&str; 0]);
    next.advance(at(5_000));
    settle(&mut next, &mut server, at(5_000));
    assert_eq!(server.shows("a-first"), ["10.0.10.1"]);
    assert_eq!(server.shows("b-second"), ["10.0.10.0"]);
    assert_eq!(server.doubled, [] as [&str; 0]);
    assert_eq!(
        next.next_deadline(at(5_000)),
        None,
        "nothing is waited for any more"
    );
}

#[test]
fn only_a_leader_that_knows_what_its_writes_did_hands_over() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("web"));
    let mut world = leader(&server, at(0));
    let writes = due(&mut world, &mut server, at(0));
    assert!(!world.leaves_writes_behind());
    world.unanswered(target("web"), at(5_000));
    assert!(world.leaves_writes_behind());
    server.carry_out(&writes[0]).unwrap();
    see(&mut world, &server, "web", at(5_001));
    assert!(!world.leaves_writes_behind());
}

#[test]
fn what_a_watch_shows_later_than_the_answer_and_older_changes_nothing() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    server.put(&plain("web"));
    let before = server.service("web").unwrap();
    let mut world = leader(&server, at(0));
    settle(&mut world, &mut server, at(0));
    let late = Change::Service(Seen::Applied(Box::new(before)));
    world.observe(late, at(1));
    assert_eq!(due(&mut world, &mut server, at(1)).len(), 0);
    assert_eq!(server.shows("web"), ["10.0.10.0"]);
}

#[test]
fn a_pool_counts_what_was_given_within_a_second() {
    let used = |server: &Server| server.pool_condition("p", lightship_crd::condition::pool::IPS_USED);
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    let mut world = leader(&server, at(0));
    // Nothing is left to look at but what is given from now on.
    for millisecond in [0, 1_000, 2_000] {
        settle(&mut world, &mut server, at(millisecond));
    }
    for (name, seen, by, count) in [("web", 3_000, 4_000, "1"), ("dns", 4_001, 5_000, "2")] {
        server.put(&plain(name));
        see(&mut world, &server, name, at(seen));
        settle(&mut world, &mut server, at(seen));
        settle(&mut world, &mut server, at(by));
        assert_eq!(used(&server), format!("Unknown noreason {count}"));
    }
}

#[test]
fn the_address_of_a_refused_write_is_free_for_another() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/32"));
    server.put(&plain("a"));
    let mut world = leader(&server, at(0));
    assert_eq!(due(&mut world, &mut server, at(0)).len(), 1);
    let mut turned = pool("p", "10.0.10.0/32");
    let only = json!({"matchLabels": {"io.kubernetes.service.name": "b"}});
    turned.spec.service_selector = serde_json::from_value(only).unwrap();
    server.put_pool(&turned);
    let turned = Box::new(server.pools().remove(0));
    world.observe(Change::Pool(Seen::Applied(turned)), at(1));
    server.put(&plain("b"));
    see(&mut world, &server, "b", at(2));
    let early = due(&mut world, &mut server, at(3));
    assert!(
        early.iter().all(|write| write.target != target("b")),
        "the write to a may be carried out yet"
    );
    world.refused(target("a"), at(4));
    let shows = due(&mut world, &mut server, at(5));
    let shows = shows.iter().find(|write| write.target == target("b"));
    server.carry_out(shows.unwrap()).unwrap();
    assert_eq!(server.shows("b"), ["10.0.10.0"]);
}

#[test]
fn a_deleted_services_address_is_free_whatever_became_of_its_write() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/32"));
    server.put(&plain("a"));
    let mut world = leader(&server, at(0));
    let late = due(&mut world, &mut server, at(0)).remove(0);
    world.unanswered(target("a"), at(5_000));
    let gone = server.delete("a");
    world.observe(Change::Service(Seen::Deleted(Box::new(gone))), at(5_001));
    server.put(&plain("b"));
    see(&mut world, &server, "b", at(5_002));
    settle(&mut world, &mut server, at(5_003));
    assert_eq!(server.shows("b"), ["10.0.10.0"]);
    server.put(&plain("a"));
    assert!(
        server.carry_out(&late).is_err(),
        "one of the same name is another object"
    );
    assert_eq!(server.doubled, [] as [&str; 0]);
}

#[test]
fn an_address_that_moves_on_is_never_shown_by_both() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/32"));
    for name in ["a", "b"] {
        server.put(&plain(name));
    }
    let mut world = leader(&server, at(0));
    settle(&mut world, &mut server, at(0));
    assert_eq!(
        (server.shows("a"), server.told("b")),
        (vec!["10.0.10.0".to_owned()], "out_of_ips".into())
    );
    // The first asks for an address it cannot have under a class that is not ours: it gives back what it has.
    let mut elsewhere = plain("a");
    elsewhere.spec.as_mut().unwrap().load_balancer_class = Some("example.com/other".to_owned());
    server.put(&elsewhere);
    see(&mut world, &server, "a", at(1));
    let mut writes = due(&mut world, &mut server, at(1));
    assert_eq!(
        writes
            .iter()
            .map(|write| write.target.clone())
            .collect::<Vec<_>>(),
        [target("a")]
    );
    let answer = server.carry_out(&writes.remove(0)).unwrap();
    world.written(target("a"), answer, at(2));
    settle(&mut world, &mut server, at(2));
    assert_eq!(
        (server.shows("a"), server.shows("b")),
        (vec![], vec!["10.0.10.0".to_owned()])
    );
    let gone = server.delete("b");
    server.put(&plain("c"));
    see(&mut world, &server, "c", at(3));
    world.observe(Change::Service(Seen::Deleted(Box::new(gone))), at(4));
    settle(&mut world, &mut server, at(4));
    assert_eq!(server.shows("c"), ["10.0.10.0"]);
    assert_eq!(server.doubled, [] as [&str; 0]);
}

#[test]
fn services_that_share_show_one_address_and_both_are_listed() {
    let mut server = Server::default();
    server.put_pool(&pool("p", "10.0.10.0/24"));
    let shared = |name: &str, protocol: &str| {
        let mut service = web(name, &json!({"io.cilium/lb-ipam-sharing-key": "dns"}));
        let ports = service.spec.as_mut().unwrap().ports.as_mut().unwrap();
        ports[0].port = 53;
        ports[0].protocol = Some(protocol.to_owned());
        service
    };
    server.put(&shared("dns-tcp", "TCP"));
    server.put(&shared("dns-udp", "UDP"));
    let mut world = leader(&server, at(0));
    settle(&mut world, &mut server, at(0));
    settle(&mut world, &mut server, at(2_000));
    assert_eq!(server.shows("dns-tcp"), ["10.0.10.0"]);
    assert_eq!(server.shows("dns-udp"), ["10.0.10.0"]);
    let status = server.pools().remove(0).status.unwrap();
    assert_eq!(
        status.allocations[0].services,
        ["default/dns-tcp", "default/dns-udp"]
    );
}
