//! Writers that meet: replicas that hand over, others who write the same objects, an API server that goes away or stands
//! still in the midst of it. No address is ever shown by two services, and none changes.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    Lab, eventually,
    lab::unit::{Action, Unit},
    objects::{PATIENCE, addresses_only, has, pool, service},
    process::{self, Process},
};

/// A leader that is gone is replaced within seconds.
const TIMINGS: &[&str] = &[
    "--l2-announcements-lease-duration=6s",
    "--l2-announcements-renew-deadline=2s",
    "--l2-announcements-retry-period=500ms",
];

/// So many services that allocating them takes longer than doing something to those who allocate.
const MANY: usize = 120;

/// Everything that the services of a lab show while it watches.
struct Witness {
    kubectl: Process,
    log: PathBuf,
}

impl Witness {
    fn call(lab: &Lab) -> Result<Self> {
        let columns = r#"jsonpath={.metadata.name}{" "}{.status.loadBalancer.ingress[*].ip}{"\n"}"#;
        let tool = lab.kubectl_tool(&["get", "services", "--watch", "-o", columns])?;
        let config = lab.folder().kubeconfig().to_string_lossy().into_owned();
        let env = [("KUBECONFIG".to_owned(), config)].into();
        let log = lab.folder().log("witness");
        let kubectl = process::spawn(tool.argv(), &env, &log, lab.folder().path())?;
        Ok(Self { kubectl, log })
    }

    /// Goes through what was seen: what each service showed last, and every address that two showed at once or that
    /// one service exchanged for another.
    fn account(&self) -> Result<(BTreeMap<String, String>, Vec<String>)> {
        let seen = fs::read_to_string(&self.log).context("failed to read what the witness saw")?;
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        let mut wrong = Vec::new();
        for line in seen.lines() {
            let (name, address) = line.split_once(' ').unwrap_or((line, ""));
            let before = shown.insert(name.to_owned(), address.to_owned());
            if before.is_some_and(|before| !before.is_empty() && before != address) {
                wrong.push(format!("{name} changed to {address}"));
            }
            let others = shown
                .iter()
                .filter(|(_, other)| !address.is_empty() && *other == address);
            if others.count() > 1 {
                wrong.push(format!("{name} shows {address} beside another"));
            }
        }
        Ok((shown, wrong))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // It may have ended by itself, and goes with the lab in any case.
        drop(self.kubectl.kill());
    }
}

fn many() -> String {
    (0..MANY)
        .map(|number| service(&format!("web-{number}"), "", ""))
        .collect()
}

fn given(lab: &Lab) -> Result<BTreeMap<String, String>> {
    let services = lab.get(&["services"])?;
    let items = services["items"]
        .as_array()
        .context("there is no list of services")?;
    let ours = items.iter().filter_map(|item| {
        let name = item["metadata"]["name"]
            .as_str()
            .filter(|name| name.starts_with("web-"))?;
        let address = item["status"]["loadBalancer"]["ingress"][0]["ip"].as_str()?;
        Some((name.to_owned(), address.to_owned()))
    });
    Ok(ours.collect())
}

/// Waits until every service has an address, and checks that each has its own.
fn all_are_served(lab: &Lab) -> Result<BTreeMap<String, String>> {
    let given = eventually("every service to have an address", PATIENCE * 2, || {
        let given = given(lab)?;
        ensure!(given.len() == MANY, "{} of {MANY} have one", given.len());
        Ok(given)
    })?;
    let mut addresses: Vec<_> = given.values().collect();
    addresses.sort();
    addresses.dedup();
    ensure!(
        addresses.len() == MANY,
        "only {} addresses for {MANY} services",
        addresses.len()
    );
    Ok(given)
}

fn some_are_served(lab: &Lab) -> Result<usize> {
    eventually("the first services to have addresses", PATIENCE, || {
        let given = given(lab)?.len();
        ensure!(given > 0, "none has one");
        Ok(given)
    })
}

#[test]
fn replicas_that_hand_over_and_others_that_write_meanwhile_lose_and_double_nothing() {
    let lab = addresses_only("handover", TIMINGS).unwrap();
    lab.operator(Action::Start, 2).unwrap();
    lab.apply(&pool("p", "blocks: [{cidr: 10.0.10.0/24}]")).unwrap();
    let witness = Witness::call(&lab).unwrap();
    std::thread::scope(|scope| {
        let applying = scope.spawn(|| lab.apply(&many()));
        some_are_served(&lab).unwrap();
        for round in 0..3 {
            for (stopped, label) in [(1, "odd"), (2, "even")] {
                lab.operator(Action::Stop, stopped).unwrap();
                // Somebody who writes every service makes writes that were decided before fail.
                let label = format!("lab/{label}={round}");
                lab.kubectl(&["annotate", "--overwrite", "services", "--all", &label])
                    .unwrap();
                lab.operator(Action::Start, stopped).unwrap();
            }
        }
        applying.join().unwrap().unwrap();
    });
    let given = all_are_served(&lab).unwrap();
    let (shown, wrong) = eventually("the witness to have seen it all", PATIENCE, || {
        let (shown, wrong) = witness.account()?;
        ensure!(
            given.keys().all(|name| shown.get(name) == given.get(name)),
            "it saw less"
        );
        Ok((shown, wrong))
    })
    .unwrap();
    assert_eq!(wrong, [] as [&str; 0]);
    assert!(shown.len() > MANY, "kubernetes' own service is seen, too");
    lab.down().unwrap();
}

