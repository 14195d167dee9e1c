//! A lab with services that nodes answer for, and clients who watch what becomes of them when something breaks.

pub mod objects;
pub mod watching;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    ops::Deref,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lightship_abi::{mac::MacAddress, signal::Signal};
use serde_json::Value;

use crate::{
    Options,
    client::{connections::Connections, frames, packets::Packets, prober::Prober},
    eventually,
    lab::{
        host::{CONTROL_PLANE, FABRIC, Host},
        network::LAN,
        testing::TestLab,
    },
    process::{self, Process},
};

use self::watching::Watching;

/// Long against everything that must happen, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The unit's name under which the history of leases is logged.
const LEASES: &str = "leases";

/// What there is to be watched.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Workers.
    pub workers: u32,
    /// Services, each with an address of each family wanted.
    pub services: u32,
    /// Whether they have IPv6 addresses too.
    pub dual: bool,
}

impl Default for Plan {
    /// One service of both families on three workers.
    fn default() -> Self {
        Self {
            workers: 3,
            services: 1,
            dual: true,
        }
    }
}

/// A service's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Who holds it.
    pub holder: String,
    /// How many stand by.
    pub standbys: usize,
    /// What it holds.
    pub addresses: Vec<IpAddr>,
}

/// A lab whose services are answered for.
#[derive(Debug)]
pub struct Scene {
    lab: TestLab,
    plan: Plan,
    addresses: Vec<IpAddr>,
    leases: Process,
}

impl Deref for Scene {
    type Target = TestLab;

    fn deref(&self) -> &TestLab {
        &self.lab
    }
}

impl Scene {
    /// Makes the lab for the test called `test`, the services, and waits until every address is answered.
    pub fn up(test: &str, plan: Plan) -> Result<Self> {
        Self::with(test, plan, &Options::default())
    }

    /// The same, with flags.
    pub fn with(test: &str, plan: Plan, options: &Options) -> Result<Self> {
        let options = Options {
            nodes: plan.workers,
            ..options.clone()
        };
        let lab = TestLab::up(test, &options)?;
        let leases = watch_leases(&lab)?;
        let mut scene = Self {
            lab,
            plan,
            addresses: Vec::new(),
            leases,
        };
        scene.lab.start_backend(CONTROL_PLANE, "scene", &[8080])?;
        scene.lab.apply(objects::POOL)?;
        scene.lab.apply(&objects::services(plan))?;
        scene.lab.apply(objects::POLICY)?;
        scene.addresses = eventually("every service to have its addresses", PATIENCE, || {
            scene.assigned()
        })?;
        scene.all_answered()?;
        Ok(scene)
    }

    /// So many services on three workers, for one of which all of them are to be gathered.
    pub fn mass(test: &str, services: u32) -> Result<Self> {
        // Left alone, the operator would even the load out while the one node is still being loaded.
        let options = Options {
            operator_flags: vec!["--rebalance=false".into()],
            ..Options::default()
        };
        let plan = Plan {
            workers: 3,
            services,
            dual: false,
        };
        Self::with(test, plan, &options)
    }

    /// Every address, in the order of the services.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    fn assigned(&self) -> Result<Vec<IpAddr>> {
        let services = self.lab.get(&["services", "-l", "scene=yes"])?;
        let items = services["items"].as_array().cloned().unwrap_or_default();
        let each = if self.plan.dual { 2 } else { 1 };
        let mut all = Vec::new();
        for item in &items {
            let ingress = item["status"]["loadBalancer"]["ingress"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            ensure!(
                ingress.len() == each,
                "{} has {}",
                item["metadata"]["name"],
                ingress.len()
            );
            for entry in ingress {
                all.push(
                    entry["ip"]
                        .as_str()
                        .context("an entry without address")?
                        .parse()?,
                );
            }
        }
        ensure!(
            all.len() == self.plan.services as usize * each,
            "there are {}",
            all.len()
        );
        Ok(all)
    }

    /// Waits until every address is answered.
    pub fn all_answered(&self) -> Result<()> {
        let prober = Prober::start(&self.lab, &self.addresses)?;
        eventually("an answer for every address", PATIENCE, || {
            let since = prober.now().saturating_sub(Duration::from_secs(1));
            let silent = prober.look(|recording| {
                let all = recording.records.iter();
                let silent = all.filter(|(_, record)| {
                    record
                        .between(since, Duration::MAX)
                        .all(|question| question.answers.is_empty())
                });
                silent.map(|(address, _)| *address).collect::<Vec<_>>()
            });
            ensure!(
                silent.is_empty(),
                "{} are silent, {:?} first",
                silent.len(),
                silent.first()
            );
            Ok(())
        })?;
        prober.finish().map(drop)
    }

    /// The node that the lease of a service names.
    pub fn holder(&self, number: u32) -> Result<String> {
        let lease = format!("cilium-l2announce-default-{}", objects::name(number));
        let lease = self.lab.get(&["lease", "-n", "kube-system", &lease])?;
        let holder = lease["spec"]["holderIdentity"].as_str();
        holder.map(str::to_owned).context("the lease names no holder")
    }

    /// A worker that is not among these.
    pub fn another(&self, not: &[&str]) -> Result<String> {
        let workers = Host::nodes(self.plan.workers);
        let found = workers
            .iter()
            .find(|node| node.name() != CONTROL_PLANE && !not.contains(&node.name()));
        found
            .map(|node| node.name().to_owned())
            .context("there is no other worker")
    }

