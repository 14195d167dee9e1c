//! What runs and what does not, as a table for people; and the logs.

use std::{fmt::Write as _, fs};

use anyhow::{Context as _, Result, ensure};

use super::{Lab, host::Host, unit::Unit};

impl Lab {
    /// One line for each host and each unit.
    #[must_use]
    pub fn status(&self) -> String {
        let mut table = format!("{:<18} {:<12} ADDRESS\n", "HOST", "STATE");
        for host in Host::nodes(self.nodes)
            .iter()
            .chain([&Host::jumpbox(), &self.fabric])
        {
            let state = if host.holder(&self.folder).is_some() {
                "up"
            } else {
                "crashed"
            };
            let address = if *host == self.fabric {
                "-".to_owned()
            } else {
                self.address_of(host)
            };
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{:<18} {state:<12} {address}", host.name());
        }
        let _ = writeln!(table, "\n{:<48} {:<18} {:<10} PID", "UNIT", "HOST", "STATE");
        for unit in Unit::all(&self.folder) {
            let state = match unit.process() {
                Some(_) if unit.frozen() => "frozen",
                Some(_) => "running",
                None if unit.wanted => "dead",
                None => "stopped",
            };
            let pid = unit
                .process()
                .map_or_else(|| "-".to_owned(), |process| process.pid.to_string());
            let _ = writeln!(table, "{:<48} {:<18} {state:<10} {pid}", unit.name, unit.host);
        }
        table
    }

    /// The whole log of a unit, or the logs of all units whose names begin so (`agent`, `kube-proxy`).
    pub fn logs(&self, what: &str) -> Result<String> {
        let names: Vec<String> = Unit::all(&self.folder)
            .into_iter()
            .map(|unit| unit.name)
            .filter(|name| name.starts_with(what))
            .collect();
        ensure!(
            !names.is_empty(),
            "failed to find logs of {what}; there are {}",
            self.folder.entries("units").join(", ")
        );
        let mut all = String::new();
        for name in &names {
            if names.len() > 1 {
                let _ = writeln!(all, "==> {name}");
            }
            let log = fs::read(self.folder.log(name))
                .with_context(|| format!("failed to read the log of {name}"))?;
            all += &String::from_utf8_lossy(&log);
        }
        Ok(all)
    }
}
