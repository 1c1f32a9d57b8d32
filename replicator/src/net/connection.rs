//! One socket and its TLS: bytes in and out, nothing of what they mean.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, ServerName};
use socket2::SockRef;
use wire::link::Role;
use wire::{NodeId, Timestamp};

use super::links::{LinkId, OutBuffer};
use super::{CloseReason, NetCounters, greeting};

/// How many bytes TLS may hold encrypted for the socket.
const TLS_BUFFER_MAX: usize = 256 * 1024;

/// An in-buffer that grew beyond this gives its memory back when it is empty.
const KEPT_CAPACITY: usize = 256 * 1024;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The dialed socket is not connected yet.
    Connecting,
    /// TLS handshake and greeting.
    Greeting,
    /// Frames of this role.
    Open(Role),
}

/// Who connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Accepted,
    Dialed(NodeId),
}

/// A socket, its TLS and what has been read from it.
pub(super) struct Connection {
    pub(super) link: LinkId,
    pub(super) direction: Direction,
    pub(super) stage: Stage,
    pub(super) address: SocketAddr,
    pub(super) socket: TcpStream,
    tls: rustls::Connection,
    /// Decrypted bytes whose frames are not complete.
    pub(super) inbox: Vec<u8>,
    /// The socket may have more to read.
    pub(super) is_readable: bool,
    /// The poll has said that nothing comes after what the socket holds.
    pub(super) is_at_end: bool,
    /// The connection is in the network thread's list of those to read.
    pub(super) is_listed: bool,
    /// The socket takes bytes as far as is known.
    is_writable: bool,
    pub(super) began_at: Timestamp,
    /// When the peer was last heard.
    pub(super) heard_at: Timestamp,
    /// When the peer was asked for a sign of life; `None` since it was last heard.
    pub(super) pinged_at: Option<Timestamp>,
    /// Since when bytes wait for a socket that takes none.
    pub(super) stalled_since: Option<Timestamp>,
}

impl Connection {
    pub(super) fn accepted(
        link: LinkId,
        socket: TcpStream,
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        now: Timestamp,
    ) -> Result<Connection, CloseReason> {
        let tls = ServerConnection::new(tls).map_err(|_| CloseReason::Tls)?;
        Ok(Connection::new(link, Direction::Accepted, Stage::Greeting, socket, address, tls.into(), now))
    }

    pub(super) fn dialed(
        link: LinkId,
        node: NodeId,
        socket: TcpStream,
        address: SocketAddr,
        tls: Arc<ClientConfig>,
        now: Timestamp,
    ) -> Result<Connection, CloseReason> {
        let name = ServerName::try_from(greeting::node_name(node).as_str().to_owned()).map_err(|_| CloseReason::Tls)?;
        let tls = ClientConnection::new(tls, name).map_err(|_| CloseReason::Tls)?;
        Ok(Connection::new(link, Direction::Dialed(node), Stage::Connecting, socket, address, tls.into(), now))
    }

    fn new(
        link: LinkId,
        direction: Direction,
        stage: Stage,
        socket: TcpStream,
        address: SocketAddr,
        mut tls: rustls::Connection,
        now: Timestamp,
    ) -> Connection {
        tls.set_buffer_limit(Some(TLS_BUFFER_MAX));
        Connection {
            link,
            direction,
            stage,
            address,
            socket,
            tls,
            inbox: Vec::new(),
            is_readable: false,
            is_at_end: false,
            is_listed: false,
            is_writable: stage == Stage::Greeting,
            began_at: now,
            heard_at: now,
            pinged_at: None,
            stalled_since: None,
        }
    }

