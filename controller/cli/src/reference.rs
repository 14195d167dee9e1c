//! `docs/reference` is what the program itself says: flags from the command line's definition, fields from the kinds'
//! schemas, conditions and events from the constants of the contract.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use clap::{Arg, Command, CommandFactory as _};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use lightship_crd::crds;

use crate::args::Arguments;
use crate::exit::Exit;

/// Set to write the files instead of comparing them.
const UPDATE: &str = "LIGHTSHIP_UPDATE_DOCS";

/// Stands at the top of each.
const GENERATED: &str = "<!-- Generated: LIGHTSHIP_UPDATE_DOCS=1 cargo test -p lightship reference writes it, and a test compares. -->\n";

fn check(file: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "docs", "reference", file]
        .iter()
        .collect();
    if env::var_os(UPDATE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "{} is not what the program says; run: {UPDATE}=1 cargo test -p lightship reference",
        path.display()
    );
}

/// One line of a table.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}

#[test]
fn reference_of_the_command_line() {
    let mut root = Arguments::command();
    root.build();
    let mut text = format!(
        "{GENERATED}# Command line\n\n{}\n\nInstalled as `kubectl-lightship` on PATH, `kubectl lightship …` is the same.\n\n",
        cell(&root.get_about().unwrap().to_string())
    );
    text.push_str("## Exit codes\n\n| code | meaning |\n|---|---|\n| 0 | done, and in order |\n");
    for exit in Exit::ALL {
        writeln!(text, "| {} | {} |", exit.code(), exit.meaning()).unwrap();
    }
    text.push_str(
        "\nWhat failed is said in one line on stderr. With `-o json` or `-o yaml` it is a document on stdout too: \
         `{\"error\": {\"message\": \"…\", \"exitCode\": 4}}`.\n\n## For every command\n\n",
    );
    arguments(&mut text, root.get_arguments().filter(|one| one.is_global_set()));
    for command in root.get_subcommands() {
        describe(&mut text, "lightship", command);
    }
    check("cli.md", &text);
}

fn describe(text: &mut String, above: &str, command: &Command) {
    if command.get_name() == "help" {
        return;
    }
    let name = format!("{above} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    writeln!(text, "\n## `{name}`\n\n{}.\n", cell(&about).trim_end_matches('.')).unwrap();
    let own = |one: &&Arg| {
        !matches!(
            one.get_id().as_str(),
            "kubeconfig" | "namespace" | "log_level" | "help" | "version"
        )
    };
    arguments(text, command.get_arguments().filter(own));
    for below in command.get_subcommands() {
        describe(text, &name, below);
    }
}

fn arguments<'a>(text: &mut String, all: impl Iterator<Item = &'a Arg>) {
    let mut rows = String::new();
    for argument in all.filter(|one| !matches!(one.get_id().as_str(), "help" | "version")) {
        let value = argument.get_value_names().unwrap_or_default().join(" ");
        let takes = argument.get_action().takes_values();
        let name = match (argument.get_short(), argument.get_long()) {
            (short, Some(long)) => {
                let short = short.map(|short| format!("-{short}, ")).unwrap_or_default();
                let value = if takes { format!(" {value}") } else { String::new() };
                format!("`{short}--{long}{value}`")
            }
            _ => format!("`{value}`"),
        };
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|one| one.to_string_lossy())
            .collect();
        let default = if takes { defaults.join(",") } else { String::new() };
        let variable = argument
            .get_env()
            .map(|one| format!("`{}`", one.to_string_lossy()))
            .unwrap_or_default();
        let possible: Vec<_> = argument
            .get_possible_values()
            .iter()
            .filter(|_| takes)
            .map(|one| format!("`{}`", one.get_name()))
            .collect();
        let one_of = if possible.is_empty() {
            String::new()
        } else {
            format!(" ({})", possible.join(", "))
        };
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(
            rows,
            "| {name} | {default} | {variable} | {}{one_of} |",
            cell(&help)
        )
        .unwrap();
    }
    if !rows.is_empty() {
        write!(
            text,
            "| argument | default | variable | meaning |\n|---|---|---|---|\n{rows}"
        )
        .unwrap();
    }
}

#[test]
fn reference_of_the_kinds() {
    let mut text = format!("{GENERATED}# Kinds\n\n`kubectl explain` shows the same.\n");
    for definition in crds().unwrap() {
        let names = &definition.spec.names;
        let served: Vec<_> = definition
            .spec
            .versions
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let short = names.short_names.clone().unwrap_or_default().join(", ");
        writeln!(
            text,
            "\n## {}\n\nGroup `{}`, versions {}, short names {short}, scope {}.\n",
            names.kind,
            definition.spec.group,
            served.join(", "),
            definition.spec.scope
        )
        .unwrap();
        text.push_str("| field | type | meaning |\n|---|---|---|\n");
        let schema = definition.spec.versions[0].schema.as_ref().unwrap();
        let root = schema.open_api_v3_schema.as_ref().unwrap();
        for part in ["spec", "status"] {
            let schema = &root.properties.as_ref().unwrap()[part];
            fields(&mut text, part, schema);
        }
    }
    check("kinds.md", &text);
}

fn fields(text: &mut String, path: &str, schema: &JSONSchemaProps) {
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let type_ = field.type_.clone().unwrap_or_default();
        let meaning = field.description.clone().unwrap_or_default();
        writeln!(text, "| `{path}` | {type_} | {} |", cell(&meaning)).unwrap();
        // What Kubernetes itself defines is described there.
        if name == "conditions" {
            continue;
        }
        fields(text, &path, field);
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &field.items {
            fields(text, &format!("{path}[]"), items);
        }
    }
}

#[test]
fn reference_of_conditions_and_events() {
    let mut text = format!("{GENERATED}# Conditions and events\n");
    let sources = [
        ("Conditions", include_str!("../../../crd/src/condition.rs")),
        ("Events", include_str!("../../../crd/src/event.rs")),
    ];
    for (title, source) in sources {
        writeln!(text, "\n## {title}").unwrap();
        if title == "Events" {
            text.push_str("\n| reason | meaning |\n|---|---|\n");
        }
        let mut comment = String::new();
        for line in source.lines().map(str::trim) {
            if let Some(more) = line.strip_prefix("/// ") {
                comment.push_str(more);
                comment.push(' ');
            } else if let Some(name) = line.strip_prefix("pub mod ") {
                let name = name.trim_end_matches([' ', '{']);
                write!(
                    text,
                    "\n### Of a {name}\n\n| type or reason | meaning |\n|---|---|\n"
                )
                .unwrap();
                comment.clear();
            } else if let Some((_, value)) = line
                .strip_prefix("pub const ")
                .and_then(|constant| constant.split_once("= \""))
            {
                let value = value.trim_end_matches("\";");
                let meaning = named(&comment, source);
                writeln!(text, "| `{value}` | {} |", cell(&meaning)).unwrap();
                comment.clear();
            } else if line.is_empty() {
                comment.clear();
            }
        }
    }
    check("conditions.md", &text);
}

/// The comment with the values of the constants it refers to.
fn named(comment: &str, source: &str) -> String {
    let mut text = comment.to_owned();
    for line in source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub const "))
    {
        let Some((name, value)) = line.split_once(": &str = ") else {
            continue;
        };
        let value = value.trim_matches([';', '"']);
        text = text.replace(&format!("[`{name}`]"), &format!("`{value}`"));
    }
    text
}
