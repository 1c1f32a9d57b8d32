//! Consumers, which follow events from position 1: production's subscription, and whoever reads along at its gateway.

use std::fmt;

use cluster_client::Patience;
use cluster_client::subscription::{self, Subscription};
use wire::{LogPosition, PartitionId};

use super::clients::{ClientId, hello};
use super::clock::Moment;
use super::front::LinkId;
use super::queue::Event;
use super::world::{World, gateway_address};

/// A consumer of one partition's events, at a gateway.
pub struct Consumer {
    /// Whose.
    pub(super) gateway: usize,
    /// Which.
    pub partition: PartitionId,
    pub(super) subscription: Subscription,
    pub(super) link: Option<LinkId>,
    /// That is being made to take its place.
    pub(super) beside: Option<LinkId>,
    pub(super) wake_at: Option<Moment>,
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at gateway {}, wants {} next", self.gateway, self.subscription.next_position())
    }
}

impl World {
    pub(super) fn make_consumer(&mut self, gateway: usize, partition: PartitionId) {
        let consumer = self.new_consumer(gateway, partition);
        self.consumers.push(consumer);
        let client = ClientId::Consumer(self.consumers.len() - 1);
        self.queue.plan(self.now, Event::Wake { client });
    }

    pub(super) fn new_consumer(&self, gateway: usize, partition: PartitionId) -> Consumer {
        let now = self.instants.at(self.now);
        let from = LogPosition::ZERO.next();
        let nodes = self.known_nodes();
        let subscription =
            Subscription::new(hello(gateway as u64, self.epoch), &nodes, partition, from, Patience::default(), now);
        Consumer { gateway, partition, subscription, link: None, beside: None, wake_at: None }
    }

    /// A consumer knows nothing of what it has seen, and follows from the beginning.
    pub(super) fn begin_anew(&mut self, number: usize) {
        let (gateway, partition) = (self.consumers[number].gateway, self.consumers[number].partition);
        let consumer = &mut self.consumers[number];
        for link in [consumer.link.take(), consumer.beside.take()].into_iter().flatten() {
            self.hang_up(link);
        }
        self.checkers.streams.forget(number, partition);
        self.consumers[number] = self.new_consumer(gateway, partition);
        self.queue.plan(self.now, Event::Wake { client: ClientId::Consumer(number) });
    }

    /// Does what a consumer wants done.
    pub(super) fn drain_consumer(&mut self, number: usize) {
        let partition = self.consumers[number].partition;
        let gateway = self.consumers[number].gateway;
        let mut items = Vec::new();
        while let Some(item) = self.consumers[number].subscription.poll_item() {
            let verdict = self.checkers.streams.on_item(number, partition, &item, &self.histories[&partition]);
            self.check(verdict);
            items.push(item);
        }
        if !items.is_empty()
            && let Some(office) = self.office(gateway)
        {
            if office.on_items(partition, items) {
                self.consumers[number].subscription.on_resumed();
            }
            self.drain_gateway(gateway);
        }
        while let Some(output) = self.consumers[number].subscription.poll_output() {
            let link = self.consumers[number].link;
            match output {
                subscription::Output::Connect(node) => {
                    let beside = self.consumers[number].beside.take();
                    link.into_iter().chain(beside).for_each(|link| self.hang_up(link));
                    let address = gateway_address(self.consumers[number].gateway);
                    self.consumers[number].link = Some(self.dial(ClientId::Consumer(number), address, node));
                }
                subscription::Output::ConnectBeside(node) => {
                    self.consumers[number].beside.take().into_iter().for_each(|link| self.hang_up(link));
                    let address = gateway_address(self.consumers[number].gateway);
                    self.consumers[number].beside = Some(self.dial(ClientId::Consumer(number), address, node));
                }
                subscription::Output::Send(bytes) => {
                    if let Some(link) = link.filter(|link| self.is_up(*link)) {
                        self.send_to_node(link, bytes);
                    }
                }
                subscription::Output::Close => {
                    link.into_iter().for_each(|link| self.hang_up(link));
                    self.consumers[number].link = None;
                }
                // Nobody has told it where it takes casts.
                subscription::Output::Listen { .. } => {}
            }
        }
        let due = self.consumers[number].subscription.next_timeout().map(|at| self.instants.moment(at).max(self.now));
        let consumer = &mut self.consumers[number];
        if let Some(due) = due.filter(|due| consumer.wake_at.is_none_or(|at| *due < at)) {
            consumer.wake_at = Some(due);
            self.queue.plan(due, Event::Wake { client: ClientId::Consumer(number) });
        }
    }
}
