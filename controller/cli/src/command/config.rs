//! `lightship config view` and `lightship config log-level`: the settings of a running part, asked from its admin server.
//!
//! What was written in a manifest and what took effect can differ (values that cannot work are changed, with a
//! warning); only the process itself knows.

use std::io;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::args::{AdminAddress, ConfigArgs, ConfigCommand};
use crate::output;

/// Why the settings are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("failed to ask {} for its settings; is an agent or operator running, and is --admin-address its address?", .0.0)]
    Connect(AdminAddress, #[source] io::Error),
    #[error("failed to read the answer of {}", .0.0)]
    Read(AdminAddress, #[source] io::Error),
    #[error(
        "failed to get an answer from {}: it said {answer}; if it is of another version, ask it with the lightship of that version",
        .address.0
    )]
    Answer { address: AdminAddress, answer: String },
}

pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let question = async {
        match args.command {
            ConfigCommand::View { admin_address } => fetch(admin_address, "/config").await,
            ConfigCommand::LogLevel {
                level: Some(level),
                admin_address,
            } => ask(admin_address, "PUT", "/log", level.name()).await,
            ConfigCommand::LogLevel {
                level: None,
                admin_address,
            } => fetch(admin_address, "/log").await,
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime
        .context("failed to start the async runtime")?
        .block_on(question)?;
    output::print(&answer)
}

/// Gets a page of an admin server.
pub(crate) async fn fetch(address: AdminAddress, path: &str) -> Result<String, Error> {
    ask(address, "GET", path, "").await
}

/// Asks an admin server. HTTP/1.0 ends with the connection, which is all the protocol this needs.
pub(crate) async fn ask(
    address: AdminAddress,
    method: &str,
    path: &str,
    body: &str,
) -> Result<String, Error> {
    let connect = |source| Error::Connect(address, source);
    let mut stream = TcpStream::connect(address.0).await.map_err(connect)?;
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{body}",
        address.0,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.map_err(connect)?;
    let mut response = String::new();
    stream
        .read_to_string(&mut response)
        .await
        .map_err(|source| Error::Read(address, source))?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        Ok(body.to_owned())
    } else {
        Err(Error::Answer {
            address,
            answer: format!("{status}: {}", body.trim()),
        })
    }
}