    /// The certificate that TLS has verified.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'_>> {
        self.tls.peer_certificates()?.first()
    }

    /// The longest body that the peer may send now.
    pub(super) fn body_max(&self) -> usize {
        match self.stage {
            Stage::Connecting | Stage::Greeting => greeting::GREETING_BODY_MAX,
            Stage::Open(role) => greeting::body_max(role),
        }
    }

    /// The poll says that the socket takes bytes. Whether a dialed socket is connected now.
    pub(super) fn on_writable(&mut self) -> Result<bool, CloseReason> {
        self.is_writable = true;
        if self.stage != Stage::Connecting {
            return Ok(false);
        }
        match self.socket.take_error() {
            Ok(None) => {}
            Ok(Some(error)) | Err(error) => return Err(connect_failure(&error)),
        }
        match self.socket.peer_addr() {
            Ok(_) => {
                prompt(&self.socket).map_err(|_| CloseReason::Io)?;
                self.stage = Stage::Greeting;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => {
                self.is_writable = false;
                Ok(false)
            }
            Err(error) => Err(connect_failure(&error)),
        }
    }

    /// Reads up to about `budget` bytes into the inbox, through `scratch`. An error leaves in the inbox what came
    /// before it.
    pub(super) fn receive(
        &mut self,
        budget: usize,
        scratch: &mut [u8],
        now: Timestamp,
        counters: &NetCounters,
    ) -> Result<usize, CloseReason> {
        let mut received = 0;
        while received < budget && self.is_readable {
            let count = match self.socket.read(scratch) {
                Ok(0) => return Err(self.end_of_stream()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_readable = false;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Err(CloseReason::Io),
            };
            received += count;
            // A read that did not fill its buffer has emptied the socket (epoll(7), question 9), but for the end
            // of the stream, of which no further event would tell.
            if count < scratch.len() && !self.is_at_end {
                self.is_readable = false;
            }
            self.decrypt(&scratch[..count])?;
        }
        if received > 0 {
            self.heard_at = now;
            self.pinged_at = None;
            counters.bytes_in.add(received as u64);
        }
        Ok(received)
    }

    /// Passes what the socket said through TLS into the inbox.
    fn decrypt(&mut self, mut bytes: &[u8]) -> Result<(), CloseReason> {
        while !bytes.is_empty() {
            if self.tls.read_tls(&mut bytes).is_err() {
                return Err(CloseReason::Tls);
            }
            let state = self.tls.process_new_packets();
            self.drain_plaintext()?;
            match state {
                Ok(state) if state.peer_has_closed() => return Err(self.end_of_stream()),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(link = self.link.get(), address = %self.address, %error, "TLS failed");
                    self.send_alert();
                    return Err(CloseReason::Tls);
                }
            }
        }
        Ok(())
    }

    fn drain_plaintext(&mut self) -> Result<(), CloseReason> {
        let mut reader = self.tls.reader();
        loop {
            let count = match reader.fill_buf() {
                Ok(bytes) => {
                    self.inbox.extend_from_slice(bytes);
                    bytes.len()
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // The end without a TLS close; the socket says so as well.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
                Err(_) => return Err(CloseReason::Tls),
            };
            if count == 0 {
                return Ok(());
            }
            reader.consume(count);
        }
    }

    fn end_of_stream(&mut self) -> CloseReason {
        if self.tls.is_handshaking() { CloseReason::Tls } else { CloseReason::PeerClosed }
    }

    /// Removes the frames that have been handled from the inbox.
    pub(super) fn keep_rest(&mut self, mut inbox: Vec<u8>, handled: usize) {
        if handled == inbox.len() && inbox.capacity() > KEPT_CAPACITY {
            inbox = Vec::new();
        } else {
            inbox.drain(..handled);
        }
        self.inbox = inbox;
    }

    /// Whether TLS has bytes of its own for the socket, or the last flush left some.
    pub(super) fn wants_flush(&self) -> bool {
        self.is_writable && self.stage != Stage::Connecting && self.tls.wants_write()
    }

    /// Offers waiting bytes to the socket, at most about `budget`. Whether more could be offered at once.
    pub(super) fn flush(
        &mut self,
        out: &mut OutBuffer,
        budget: usize,
        now: Timestamp,
        counters: &NetCounters,
    ) -> Result<bool, CloseReason> {
        if self.stage == Stage::Connecting {
            return Ok(false);
        }
        let mut sent = 0;
        while self.is_writable && sent < budget {
            while out.len() > 0 {
                let chunk = out.waiting();
                let chunk = &chunk[..chunk.len().min(TLS_BUFFER_MAX)];
                match self.tls.writer().write(chunk) {
                    Ok(0) => break,
                    Ok(count) => out.take(count),
                    Err(_) => return Err(CloseReason::Tls),
                }
            }
            if !self.tls.wants_write() {
                break;
            }
            match self.tls.write_tls(&mut self.socket) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(CloseReason::Io),
            }
        }
        if sent > 0 {
            counters.bytes_out.add(sent as u64);
        }
        let is_waiting = out.len() > 0 || self.tls.wants_write();
        if self.is_writable || !is_waiting {
            self.stalled_since = None;
        } else if sent > 0 || self.stalled_since.is_none() {
            self.stalled_since = Some(now);
        }
        // Before the end of the handshake TLS keeps plaintext to itself: nothing to offer then.
        Ok(self.is_writable && (self.tls.wants_write() || (out.len() > 0 && !self.tls.is_handshaking())))
    }

    /// Tells the peer that this was the last byte, if the socket takes it at once.
    pub(super) fn say_goodbye(&mut self) {
        if self.stage != Stage::Connecting {
            self.tls.send_close_notify();
            self.send_alert();
        }
    }

    fn send_alert(&mut self) {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(count) if count > 0 => {}
                _ => return,
            }
        }
    }
}

/// A socket that sends at once: without this a frame may wait 40 ms for the acknowledgement of the one before.
pub(super) fn prompt(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    // A host's default may be one that spreads packets over time by timers, as BBR does: good for long ways, and between
    // the nodes of a cluster a twentieth of an order's time. A kernel without it keeps its default.
    let _ = SockRef::from(socket).set_tcp_congestion(b"cubic");
    Ok(())
}

/// Why dialing failed.
pub(super) fn connect_failure(error: &io::Error) -> CloseReason {
    if error.kind() == ErrorKind::ConnectionRefused { CloseReason::ConnectRefused } else { CloseReason::Io }
}