    /// Waits until so many nodes probe the holder on the LAN: only who has heard a holder may replace it at once.
    pub fn armed(&self, holder: &str, standbys: usize) -> Result<Vec<MacAddress>> {
        let tap = Packets::open(&self.lab, &self.lab.host(holder)?, LAN, frames::EVERYTHING)?;
        let mut seen: BTreeSet<MacAddress> = BTreeSet::new();
        let mut heard = 0;
        eventually(&format!("{standbys} nodes probing {holder}"), PATIENCE, || {
            let mut buffer = [0; 256];
            while let Some(frame) = tap.next(&mut buffer)? {
                let signal = frame
                    .get(42..58)
                    .and_then(|bytes| Signal::from_bytes(bytes.try_into().ok()?));
                if let (Some(Signal::Probe(_)), Some(from)) = (signal, frame.get(6..12)) {
                    seen.insert(MacAddress(from.try_into()?));
                    heard += 1;
                }
            }
            // A few of each, for one that was heard once may not have been answered.
            ensure!(
                seen.len() >= standbys && heard >= 10 * standbys,
                "{heard} probes by {}",
                seen.len()
            );
            Ok(seen.iter().copied().collect())
        })
    }

    /// The nodes that stand by for the holder of the first service are armed: the state in which faults are tried.
    pub fn ready(&self) -> Result<String> {
        let holder = self.holder(0)?;
        self.armed(
            &holder,
            usize::try_from(self.plan.workers)?.saturating_sub(1).min(2),
        )?;
        Ok(holder)
    }

    /// Brings every address to `holder` by draining the others for as long as it takes.
    pub fn gather(&self, holder: &str) -> Result<()> {
        let workers = (1..=self.plan.workers).map(|number| format!("node-{number}"));
        let others: Vec<String> = workers.filter(|node| node != holder).collect();
        for node in &others {
            self.lab.drain(node)?;
        }
        self.every_binding("to name the same node", |binding| binding.holder == holder)?;
        for node in &others {
            self.lab.undrain(node)?;
        }
        let standbys = others.len().min(2);
        self.every_binding("to name its standbys", |binding| {
            binding.holder == holder && binding.standbys == standbys
        })?;
        self.armed(holder, standbys)?;
        self.all_answered()
    }

    /// Who holds what, by the leases, in the order of the services.
    pub fn bindings(&self) -> Result<Vec<Bound>> {
        let selector = format!("{}=service", lightship_crd::label::LEASE);
        let leases = self.lab.get(&["leases", "-n", "kube-system", "-l", &selector])?;
        let leases = leases["items"].as_array().cloned().unwrap_or_default();
        let each = if self.plan.dual { 2 } else { 1 };
        let own = leases.iter().filter_map(|lease| {
            let order = lease["metadata"]["annotations"][lightship_crd::annotation::WORK_ORDER].as_str();
            let order: Value = serde_json::from_str(order.unwrap_or_default()).unwrap_or_default();
            let name = lease["metadata"]["name"].as_str().unwrap_or_default();
            let number: usize = name.rsplit_once('-')?.1.parse().ok()?;
            Some(Bound {
                holder: lease["spec"]["holderIdentity"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                standbys: order["standbys"].as_array().map_or(0, Vec::len),
                addresses: self.addresses.chunks(each).nth(number)?.to_vec(),
            })
        });
        Ok(own.collect())
    }

    /// Waits until every service's lease is as wanted.
    pub fn every_binding(&self, what: &str, wanted: impl Fn(&Bound) -> bool) -> Result<()> {
        eventually(&format!("every lease {what}"), PATIENCE, || {
            let fit = self.bindings()?.iter().filter(|binding| wanted(binding)).count();
            ensure!(
                fit == self.plan.services as usize,
                "{fit} of {} do",
                self.plan.services
            );
            Ok(())
        })
    }

    /// Both clients begin to watch: every address is probed, and a page is fetched through the first one.
    pub fn watch(&self) -> Result<Watching<'_>> {
        let first = self.addresses.iter().find(|address| address.is_ipv4());
        let first = *first.context("there is no IPv4 address to fetch a page from")?;
        let connections = Connections::start(&self.lab, SocketAddr::new(first, 80))?;
        Watching::start(self, Prober::start(&self.lab, &self.addresses)?, connections)
    }

    /// The leases as they changed, newest last.
    #[must_use]
    pub fn lease_history(&self) -> String {
        process::tail(&self.lab.folder().log(LEASES), 60)
    }

    /// Takes it down, and fails if anything of it is left.
    pub fn down(self) -> Result<()> {
        self.leases.kill()?;
        self.lab.down()
    }
}

/// Logs every change of a service's lease with its time. The shell stamps them itself: a process for each would take the
/// processor from what is watched.
fn watch_leases(lab: &TestLab) -> Result<Process> {
    let columns = "custom-columns=N:.metadata.name,H:.spec.holderIdentity,T:.spec.leaseTransitions,D:.metadata.deletionTimestamp";
    let selector = format!("{}=service", lightship_crd::label::LEASE);
    let kubectl = lab.kubectl_tool(&[
        "get",
        "leases",
        "-n",
        "kube-system",
        "-l",
        &selector,
        "-w",
        "--no-headers",
        "-o",
        columns,
    ])?;
    let script = "config=$1; shift; export KUBECONFIG=$config; while true; do \"$@\" | \
                  while read -r line; do printf '%(%T)T.%s %s\\n' -1 \"${EPOCHREALTIME: -6:3}\" \"$line\"; done; \
                  sleep 1; done";
    let config = lab.folder().kubeconfig().to_string_lossy().into_owned();
    let argv: Vec<String> = ["bash", "-c", script, "bash", &config]
        .map(str::to_owned)
        .into_iter()
        .chain(kubectl.argv().iter().cloned())
        .collect();
    let argv = lab.host(FABRIC)?.enter(lab.folder(), &argv)?;
    process::spawn(
        &argv,
        &std::collections::BTreeMap::new(),
        &lab.folder().log(LEASES),
        lab.folder().path(),
    )
}