#[test]
fn a_leader_that_dies_while_the_api_server_stands_still_leaves_nothing_doubled() {
    let lab = addresses_only("standstill", TIMINGS).unwrap();
    lab.operator(Action::Start, 2).unwrap();
    lab.apply(&pool("p", "blocks: [{cidr: 10.0.10.0/24}]")).unwrap();
    let witness = Witness::call(&lab).unwrap();
    std::thread::scope(|scope| {
        let applying = scope.spawn(|| lab.apply(&many()));
        some_are_served(&lab).unwrap();
        lab.api(Action::Freeze).unwrap();
        // What it has sent by now is in the API server's hands, and nobody knows of it any more.
        lab.operator(Action::Kill, 1).unwrap();
        lab.api(Action::Thaw).unwrap();
        // kubectl may have lost its patience.
        drop(applying.join().unwrap());
    });
    lab.apply(&many()).unwrap();
    let given = all_are_served(&lab).unwrap();
    let wrong = eventually("the witness to have seen it all", PATIENCE, || {
        let (shown, wrong) = witness.account()?;
        ensure!(
            given.keys().all(|name| shown.get(name) == given.get(name)),
            "it saw less"
        );
        Ok(wrong)
    })
    .unwrap();
    assert_eq!(wrong, [] as [&str; 0]);
    lab.down().unwrap();
}

#[test]
fn watches_that_break_with_the_api_server_are_taken_up_where_it_is_back() {
    let lab = addresses_only("broken-watch", TIMINGS).unwrap();
    lab.apply(&pool("p", "blocks: [{cidr: 10.0.10.0/24}]")).unwrap();
    let before = std::thread::scope(|scope| {
        let applying = scope.spawn(|| lab.apply(&many()));
        some_are_served(&lab).unwrap();
        let before = given(&lab).unwrap();
        lab.api(Action::Kill).unwrap();
        drop(applying.join().unwrap());
        before
    });
    lab.api(Action::Start).unwrap();
    eventually("the API server to be back", PATIENCE, || {
        lab.kubectl(&["get", "--raw", "/readyz"])
    })
    .unwrap();
    // The rest is created while the operator may still be finding its way back, and one goes that it may not see go.
    let (gone, _) = before.first_key_value().unwrap();
    lab.kubectl(&["delete", "service", gone]).unwrap();
    lab.apply(&many()).unwrap();
    let after = all_are_served(&lab).unwrap();
    for (name, address) in before.iter().filter(|(name, _)| *name != gone) {
        assert_eq!(after.get(name), Some(address), "{name} had it before");
    }
    lab.down().unwrap();
}

#[test]
fn a_write_ends_at_the_api_server_by_its_own_limit() {
    let lab = addresses_only("limit", &[]).unwrap();
    lab.apply(&(pool("p", "blocks: [{cidr: 10.0.10.0/24}]") + &service("web", "", "")))
        .unwrap();
    has(&lab, "web", &["10.0.10.0"]).unwrap();
    // The address is taken back when the pool's grace is over, which is when nothing can be stored.
    lab.kubectl(&["delete", "ippools", "p"]).unwrap();
    let mut store = Unit::find(lab.folder(), "etcd").unwrap();
    store.act(lab.folder(), Action::Freeze).unwrap();
    eventually(
        "the API server to give the write up",
        Duration::from_secs(30),
        || {
            let said = lab.logs("operator-1")?;
            ensure!(said.contains("request did not complete within"), "it did not yet");
            Ok(())
        },
    )
    .unwrap();
    assert!(
        !lab.logs("operator-1")
            .unwrap()
            .contains("write a decision in time"),
        "it waited longer than that"
    );
    store.act(lab.folder(), Action::Thaw).unwrap();
    has(&lab, "web", &[]).unwrap();
    lab.apply(&pool("p", "blocks: [{cidr: 10.0.10.0/24}]")).unwrap();
    has(&lab, "web", &["10.0.10.0"]).unwrap();
    lab.down().unwrap();
}
