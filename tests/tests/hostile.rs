//! A segment with somebody on it who sends bad frames of every kind: the nodes, their agents and their other traffic stay as they are.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{
    client::{
        frames,
        hostile::{self, Random},
        packets::{Packets, inside, join},
    },
    lab::{
        host::{Host, JUMPBOX},
        network::LAN,
        unit::Unit,
    },
    scene::{PATIENCE, Plan, Scene},
};

const FLOOD: Duration = Duration::from_secs(10);
/// Bad frames in a millisecond.
const EACH: usize = 20;
/// What an agent may need more than before: room that an allocator keeps.
const MORE_MEMORY_KIB: u64 = 16 * 1024;
const TRANSFER: usize = 64 << 20;

#[test]
fn bad_frames_of_every_kind_leave_nodes_and_their_other_traffic_alone() -> Result<()> {
    let scene = Scene::up(
        "hostile",
        Plan {
            workers: 2,
            ..Plan::default()
        },
    )?;
    let holder = scene.ready()?;
    let agents = ["node-1", "node-2"];
    let before = agents.map(|node| Agent::of(&scene, node));
    let seed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let watching = scene.watch()?;
    let start = watching.mark(format!("bad frames begin, of seed {seed}"));
    let flood = flood(&scene, &holder, seed)?;
    let transfer = transfer(&scene, &holder)?;
    join(transfer)?;
    let sent = join(flood)?;
    watching.mark("they end");
    watching.for_a_while(Duration::from_secs(2));
    let watched = watching.finish()?;
    ensure!(sent > 10_000, "{sent} bad frames are few");
    watched.moves(0, start)?;
    watched.nobody_stale(start)?;
    watched.silent_less_than(Duration::from_secs(1), start)?;
    watched.pages(Duration::from_secs(1))?;
    for (node, before) in agents.into_iter().zip(before) {
        let (before, after) = (before?, Agent::of(&scene, node)?);
        ensure!(
            before.process == after.process,
            "the agent of {node} is another one after seed {seed}"
        );
        ensure!(
            after.resident_kib < before.resident_kib + MORE_MEMORY_KIB,
            "the agent of {node} grew from {} KiB to {} by {sent} bad frames of seed {seed}",
            before.resident_kib,
            after.resident_kib
        );
    }
    scene.all_answered()?;
    scene.down()
}

/// A node's agent.
struct Agent {
    process: u32,
    resident_kib: u64,
}

impl Agent {
    fn of(scene: &Scene, node: &str) -> Result<Self> {
        let unit = Unit::find(scene.folder(), &format!("agent-{node}"))?;
        let process = unit
            .process()
            .with_context(|| unit.last_words(scene.folder()))?
            .pid;
        let status = fs::read_to_string(format!("/proc/{process}/status"))
            .context("failed to read a process's status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident_kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let resident_kib = resident_kib.context("failed to find the resident memory")?;
        Ok(Self {
            process,
            resident_kib,
        })
    }
}

type Running<T> = thread::JoinHandle<Result<T>>;

/// Sends bad frames from the client's place; how many, in the end.
fn flood(scene: &Scene, holder: &str, seed: u64) -> Result<Running<u64>> {
    let station = scene.host(holder)?.lan_card();
    let addresses = scene.addresses().to_vec();
    let packets = Packets::open(scene, &scene.host(JUMPBOX)?, LAN, frames::ARP)?;
    Ok(thread::spawn(move || {
        let (mut random, mut sent, start) = (Random::of(seed), 0, Instant::now());
        while start.elapsed() < FLOOD {
            for _ in 0..EACH {
                packets.send(&hostile::frame(&mut random, &addresses, station))?;
                sent += 1;
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(sent)
    }))
}

/// Bytes from the client to the node's own address, by TCP. The node says how many came; nobody waits for ever.
fn transfer(scene: &Scene, holder: &str) -> Result<Running<()>> {
    let node = scene.host(holder)?;
    let address: Ipv4Addr = node.lan_address().parse()?;
    let (ready, listens) = std::sync::mpsc::channel();
    let sink = inside(scene, &node, move || {
        let listener = TcpListener::bind("0.0.0.0:0").context("failed to listen")?;
        ready
            .send(listener.local_addr()?.port())
            .context("failed to tell the port")?;
        let (mut stream, _) = listener.accept().context("failed to accept")?;
        let (mut came, mut buffer) = (0, vec![0; 1 << 16]);
        loop {
            match stream.read(&mut buffer).context("failed to read")? {
                0 => break,
                length => came += length,
            }
        }
        stream.write_all(&came.to_be_bytes()).context("failed to answer")
    })?;
    let at = SocketAddr::from((
        address,
        listens
            .recv_timeout(Duration::from_secs(5))
            .context("failed to listen on the node")?,
    ));
    inside(scene, &Host::jumpbox(), move || {
        let mut stream =
            TcpStream::connect_timeout(&at, PATIENCE).context("failed to connect to the node")?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let piece = vec![0x5a; 1 << 16];
        for _ in 0..TRANSFER / piece.len() {
            stream.write_all(&piece).context("failed to write")?;
        }
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut came = [0; 8];
        stream
            .read_exact(&mut came)
            .context("failed to hear how much came")?;
        join(sink)?;
        ensure!(
            usize::from_be_bytes(came) == TRANSFER,
            "{} bytes came",
            usize::from_be_bytes(came)
        );
        Ok(())
    })
}
