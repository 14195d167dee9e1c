//! A backend for the sample services: answers every HTTP request, or every datagram, with a page that names the service and the node.
//!
//! Made of the standard library only, because a fresh machine may have no other web server at hand.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

/// A client that says nothing is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a backend is asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// HTTP requests.
    Tcp,
    /// Datagrams, whatever is in them.
    Udp,
}

impl Protocol {
    /// Its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Serves on all addresses of both families at each port; returns only when it cannot go on.
pub fn serve(service: &str, node: &str, protocol: Protocol, ports: &[u16]) -> Result<()> {
    let page = format!("{service} answers from {node}\n");
    let mut servers = Vec::new();
    for port in ports {
        let refused = || format!("failed to listen on port {port}");
        let page = page.clone();
        servers.push(match protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(("::", *port)).with_context(refused)?;
                thread::spawn(move || serve_pages(&listener, &page))
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(("::", *port)).with_context(refused)?;
                thread::spawn(move || serve_datagrams(&socket, &page))
            }
        });
    }
    for server in servers {
        if server.join().is_err() {
            bail!("failed to go on serving {service}; see the messages above");
        }
    }
    Ok(())
}

fn serve_pages(listener: &TcpListener, page: &str) {
    for stream in listener.incoming().flatten() {
        let page = page.to_owned();
        thread::spawn(move || answer(&stream, &page));
    }
}

fn serve_datagrams(socket: &UdpSocket, page: &str) {
    while let Ok((_, client)) = socket.recv_from(&mut [0; 512]) {
        // A client that cannot be reached asks again; the others are not its concern.
        let _ = socket.send_to(page.as_bytes(), client);
    }
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
