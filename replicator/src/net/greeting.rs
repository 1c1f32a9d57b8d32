//! What the first frames must say, and which frames each role may send after them.

use std::net::SocketAddr;

use rustls_pki_types::CertificateDer;
use wire::link::{CLIENT_BODY_MAX, Frame, Hello, PEER_BODY_MAX, PROTOCOL, Role, Welcome};
use wire::{ClusterEpoch, NodeId, Text};

use super::tls::is_valid_for;
use super::{CloseReason, PeerIdentity};

/// The longest body before the end of the greeting.
pub(super) const GREETING_BODY_MAX: usize = 256;

/// The name that the node of this id has in its certificate.
pub(super) fn node_name(node: NodeId) -> Text<32> {
    Text::new(format!("node-{node}").as_bytes()).expect("a name with a u64 has at most 25 characters")
}

/// Whether somebody who says this speaks for the same life of the cluster, in the same protocol. Whatever else is said on
/// a connection is said after it.
pub fn check_life(protocol: u16, said: ClusterEpoch, epoch: ClusterEpoch) -> Result<(), CloseReason> {
    match () {
        () if protocol != PROTOCOL => Err(CloseReason::WrongProtocol),
        () if said != epoch => Err(CloseReason::WrongEpoch),
        () => Ok(()),
    }
}

/// Who connected, if its greeting and its certificate say the same.
pub(super) fn check_hello(
    hello: &Hello,
    epoch: ClusterEpoch,
    me: NodeId,
    certificate: Option<&CertificateDer<'_>>,
    address: SocketAddr,
) -> Result<PeerIdentity, CloseReason> {
    check_life(hello.protocol, hello.epoch, epoch)?;
    let name_fits = match hello.role {
        Role::Node => hello.node.get() != 0 && hello.node != me && hello.name == node_name(hello.node),
        Role::Gateway => hello.node.get() == 0 && has_prefix(&hello.name, "gateway-"),
        Role::Operator => hello.node.get() == 0 && has_prefix(&hello.name, "operator-"),
        Role::Chainwatch => hello.node.get() == 0 && has_prefix(&hello.name, "chainwatch-"),
    };
    if !name_fits || !certificate.is_some_and(|certificate| is_valid_for(certificate, hello.name.as_str())) {
        return Err(CloseReason::WrongName);
    }
    Ok(PeerIdentity { role: hello.role, name: hello.name, node: hello.node, address, is_dialed: false })
}

fn has_prefix(name: &Text<32>, prefix: &str) -> bool {
    name.as_str().strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())
}

/// Who was dialed, if it is the node that was meant; its certificate was checked by TLS.
pub(super) fn check_welcome(
    welcome: &Welcome,
    epoch: ClusterEpoch,
    dialed: NodeId,
    address: SocketAddr,
) -> Result<PeerIdentity, CloseReason> {
    check_life(welcome.protocol, welcome.epoch, epoch)?;
    if welcome.node != dialed {
        return Err(CloseReason::WrongName);
    }
    Ok(PeerIdentity { role: Role::Node, name: node_name(dialed), node: dialed, address, is_dialed: true })
}

/// The longest body that this role may send.
pub(super) fn body_max(role: Role) -> usize {
    match role {
        Role::Node => PEER_BODY_MAX,
        Role::Gateway | Role::Operator | Role::Chainwatch => CLIENT_BODY_MAX,
    }
}

/// Whether this role may send this frame on an open link. Pings and pongs may be sent by all.
pub(super) fn may_send(role: Role, frame: &Frame<'_>) -> bool {
    match frame {
        Frame::Hello(_) | Frame::Welcome(_) => false,
        Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::OpenSession(_)
        | Frame::Request(..)
        | Frame::ReadIndex(_)
        | Frame::Subscribe(_)
        | Frame::Unsubscribe(_)
        | Frame::JoinCast(_) => true,
        Frame::ChangeMembers(_) => role == Role::Operator,
        Frame::Leader(_)
        | Frame::Members(..)
        | Frame::MembersAnswer(_)
        | Frame::SessionOpened(_)
        | Frame::Reply(..)
        | Frame::Refused(_)
        | Frame::ReadReady(_)
        | Frame::ReadRefused(_)
        | Frame::Events(..)
        | Frame::Progress(_)
        | Frame::SubscribeRefused(_)
        | Frame::Raft(..)
        | Frame::Mail(..)
        | Frame::BypassOpen(_)
        | Frame::BypassSeen(_)
        | Frame::CastOpen(_)
        | Frame::CastSent(_) => role == Role::Node,
    }
}
