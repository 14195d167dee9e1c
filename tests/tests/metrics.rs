//! Metrics are documented as they are exported, and dashboard and alerts ask only for what exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};
use lightship_tests::{binaries, command::Tool, metrics};
use prometheus_client::registry::Registry;
use serde_json::Value;

/// Set to write the table instead of comparing it.
const UPDATE: &str = "LIGHTSHIP_UPDATE_DOCS";
const DASHBOARD: &str = "manifests/monitoring/dashboard.json";
const ALERTS: &str = "manifests/monitoring/alerts.yaml";

fn path(of: &str) -> PathBuf {
    binaries::source().join(of)
}

fn exported() -> Result<[(&'static str, String); 2]> {
    let (mut operator, mut agent) = (Registry::default(), Registry::default());
    lightship_operator::sample_metrics(&mut operator);
    lightship_agent::sample_metrics(&mut agent);
    Ok([
        ("operator", metrics::text(&operator)?),
        ("agent", metrics::text(&agent)?),
    ])
}

/// Every name that a query may use.
fn names() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (_, text) in exported()? {
        for family in metrics::families(&text)? {
            names.extend(family.series());
        }
    }
    Ok(names)
}

#[test]
fn the_table_is_what_is_exported() -> Result<()> {
    let mut table = String::from(
        "# Metrics\n\nPrometheus text on the admin port, at `/metrics`: port 9963 of the operator, 9964 of the agent. Of a histogram\n\
         `_bucket`, `_sum` and `_count` are exported. Made from the registries; a test compares.\n",
    );
    for (component, text) in exported()? {
        let heading = "| metric | type | labels | meaning |\n|---|---|---|---|";
        let _ = writeln!(table, "\n## `lightship {component}`\n\n{heading}");
        for family in metrics::families(&text)? {
            table.push_str(&family.row());
        }
    }
    let file = path("docs/reference/metrics.md");
    if env::var_os(UPDATE).is_some() {
        fs::write(&file, &table)?;
    }
    ensure!(
        fs::read_to_string(&file).unwrap_or_default() == table,
        "{} is not what is exported; run: {UPDATE}=1 cargo test -p lightship-tests --test metrics",
        file.display()
    );
    Ok(())
}

#[test]
fn every_metric_has_a_sample() -> Result<()> {
    let mut registry = Registry::default();
    lightship_operator::sample_metrics(&mut registry);
    lightship_agent::sample_metrics(&mut registry);
    let registered = format!("{registry:?}").matches("Descriptor {").count();
    let shown = metrics::families(&metrics::text(&registry)?)?.len();
    ensure!(
        registered == shown,
        "{registered} metrics are registered and {shown} documented: `metrics::sample` of operator or agent lacks one"
    );
    Ok(())
}

#[test]
fn dashboard_and_alerts_name_only_what_exists() -> Result<()> {
    let known = names()?;
    for file in [DASHBOARD, ALERTS, "manifests/monitoring/alerts-test.yaml"] {
        let text = fs::read_to_string(path(file))?;
        let named = metrics::named(&text);
        ensure!(named.len() > 5, "{file} names only {named:?}");
        let unknown: Vec<&String> = named.difference(&known).collect();
        ensure!(
            unknown.is_empty(),
            "{file} names {unknown:?}, which nothing exports"
        );
    }
    Ok(())
}

#[test]
fn promtool_takes_the_alerts_and_each_fires_where_it_should() -> Result<()> {
    let promtool = binaries::control_plane("promtool")?
        .to_string_lossy()
        .into_owned();
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    Tool::new([&promtool, "check", "rules", &text(path(ALERTS))]).run()?;
    let tests = text(path("manifests/monitoring/alerts-test.yaml"));
    Tool::new([&promtool, "test", "rules", &tests]).run()?;
    Ok(())
}

#[test]
fn promtool_takes_every_query_of_the_dashboard() -> Result<()> {
    let board: Value = serde_json::from_str(&fs::read_to_string(path(DASHBOARD))?)?;
    let panels = board["panels"]
        .as_array()
        .context("the dashboard has no panels")?;
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let mut places = BTreeMap::new();
    for panel in panels {
        let place = panel["gridPos"].to_string();
        let taken = places.insert(place, panel["title"].to_string());
        ensure!(taken.is_none(), "{} lies on {taken:?}", panel["title"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().context("a target without a query")?;
            // Grafana fills this in, and YAML takes JSON's strings.
            let query = Value::from(query.replace("$__rate_interval", "5m"));
            let record = format!(
                "panel:{}:{}",
                panel["id"],
                target["refId"].as_str().unwrap_or_default()
            );
            let _ = writeln!(rules, "      - {{record: \"{record}\", expr: {query}}}");
        }
    }
    let folder = env::temp_dir().join(format!("lightship-dashboard-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = folder.join("rules.yaml");
    fs::write(&file, rules)?;
    let promtool = binaries::control_plane("promtool")?
        .to_string_lossy()
        .into_owned();
    let checked = Tool::new([
        promtool,
        "check".into(),
        "rules".into(),
        file.to_string_lossy().into_owned(),
    ])
    .run();
    fs::remove_dir_all(&folder)?;
    checked.map(drop)
}
