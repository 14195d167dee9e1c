//! A backend for the sample services: answers every HTTP request with a page that names the service and the node.
//!
//! Made of the standard library only, because a fresh machine may have no other web server at hand.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

/// A client that says nothing is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves on all addresses of both families at each port; returns only when it cannot go on.
pub fn serve(service: &str, node: &str, ports: &[u16]) -> Result<()> {
    let page = format!("{service} answers from {node}\n");
    let mut servers = Vec::new();
    for port in ports {
        let listener =
            TcpListener::bind(("::", *port)).with_context(|| format!("failed to listen on port {port}"))?;
        let page = page.clone();
        servers.push(thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let page = page.clone();
                thread::spawn(move || answer(&stream, &page));
            }
        }));
    }
    for server in servers {
        if server.join().is_err() {
            bail!("failed to go on serving {service}; see the messages above");
        }
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, page: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    for line in BufReader::new(stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}
