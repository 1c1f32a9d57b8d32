//! Where a connection comes from when proxies stand before the gateway.
//!
//! A proxy tells it by the PROXY protocol (versions 1 and 2, before anything else is sent) or by `X-Forwarded-For`.
//! Who is no proxy of ours is believed nothing. Source: haproxy, "The PROXY protocol, versions 1 & 2".

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt};
use wire::Network;

use crate::gateway::Peer;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// The longest header of version 1, with its end of line.
const LINE_MAX: usize = 107;
/// The longest rest of a header of version 2 that is read: addresses, and what proxies add to them.
const REST_MAX: usize = 4_096;
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The proxies before a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    /// From where they connect.
    pub networks: Vec<Network>,
    /// How they tell for whom.
    pub tell: Tell,
}

/// How a proxy tells for whom it connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// By the PROXY protocol: each of their connections begins with its header.
    ProxyProtocol,
    /// By the header `X-Forwarded-For` of each request.
    ForwardedFor,
}

impl Proxies {
    /// Whether it is one of them.
    pub(super) fn trust(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(ip))
    }

    /// Who is at the other end of a connection from `ip` that was just accepted.
    pub(super) async fn origin(&self, stream: &mut (impl AsyncRead + Unpin), ip: IpAddr) -> io::Result<IpAddr> {
        if self.tell != Tell::ProxyProtocol || !self.trust(ip) {
            return Ok(ip);
        }
        Ok(read_header(stream).await?.map_or(ip, |ip| ip.to_canonical()))
    }

    /// Whose request this is, of one that came from `peer`: the last address that is no proxy's.
    pub(super) fn sender(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        if self.tell != Tell::ForwardedFor || !self.trust(peer.ip) {
            return peer;
        }
        let mut sender = peer;
        // By bytes: one that is no text must not hide what a proxy has added to the same line.
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        for bytes in values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
            let Some(ip) = std::str::from_utf8(bytes).ok().and_then(|text| address(text.trim())) else { break };
            sender = Peer { ip };
            if !self.trust(ip) {
                break;
            }
        }
        sender
    }
}

/// An address as `X-Forwarded-For` has it: some proxies add the port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().or_else(|_| text.parse().map(|with_port: std::net::SocketAddr| with_port.ip()));
    bare.ok().map(|ip| ip.to_canonical())
}

/// Reads a header and nothing beyond it. `None` when the proxy connects for itself.
async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    // Neither version's header is shorter.
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE { read_binary(stream).await } else { read_line(stream, &start).await }
}

async fn read_binary(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut about = [0; 4];
    stream.read_exact(&mut about).await?;
    let [version_and_command, family, high, low] = about;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if version_and_command >> 4 != 2 || length > REST_MAX {
        return Err(malformed());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (version_and_command & 0xf, family >> 4) {
        (0, _) => Ok(None),
        (1, 1) => rest.first_chunk().map(|ip: &[u8; 4]| Some(Ipv4Addr::from(*ip).into())).ok_or_else(malformed),
        (1, 2) => rest.first_chunk().map(|ip: &[u8; 16]| Some(Ipv6Addr::from(*ip).into())).ok_or_else(malformed),
        // Of no family that has addresses.
        (1, _) => Ok(None),
        _ => Err(malformed()),
    }
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin), start: &[u8]) -> io::Result<Option<IpAddr>> {
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_MAX || !line.starts_with(b"PROXY ") {
            return Err(malformed());
        }
        line.push(stream.read_u8().await?);
    }
    let text = std::str::from_utf8(&line).map_err(|_| malformed())?;
    let mut words = text.trim_end().split(' ').skip(1);
    match words.next() {
        Some("UNKNOWN") => Ok(None),
        Some("TCP4" | "TCP6") => words.next().and_then(|ip| ip.parse().ok()).map(Some).ok_or_else(malformed),
        _ => Err(malformed()),
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a proxy's connection does not begin with a PROXY header")
}

#[cfg(test)]
mod tests;
