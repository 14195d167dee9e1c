//! What every command is answered with where something it needs is not there: a sentence, a remedy, a code; and JSON
//! where JSON was asked for.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result};
use lightship_tests::{
    Lab, binaries,
    command::{Outcome, Tool},
};
use serde_json::{Value, json};

use crate::as_told_by;

/// What a command asks.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    Cluster,
    /// Something else: without it, it ends like this.
    Else(i32, &'static str),
    /// It runs until it is told to stop.
    Lasting,
}

/// Whether a command can print JSON.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Json,
    Text,
}

struct Command {
    args: &'static [&'static str],
    asks: Asks,
    form: Form,
}

const fn command(args: &'static [&'static str], asks: Asks, form: Form) -> Command {
    Command { args, asks, form }
}

const NO_AGENT: &str = "no agent has run on this node since it started";

/// Every command there is, as the reference lists them.
const COMMANDS: [Command; 22] = [
    command(&["operator"], Asks::Lasting, Form::Text),
    command(&["agent", "--node-name=node-1"], Asks::Lasting, Form::Text),
    command(&["crd"], Asks::Else(0, "CustomResourceDefinition"), Form::Text),
    command(
        &["map", "list", "--bpffs=/nowhere"],
        Asks::Else(0, NO_AGENT),
        Form::Json,
    ),
    command(
        &["map", "counters", "--bpffs=/nowhere"],
        Asks::Else(0, "answers for no address"),
        Form::Json,
    ),
    command(
        &["map", "get", "cilium_l2_responder_v4", "--bpffs=/nowhere"],
        Asks::Else(0, "answers for no address"),
        Form::Json,
    ),
    command(
        &["trace", "10.0.0.1", "--bpffs=/nowhere"],
        Asks::Else(1, NO_AGENT),
        Form::Json,
    ),
    command(&["status"], Asks::Cluster, Form::Json),
    command(&["ips"], Asks::Cluster, Form::Json),
    command(&["holders"], Asks::Cluster, Form::Json),
    command(&["why", "web"], Asks::Cluster, Form::Json),
    command(&["doctor"], Asks::Cluster, Form::Json),
    command(&["drain", "node-1"], Asks::Cluster, Form::Text),
    command(&["undrain", "node-1"], Asks::Cluster, Form::Text),
    command(&["simulate", "drain", "node-1"], Asks::Cluster, Form::Json),
    command(&["import", "metallb"], Asks::Cluster, Form::Json),
    command(
        &["validate", "-f", "/nowhere"],
        Asks::Else(1, "check the path given by -f"),
        Form::Json,
    ),
    command(&["uninstall", "--dry-run"], Asks::Cluster, Form::Json),
    command(
        &["cleanup", "--bpffs=/nowhere"],
        Asks::Else(0, "Nothing of Lightship is on this node"),
        Form::Text,
    ),
    command(&["completion", "bash"], Asks::Else(0, "complete"), Form::Text),
    command(
        &["config", "view", "--admin-address=127.0.0.1:9"],
        Asks::Else(1, "is an agent or operator running"),
        Form::Text,
    ),
    command(
        &["config", "log-level", "--admin-address=127.0.0.1:9"],
        Asks::Else(1, "is an agent or operator running"),
        Form::Text,
    ),
];

fn asking_the_cluster() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(|command| command.asks == Asks::Cluster)
}

impl Command {
    /// It ends with this code and says this; asked for JSON it says it in JSON.
    fn ends(&self, kubeconfig: &Path, code: i32, words: &[&str]) -> Result<()> {
        let outcome = as_told_by(kubeconfig, self.args)?;
        says(&outcome, self.args, code, words);
        let args = [self.args, &["-o", "json"]].concat();
        let outcome = as_told_by(kubeconfig, &args)?;
        match self.form {
            Form::Json => is_json(&outcome, &args, code),
            Form::Text => is_json(&outcome, &args, 2),
        }
    }
}

fn says(outcome: &Outcome, args: &[&str], code: i32, words: &[&str]) {
    let shown = outcome.stdout.clone() + &outcome.stderr;
    assert_eq!(outcome.code, code, "{args:?}: {shown}");
    for word in words {
        assert!(shown.contains(word), "{args:?} does not say {word:?}: {shown}");
    }
    assert!(!shown.contains("panicked"), "{args:?}: {shown}");
}

fn is_json(outcome: &Outcome, args: &[&str], code: i32) -> Result<()> {
    assert_eq!(outcome.code, code, "{args:?}: {}", outcome.stderr);
    let document: Value = serde_json::from_str(&outcome.stdout)
        .with_context(|| format!("{args:?}: {:?} is not JSON", outcome.stdout))?;
    if !matches!(code, 0 | 3) {
        assert_eq!(document["error"]["exitCode"], code, "{document}");
        assert!(document["error"]["message"].is_string(), "{document}");
    }
    Ok(())
}

/// A folder of this test's own that goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = env::temp_dir().join(format!("lightship-{name}-{}", process::id()));
        fs::create_dir_all(&path).with_context(|| format!("failed to make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A kubeconfig whose server is nobody.
fn nobody(folder: &Path) -> Result<PathBuf> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "lab", "user": {"token": "nobody"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
    });
    let path = folder.join("nobody");
    fs::write(&path, config.to_string()).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path)
}

