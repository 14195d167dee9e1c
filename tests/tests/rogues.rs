//! Hosts on the segment that say to have what a node holds, and a client that believes what is wrong: the operator is told, and
//! service is kept or regained.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lightship_abi::{mac::MacAddress, order::Order};
use lightship_tests::{
    Options,
    client::{self, arping::arping, capture::Capture, frames, hostile, packets::Packets},
    eventually,
    lab::{
        host::{CONTROL_PLANE, Host, JUMPBOX},
        network::LAN,
    },
    scene::{PATIENCE, Plan, Scene, objects},
};

/// Nobody's station.
const STRANGER: &str = "06:00:00:00:00:66";
const STRANGERS: MacAddress = MacAddress([6, 0, 0, 0, 0, 0x66]);

struct Segment {
    scene: Scene,
    holder: String,
    address: IpAddr,
}

impl Segment {
    fn up(test: &str, plan: Plan, options: &Options) -> Result<Self> {
        let scene = Scene::with(test, plan, options)?;
        let holder = scene.ready()?;
        let address = *scene.addresses().first().context("there is no address")?;
        let segment = Self {
            scene,
            holder,
            address,
        };
        segment.served()?;
        Ok(segment)
    }

    fn station(&self, node: &str) -> Result<String> {
        Ok(self.scene.host(node)?.lan_mac())
    }

    /// The jumpbox gets its page, from the holder that the lease names now.
    fn served(&self) -> Result<()> {
        let url = format!("http://{}/", self.address);
        eventually("the page from the holder", PATIENCE, || {
            let fetched = client::curl(&self.scene, &url)?;
            ensure!(
                fetched.succeeded(),
                "curl printed {}{}",
                fetched.stdout,
                fetched.stderr
            );
            let holder = self.station(&self.scene.holder(0)?)?;
            let known = client::neighbour(&self.scene, &self.address.to_string())?;
            ensure!(known.as_ref() == Some(&holder), "the client sends to {known:?}");
            Ok(())
        })
    }

    /// Waits for an event about the service that tells of this.
    fn told(&self, reason: &str, words: &str) -> Result<()> {
        eventually(&format!("an event {reason}: {words}"), PATIENCE, || {
            self.tells(reason, words)
        })
    }

    fn tells(&self, reason: &str, words: &str) -> Result<()> {
        let field = format!("involvedObject.name={},reason={reason}", objects::name(0));
        let events = self.scene.get(&["events", "--field-selector", &field])?;
        let told = events["items"].to_string();
        ensure!(told.contains(words), "there are {told}");
        Ok(())
    }

    /// Sends frames from the control-plane node's place on the segment.
    fn send(&self, frame: &[u8]) -> Result<()> {
        let from = Host::named(CONTROL_PLANE, 0)?;
        let packets = Packets::open(&self.scene, &from, LAN, frames::ARP)?;
        (0..3).try_for_each(|_| packets.send(frame))
    }
}

fn two_workers() -> Plan {
    Plan {
        workers: 2,
        dual: false,
        ..Plan::default()
    }
}

#[test]
fn strangers_and_confused_clients_cost_nobody_the_service() -> Result<()> {
    let options = Options {
        // Nothing is announced by the clock: what is announced again is so for a reason.
        agent_flags: vec!["--announce-interval=1h".to_owned()],
        ..Options::default()
    };
    let segment = Segment::up("rogues", two_workers(), &options)?;
    let holder = segment.station(&segment.holder)?;
    let address = segment.address.to_string();

    // A claim by nobody: told, and answered by announcing again.
    let capture = Capture::start(&segment.scene, "arp")?;
    segment.send(&hostile::spoofed(STRANGERS, segment.address, None))?;
    eventually("the holder announcing again", PATIENCE, || {
        let frames = capture.frames();
        let spoof = frames.iter().position(|frame| frame.from == STRANGER);
        let after = &frames[spoof.context("the claim has not come")?..];
        let again = after
            .iter()
            .any(|frame| frame.from == holder && frame.announces(&address));
        ensure!(again, "it has not");
        Ok(())
    })?;
    segment.told("AddressConflict", STRANGER)?;
    segment.served()?;

    // A client that writes nonsense into its own table.
    let poison = [
        "ip", "neigh", "replace", &address, "lladdr", STRANGER, "dev", LAN, "nud", "stale",
    ];
    segment.scene.exec(JUMPBOX, &poison)?;
    segment.served()?;

    rogue_host(&segment)?;
    ensure!(
        segment.scene.holder(0)? == segment.holder,
        "the address moved, for nothing"
    );
    segment.scene.down()
}

/// A host that has the address as its own, as by a careless lease: both answer until it lets go.
fn rogue_host(segment: &Segment) -> Result<()> {
    let (address, rogue) = (segment.address.to_string(), segment.station(CONTROL_PLANE)?);
    let own = format!("{address}/32");
    segment
        .scene
        .exec(CONTROL_PLANE, &["ip", "addr", "add", &own, "dev", LAN])?;
    let rogues = segment.scene.host(CONTROL_PLANE)?.lan_card();
    eventually("answers of both", PATIENCE, || {
        let answers = arping(&segment.scene, &address, 3)?;
        let both = [&rogue, &segment.station(&segment.holder)?];
        ensure!(both.iter().all(|mac| answers.macs.contains(mac)), "{answers:?}");
        Ok(())
    })?;
    // It says so again, for of one address the responder tells of one conflict in a second.
    let frame = hostile::spoofed(rogues, segment.address, None);
    eventually("the rogue to be told", PATIENCE, || {
        segment.send(&frame)?;
        segment.tells("AddressConflict", &rogue)
    })?;
    segment
        .scene
        .exec(CONTROL_PLANE, &["ip", "addr", "del", &own, "dev", LAN])?;
    segment.served()
}

/// Whoever forges a member's station and a later binding silences the holder, until it hears that nobody answers instead.
#[test]
fn a_claim_forged_in_a_members_name_is_outlived() -> Result<()> {
    let segment = Segment::up("forged", two_workers(), &Options::default())?;
    let member = segment.scene.another(&[&segment.holder])?;
    let member = segment.scene.host(&member)?.lan_card();
    let watching = segment.scene.watch()?;
    let start = watching.mark("a forged claim");
    let order = Order { epoch: 900, rank: 0 };
    segment.send(&hostile::spoofed(member, segment.address, Some(order)))?;
    segment.told("Fenced", "epoch 900")?;
    watching.for_a_while(Duration::from_secs(2));
    watching.mark("nobody forges any more");
    let watched = watching.finish()?;
    segment.scene.all_answered()?;
    segment.served()?;
    watched.nobody_stale(start)?;
    segment.scene.down()
}
