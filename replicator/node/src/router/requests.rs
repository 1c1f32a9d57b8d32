//! What clients and operators ask: who may is handed to the partition thread, and the link is remembered for the answer.

use replicator::net::{LinkId, Links};
use wire::codec::v1;
use wire::link::{
    ChangeMembers, Frame, MemberOutcome, MembersAnswer, OpenSession, ReadIndex, ReadRefused, Refusal, Refused, Request,
    Role,
};
use wire::{Sequence, SessionId, Text};

use super::{Router, send};
use crate::host::HostInput;
use crate::permissions::{is_audited, may_have_sessions, may_request, speaks_for_itself, written_down};

/// Sessions, nonces or reads of one partition whose link is remembered; more are refused as busy.
const REMEMBERED_MAX: usize = 65_536;

impl Router {
    pub(super) fn on_request(&mut self, link: LinkId, role: Role, request: Request, payload: &[u8], out: &mut Links) {
        let Request { partition, session, sequence, .. } = request;
        let name = out.peer(link).map_or(Text::EMPTY, |peer| peer.name);
        if let Err((refusal, detail)) = self.admit_request(link, role, name, request, payload) {
            self.metrics.count_refusal(partition, refusal);
            send(out, link, &Frame::Refused(Refused { partition, session, sequence, refusal, detail }));
        }
    }

    /// A ladder of refusals; who gets to its end is handed to the partition thread.
    fn admit_request(
        &mut self,
        link: LinkId,
        role: Role,
        name: Text<32>,
        request: Request,
        payload: &[u8],
    ) -> Result<(), (Refusal, u64)> {
        if !may_have_sessions(role) {
            return Err((Refusal::NotPermitted, 0));
        }
        if !payload.is_empty() {
            let command = v1::decode_command(payload).map_err(|_| (Refusal::Malformed, 0))?;
            if !may_request(role, &command) || !speaks_for_itself(&name, &command) {
                return Err((Refusal::NotPermitted, 0));
            }
            if role == Role::Operator && is_audited(&command) {
                let Request { partition, session, sequence, .. } = request;
                let command = written_down(&command);
                tracing::info!(target: "audit", operator = %name, %partition, %session, %sequence, %command);
            }
        }
        let hosted = self.hosted.get_mut(&request.partition).ok_or((Refusal::UnknownPartition, 0))?;
        if hosted.sessions.len() >= REMEMBERED_MAX && !hosted.sessions.contains_key(&request.session) {
            return Err((Refusal::Busy, 0));
        }
        let input = HostInput::Request(request, payload.to_vec());
        hosted.port.request(input).map_err(|_| (Refusal::Busy, 0))?;
        hosted.sessions.insert(request.session, link);
        self.metrics.count_request(request.partition);
        Ok(())
    }

    pub(super) fn on_open_session(&mut self, link: LinkId, role: Role, open: OpenSession, out: &mut Links) {
        let admitted = match self.hosted.get_mut(&open.partition) {
            _ if !may_have_sessions(role) => Err(Refusal::NotPermitted),
            None => Err(Refusal::UnknownPartition),
            Some(hosted) if hosted.opening.len() >= REMEMBERED_MAX => Err(Refusal::Busy),
            Some(hosted) => match hosted.port.request(HostInput::OpenSession(open)) {
                Ok(()) => {
                    hosted.opening.insert(open.nonce, link);
                    Ok(())
                }
                Err(_) => Err(Refusal::Busy),
            },
        };
        if let Err(refusal) = admitted {
            self.metrics.count_refusal(open.partition, refusal);
            let (session, sequence) = (SessionId::new(0), Sequence::ZERO);
            let refused = Refused { partition: open.partition, session, sequence, refusal, detail: 0 };
            send(out, link, &Frame::Refused(refused));
        }
    }

    pub(super) fn on_read_index(&mut self, link: LinkId, read: ReadIndex, out: &mut Links) {
        let token = self.next_token;
        self.next_token += 1;
        let admitted = match self.hosted.get_mut(&read.partition) {
            None => Err(Refusal::UnknownPartition),
            Some(hosted) if hosted.reads.len() >= REMEMBERED_MAX => Err(Refusal::Busy),
            Some(hosted) => match hosted.port.request(HostInput::ReadIndex { token }) {
                Ok(()) => {
                    hosted.reads.insert(token, (link, read.token));
                    Ok(())
                }
                Err(_) => Err(Refusal::Busy),
            },
        };
        if let Err(refusal) = admitted {
            self.metrics.count_refusal(read.partition, refusal);
            let refused = ReadRefused { partition: read.partition, token: read.token, refusal, detail: 0 };
            send(out, link, &Frame::ReadRefused(refused));
        }
    }

    pub(super) fn on_change_members(&mut self, link: LinkId, role: Role, wish: ChangeMembers, out: &mut Links) {
        let token = self.next_token;
        self.next_token += 1;
        let admitted = match self.hosted.get_mut(&wish.partition) {
            _ if role != Role::Operator => Err(MemberOutcome::NotPermitted),
            None => Err(MemberOutcome::UnknownPartition),
            Some(hosted) if hosted.wishes.len() >= REMEMBERED_MAX => Err(MemberOutcome::Busy),
            Some(hosted) => match hosted.port.request(HostInput::ChangeMembers(ChangeMembers { token, ..wish })) {
                Ok(()) => {
                    hosted.wishes.insert(token, (link, wish));
                    Ok(())
                }
                Err(_) => Err(MemberOutcome::Busy),
            },
        };
        if let Err(outcome) = admitted {
            let answer = MembersAnswer { partition: wish.partition, token: wish.token, outcome };
            send(out, link, &Frame::MembersAnswer(answer));
        }
    }
}
