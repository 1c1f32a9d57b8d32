//! As much of gRPC over HTTP/2 (RFC 9113) as unary calls to one server need: no header of an answer is read, and
//! whether a call succeeded is told by whether its answer has a message.

use std::io::{Error, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// What a connection may send at first (RFC 9113, 6.9.2).
const WINDOW: i64 = 65_535;
const HEAD_BYTES: usize = 9;

/// A connection to one server.
pub struct Connection {
    socket: TcpStream,
    inbox: Vec<u8>,
    next_stream: u32,
    window: i64,
    /// Streams whose answer has a message.
    answered: Vec<u32>,
}

impl Connection {
    /// Connects and says what both sides must.
    pub fn open(server: SocketAddr) -> Result<Connection> {
        let mut socket = TcpStream::connect(server)?;
        socket.set_nodelay(true)?;
        let mut hello = PREFACE.to_vec();
        frame(&mut hello, SETTINGS, 0, 0, &[]);
        frame(&mut hello, WINDOW_UPDATE, 0, 0, &(i32::MAX as u32 - WINDOW as u32).to_be_bytes());
        socket.write_all(&hello)?;
        Ok(Connection { socket, inbox: Vec::new(), next_stream: 1, window: WINDOW, answered: Vec::new() })
    }

    /// Begins a call; `None` while the server takes no more.
    pub fn call(&mut self, path: &str, message: &[u8]) -> Result<Option<u32>> {
        let length = message.len() as i64 + 5;
        if self.window < length {
            return Ok(None);
        }
        self.window -= length;
        let stream = self.next_stream;
        self.next_stream += 2;
        let mut body = vec![0];
        body.extend_from_slice(&(message.len() as u32).to_be_bytes());
        body.extend_from_slice(message);
        let mut bytes = Vec::with_capacity(256);
        frame(&mut bytes, HEADERS, END_HEADERS, stream, &head(path));
        frame(&mut bytes, DATA, END_STREAM, stream, &body);
        self.socket.write_all(&bytes)?;
        Ok(Some(stream))
    }

    /// Waits until something has come, and says which calls have ended and whether they had an answer.
    pub fn wait(&mut self) -> Result<Vec<(u32, bool)>> {
        let mut scratch = [0; 64 * 1024];
        let read = self.socket.read(&mut scratch)?;
        if read == 0 {
            return Err(Error::other("the server has closed the connection"));
        }
        self.inbox.extend_from_slice(&scratch[..read]);
        let (mut ended, mut at) = (Vec::new(), 0);
        while let Some(head) = self.inbox.get(at..at + HEAD_BYTES) {
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let (kind, flags) = (head[3], head[4]);
            let stream = u32::from_be_bytes([head[5] & 0x7F, head[6], head[7], head[8]]);
            let Some(payload) = self.inbox.get(at + HEAD_BYTES..at + HEAD_BYTES + length) else { break };
            match kind {
                DATA if length > 5 => self.answered.push(stream),
                SETTINGS if flags & ACK == 0 => answer(&mut self.socket, SETTINGS, &[])?,
                PING if flags & ACK == 0 => answer(&mut self.socket, PING, payload)?,
                WINDOW_UPDATE if stream == 0 && length == 4 => {
                    self.window += i64::from(u32::from_be_bytes([payload[0], payload[1], payload[2], payload[3]]));
                }
                GOAWAY | RST_STREAM => return Err(Error::other("the server has ended a call")),
                _ => {}
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                let place = self.answered.iter().position(|answered| *answered == stream);
                ended.push((stream, place.map(|place| self.answered.swap_remove(place)).is_some()));
            }
            at += HEAD_BYTES + length;
        }
        self.inbox.drain(..at);
        Ok(ended)
    }
}

fn answer(socket: &mut TcpStream, kind: u8, payload: &[u8]) -> Result<()> {
    let mut bytes = Vec::new();
    frame(&mut bytes, kind, ACK, 0, payload);
    socket.write_all(&bytes)
}

fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    to.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

/// The header block of a call, as literals that nobody need remember (RFC 7541, 6.2.2).
fn head(path: &str) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` are in the static table.
    let mut block = vec![0x83, 0x86];
    let fields = [(":path", path), (":authority", "etcd"), ("content-type", "application/grpc"), ("te", "trailers")];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An `etcdserverpb.PutRequest`: key is field 1, value is field 2.
pub fn put_request(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + value.len() + 4);
    for (tag, field) in [(0x0A, key), (0x12, value)] {
        bytes.extend_from_slice(&[tag, field.len() as u8]);
        bytes.extend_from_slice(field);
    }
    bytes
}
