//! J4.4: everything that commonly goes wrong, broken on purpose, and repaired by what `lightship why` says alone.

mod cases;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{
    client::arping::arping,
    command::Outcome,
    eventually,
    lab::{Lab, host::CONTROL_PLANE, unit::Action},
    objects, snapshot,
};

pub use cases::cases;

/// The service of this journey.
pub const SERVICE: &str = "cdtrackerapi-service";
/// Its namespace.
pub const NAMESPACE: &str = "prod";
/// Where the agent runs that some of the cases stop.
pub const NODE: &str = "node-1";

/// Long against a heartbeat that expires and a leader's lease.
const SOON: Duration = Duration::from_mins(1);

/// How somebody who does as told mends it. Every command has to stand in what the tool says, word by word.
#[derive(Debug, Clone, Copy)]
pub enum Repair {
    /// Commands typed as they stand there.
    Typed(&'static [&'static str]),
    /// A command that opens an editor, and what is done there, as sed would.
    Edited(&'static str, &'static str),
    /// A command that writes a file, what is changed in the file, and the command that uses it.
    Rewritten([&'static str; 3]),
    /// A command for a node.
    OnNode(&'static str),
    /// The agent is started, as is advised.
    Agent,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The name of its snapshot.
    pub name: &'static str,
    /// The heading in `docs/troubleshoot.md`.
    pub title: &'static str,
    /// What a new user does; `sh` runs it on a machine with kubectl.
    pub broken: &'static str,
    /// Words of the cause that is told.
    pub cause: &'static str,
    /// What mends it.
    pub repair: Repair,
}

/// Brings the journey's service to where its address answers, whatever was there before.
pub fn whole(lab: &Lab) -> Result<()> {
    sh(
        lab,
        "kubectl -n prod delete service --all\nkubectl -n default delete service older --ignore-not-found\n\
         kubectl delete ippools --all\nkubectl delete l2announcement --all\nkubectl label nodes --all rack-\n\
         kubectl apply -f $SAMPLES/pool.yaml -f $SAMPLES/policy.yaml -f $SAMPLES/service.yaml\n\
         kubectl apply -f - <<'END'\n\
         {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: cdtrackerapi-service-lab, namespace: prod,\n\
         labels: {kubernetes.io/service-name: cdtrackerapi-service}}, addressType: IPv4, ports: [{port: 8080}],\n\
         endpoints: [{addresses: [10.0.1.100], nodeName: control-plane, conditions: {ready: true}}]}\nEND\n",
    )?;
    answered(lab)
}

/// Does what a new user does, sees that nobody answers and what is told about it, and does as told until the address answers.
pub fn play(lab: &Lab, case: &Case) -> Result<()> {
    sh(lab, case.broken)?;
    match case.name {
        "interface_down" => lab.exec(NODE, &["ip", "link", "set", "eth0", "down"]).map(drop)?,
        "agent_silent" => lab.agent(Action::Kill, NODE)?,
        "agent_never" => {
            lab.agent(Action::Kill, NODE)?;
            sh(
                lab,
                "kubectl -n kube-system delete lease lightship-agent-node-1\n",
            )?;
        }
        _ => {}
    }
    let told = eventually(&format!("why to tell of {}", case.title), SOON, || {
        let outcome = why(lab)?;
        let shown = outcome.stdout.clone() + &outcome.stderr;
        ensure!(outcome.code == 3, "exit code {}: {shown}", outcome.code);
        ensure!(shown.contains(case.cause), "{shown}");
        snapshot::check(&format!("j4/{}", case.name), &snapshot::screen(TYPED, &outcome))?;
        Ok(shown)
    })?;
    eventually("silence", SOON, || {
        let Some(address) = objects::ingress(lab, "prod/cdtrackerapi-service")?.pop() else {
            return Ok(());
        };
        let answers = arping(lab, &address, 1)?;
        ensure!(
            answers.received == 0,
            "somebody answers for {address}: {answers:?}"
        );
        Ok(())
    })?;
    repair(lab, case.repair, &told)?;
    answered(lab)
}

/// The command that a person types.
pub const TYPED: &str = "lightship why -n prod cdtrackerapi-service";

fn why(lab: &Lab) -> Result<Outcome> {
    lab.try_exec(CONTROL_PLANE, &TYPED.split(' ').collect::<Vec<_>>())
}

fn repair(lab: &Lab, repair: Repair, told: &str) -> Result<()> {
    let advised = |command: &str| {
        ensure!(
            told.contains(command),
            "nobody said `{command}`; what was told is\n{told}"
        );
        Ok(())
    };
    match repair {
        Repair::Typed(commands) => {
            for command in commands {
                advised(command)?;
                sh(lab, command)?;
            }
        }
        Repair::Edited(command, change) => {
            advised(command)?;
            sh(
                lab,
                &format!("export KUBE_EDITOR=\"sed -i -e '{change}'\"\n{command}\n"),
            )?;
        }
        Repair::Rewritten([write, change, read]) => {
            advised(write)?;
            advised(read)?;
            sh(
                lab,
                &format!(
                    "cd \"$(mktemp -d)\"\n{write}\nsed -i -e '{change}' *.yaml\n{read}\nrm -r \"$PWD\"\n"
                ),
            )?;
        }
        Repair::OnNode(command) => {
            advised(&format!("on {NODE}: {command}"))?;
            lab.exec(NODE, &command.split(' ').collect::<Vec<_>>())?;
        }
        Repair::Agent => {
            advised("agent")?;
            lab.agent(Action::Start, NODE)?;
        }
    }
    Ok(())
}

/// Waits until the address that the service shows is answered and nothing is wrong with it.
fn answered(lab: &Lab) -> Result<()> {
    eventually("an answer", SOON, || {
        let outcome = why(lab)?;
        ensure!(outcome.code == 0, "{}{}", outcome.stdout, outcome.stderr);
        let shown = objects::ingress(lab, "prod/cdtrackerapi-service")?;
        let address = shown.first().map(String::as_str).unwrap_or_default();
        let answers = arping(lab, address, 1)?;
        ensure!(
            answers.received == 1,
            "{address}: {answers:?}; {}",
            outcome.stdout
        );
        Ok(())
    })
}

/// Commands as they are typed on a machine with kubectl.
fn sh(lab: &Lab, script: &str) -> Result<String> {
    let samples = crate::binaries::source().join("manifests/samples/j4");
    let tool = lab.tool(CONTROL_PLANE, &["sh", "-ec", script])?;
    tool.env("SAMPLES", samples).run()
}