/// A kubeconfig of the lab's with something changed.
fn changed(lab: &Lab, name: &str, change: impl FnOnce(&mut Value)) -> Result<PathBuf> {
    let text = fs::read_to_string(lab.folder().kubeconfig())?;
    let mut config: Value = serde_json::from_str(&text)?;
    change(&mut config);
    let path = lab.folder().path().join(name);
    fs::write(&path, config.to_string())?;
    Ok(path)
}

/// Where there is no right and no definition.
pub(crate) fn every_circumstance(lab: &Lab) -> Result<()> {
    let admin = lab.folder().kubeconfig();
    for command in asking_the_cluster() {
        match command.args[0] {
            // What there is to see without definitions: leases, and what is missing.
            "holders" | "doctor" | "undrain" | "uninstall" => {}
            "import" => command.ends(&admin, 6, &["no IPAddressPool", "-f"])?,
            _ => command.ends(&admin, 6, &["install the definitions"])?,
        }
    }
    let stranger = changed(lab, "stranger", |config| {
        config["users"][0]["user"]["token"] = "nobody".into();
    })?;
    lab.kubectl(&["create", "serviceaccount", "reader"])?;
    let token = lab.kubectl(&["create", "token", "reader"])?;
    let reader = changed(lab, "reader", |config| {
        config["users"][0]["user"]["token"] = token.trim().into();
    })?;
    for command in asking_the_cluster() {
        command.ends(&stranger, 5, &["refuses the credentials"])?;
        let code = match command.args[0] {
            // What it may look at it looks at.
            "doctor" => 3,
            _ => 5,
        };
        command.ends(&reader, code, &["you may not", "ask"])?;
    }
    Ok(())
}

#[test]
fn the_table_has_every_command_of_the_reference() {
    let reference = fs::read_to_string(binaries::source().join("docs/reference/cli.md")).unwrap();
    let headings: BTreeSet<&str> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("## `lightship ")?.strip_suffix('`'))
        .collect();
    let leads_on = |heading: &str| {
        headings
            .iter()
            .any(|other| other.starts_with(&format!("{heading} ")))
    };
    let documented: BTreeSet<&str> = headings
        .iter()
        .filter(|heading| !leads_on(heading))
        .copied()
        .collect();
    let tried: BTreeSet<&str> = COMMANDS
        .iter()
        .filter_map(|command| {
            let line = command.args.join(" ");
            documented
                .iter()
                .find(|name| line == **name || line.starts_with(&format!("{name} ")))
                .copied()
        })
        .collect();
    assert_eq!(tried, documented);
    assert_eq!(tried.len(), COMMANDS.len());
}

#[test]
fn without_a_cluster_every_command_says_what_to_do() {
    let folder = Folder::new("without-a-cluster").unwrap();
    let nobody = nobody(&folder.0).unwrap();
    let nowhere = folder.0.join("nowhere");
    for command in &COMMANDS {
        match command.asks {
            Asks::Cluster => {
                let closed = ["failed to reach the API server", "check that it runs"];
                command.ends(&nobody, 4, &closed).unwrap();
                let unread = ["failed to read the kubeconfig named by KUBECONFIG"];
                command.ends(&nowhere, 4, &unread).unwrap();
            }
            Asks::Else(code, words) => command.ends(&nowhere, code, &[words]).unwrap(),
            Asks::Lasting => {
                let outcome = as_told_by(&nowhere, command.args).unwrap();
                let unread = ["failed to read the kubeconfig named by KUBECONFIG"];
                says(&outcome, command.args, 4, &unread);
            }
        }
    }
}

#[test]
fn what_nobody_can_mean_is_refused_by_name() {
    let folder = Folder::new("refused-by-name").unwrap();
    let nobody = nobody(&folder.0).unwrap();
    for command in &COMMANDS {
        let args = [command.args, &["--nonsense"]].concat();
        let outcome = as_told_by(&nobody, &args).unwrap();
        says(&outcome, &args, 2, &["--nonsense", "--help"]);
    }
    let wrong: [(&[&str], &str); 9] = [
        (&["nonsense"], "nonsense"),
        (&["map", "nonsense"], "nonsense"),
        (&["why", "a/b/c"], "a/b/c"),
        (&["trace", "10.0.0.256"], "10.0.0.256"),
        (&["drain"], "<NODE>"),
        (&["status", "--watch=yes"], "yes"),
        (&["completion", "nosh"], "bash, zsh, fish"),
        (&["ips", "-o", "xml"], "xml"),
        (&["agent", "--node-name="], "--node-name"),
    ];
    for (args, word) in wrong {
        let outcome = as_told_by(&nobody, args).unwrap();
        says(&outcome, args, 2, &[word]);
    }
    let program = binaries::lightship().unwrap().to_string_lossy().into_owned();
    let agent = Tool::new([program, "agent".to_owned()])
        .env("NODE_NAME", "")
        .attempt()
        .unwrap();
    let set_but_empty = "the variable NODE_NAME stands in for --node-name; it is set, but empty";
    says(&agent, &["agent"], 2, &[set_but_empty]);
}
