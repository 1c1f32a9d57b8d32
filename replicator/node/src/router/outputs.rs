//! What partition threads put out: to whoever asked, to other nodes, to subscribers.

use replicator::Members;
use replicator::net::Links;
use wire::link::{Frame, MembersAnswer, PartitionMessage, ReadReady, ReadRefused, Refusal, Role};
use wire::{PartitionId, Text};

use super::{Router, send};
use crate::host::HostOutput;
use crate::permissions::{is_wish_audited, wish_written_down};
use crate::rings::FromPartition;

/// Outputs of partition threads taken in one cycle.
const OUTPUTS_PER_CYCLE: usize = 2_048;

impl Router {
    pub(super) fn poll_outputs(&mut self, out: &mut Links) -> usize {
        let mut taken = 0;
        while taken < OUTPUTS_PER_CYCLE
            && let Ok(output) = self.outputs.try_recv()
        {
            self.on_output(output, out);
            taken += 1;
        }
        taken
    }

    /// Passes on what came out of a partition.
    pub fn on_output(&mut self, from: FromPartition, out: &mut Links) {
        let FromPartition { partition, output } = from;
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        match output {
            HostOutput::Raft { to, payload } => {
                // No link or no room: Raft sends again.
                let _ = out.send_to_node(to, &Frame::Raft(PartitionMessage { partition }, &payload));
            }
            HostOutput::Mail(mail) => {
                let head = PartitionMessage { partition: mail.partition };
                // No link or no room: the outbox sends again.
                let _ = out.send_to_node(mail.node, &Frame::Mail(head, &mail.payload));
            }
            HostOutput::Reply(reply, payload) => {
                if let Some(link) = hosted.sessions.get(&reply.session) {
                    send(out, *link, &Frame::Reply(reply, &payload));
                }
            }
            HostOutput::SessionOpened(opened) => {
                if let Some(link) = hosted.opening.remove(&opened.nonce) {
                    send(out, link, &Frame::SessionOpened(opened));
                }
            }
            HostOutput::OpenRefused { nonce, refused } => {
                self.metrics.count_refusal(partition, refused.refusal);
                if let Some(link) = hosted.opening.remove(&nonce) {
                    send(out, link, &Frame::Refused(refused));
                }
            }
            HostOutput::Refused(refused) => {
                self.metrics.count_refusal(partition, refused.refusal);
                let link = hosted.sessions.get(&refused.session).copied();
                if refused.refusal == Refusal::SessionUnknown {
                    hosted.sessions.remove(&refused.session);
                }
                if let Some(link) = link {
                    send(out, link, &Frame::Refused(refused));
                }
            }
            HostOutput::ReadReady(ready) => {
                if let Some((link, token)) = hosted.reads.remove(&ready.token) {
                    send(out, link, &Frame::ReadReady(ReadReady { token, ..ready }));
                }
            }
            HostOutput::ReadRefused(refused) => {
                self.metrics.count_refusal(partition, refused.refusal);
                if let Some((link, token)) = hosted.reads.remove(&refused.token) {
                    send(out, link, &Frame::ReadRefused(ReadRefused { token, ..refused }));
                }
            }
            HostOutput::MembersAnswer(answer) => {
                if let Some((link, wish)) = hosted.wishes.remove(&answer.token) {
                    if is_wish_audited(answer.outcome) {
                        let operator = out.peer(link).map_or(Text::EMPTY, |peer| peer.name);
                        let (wish, outcome) = (wish_written_down(&wish), answer.outcome);
                        tracing::info!(target: "audit", %operator, %partition, %wish, ?outcome);
                    }
                    let token = wish.token;
                    send(out, link, &Frame::MembersAnswer(MembersAnswer { token, ..answer }));
                }
            }
            HostOutput::Members { members, index } => self.on_members(partition, *members, index, out),
            HostOutput::LeaderChanged { leader, term } => self.on_leader_changed(partition, leader, term, out),
            HostOutput::Events(block) => {
                self.fan_out.send(partition, &block);
                hosted.recent.push(block);
            }
            // For a partition of this node, which its thread has told.
            HostOutput::MailCame { .. } => {}
            // The partition's thread has already said so and ends the node.
            HostOutput::Failed(_) => {}
        }
    }

    /// Clients learn where members are, and the network whom to dial.
    fn on_members(&mut self, partition: PartitionId, members: Members, index: u64, out: &mut Links) {
        if !self.membership.learn(partition, members, index) {
            return;
        }
        if let Some((head, places)) = self.membership.news(partition) {
            for (link, _) in self.links.iter().filter(|(_, (role, _))| *role != Role::Node) {
                send(out, *link, &Frame::Members(head, &places));
            }
        }
        out.set_peers(self.membership.peers(self.hosted.keys()));
    }
}
