//! Gateways, which have commands sequenced and retry as users do, and consumers, which follow events: production's
//! protocol code on both, over links that are cut and nodes that die.

mod order_entry;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use cluster_client::client::{Client, Identity, Output, ReadKey, RequestKey, SessionKey};
use cluster_client::{ClusterError, Patience, Replied};
use replicator::sim::Random;
use wire::codec::v1;
use wire::command::Reply;
use wire::link::{Hello, PROTOCOL, Role};
use wire::{
    AccountId, ClientOrderId, ClusterEpoch, Command, LogPosition, MarketId, NodeId, OrderId, PartitionId, Text,
};

use self::order_entry::Waiting;
use super::clock::Moment;
use super::front::LinkId;
use super::machine::{self, LEDGER};
use super::office::Office;
use super::queue::Event;
use super::variety::Variety;
use super::world::{World, gateway_address};

/// How long a gateway waits for a reply.
const PATIENCE: Duration = Duration::from_secs(4);
/// Who is at the client's end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientId {
    /// A gateway.
    Gateway(usize),
    /// A consumer of events.
    Consumer(usize),
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientId::Gateway(number) => write!(f, "gateway {number}"),
            ClientId::Consumer(number) => write!(f, "consumer {number}"),
        }
    }
}

/// What a gateway has asked.
struct Asked {
    command: Command,
    payload: Vec<u8>,
    /// What was committed when it was asked first.
    floor: LogPosition,
}

/// A gateway's end: the cluster's client, and users who trade through it.
pub struct Gateway {
    client: Client,
    links: BTreeMap<NodeId, LinkId>,
    wake_at: Option<Moment>,
    session: SessionKey,
    asked: BTreeMap<RequestKey, Asked>,
    reads: BTreeMap<ReadKey, (PartitionId, LogPosition)>,
    /// What became known at this moment: it may have been sent once more before that was heard.
    just_told: (Moment, Vec<Vec<u8>>),
    /// To be asked before anything new: what has no answer yet, under the same name.
    pub(super) again: VecDeque<Command>,
    /// Before trade begins: one after the other.
    script: VecDeque<Command>,
    pub(super) resting: Vec<(AccountId, MarketId, OrderId, ClientOrderId)>,
    /// Names that were given last.
    pub(super) used: VecDeque<(AccountId, ClientOrderId)>,
    pub(super) random: Random,
    pub(super) names: u64,
    pub(super) number: u64,
    pub(super) is_retired: bool,
    waiting: Option<Waiting>,
}

pub(super) fn hello(number: u64, epoch: ClusterEpoch) -> Hello {
    let name = Text::new(format!("gateway-{number}").as_bytes()).expect("a short name");
    Hello { protocol: PROTOCOL, epoch, role: Role::Operator, name, node: NodeId::new(0) }
}

fn bytes_of(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    v1::encode_command(command, &mut bytes);
    bytes
}

impl Gateway {
    /// No new commands from now on.
    pub fn retire(&mut self) {
        self.is_retired = true;
    }

    /// Its order entry, if it has that.
    pub fn office(&self) -> Option<&Office> {
        self.waiting.as_ref().map(|waiting| &waiting.office)
    }

    /// Whether everything is answered.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.again.is_empty() && self.reads.is_empty()
    }

    /// For whom something is missing.
    pub fn waits_for(&self) -> String {
        let asked = self.asked.values().map(|asked| &asked.command).chain(&self.again).next();
        format!("{} requests, {} reads, first {asked:?}", self.asked.len() + self.again.len(), self.reads.len())
    }
}

impl World {
    pub(super) fn make_clients(&mut self) {
        for number in 0..self.plan.gateways {
            let mut gateway = self.new_gateway(number as u64);
            if number == 0 {
                gateway.script = machine::set_up(self.plan.layout, self.plan.order_rate).into();
            }
            self.gateways.push(gateway);
            for partition in machine::partitions(self.plan.layout) {
                // One consumer of each partition, two of the ledger's: enough to be everywhere. Order entry reads all.
                if number == 0 || partition == LEDGER || self.has_office(number) {
                    self.make_consumer(number, partition);
                }
            }
            self.queue.plan(self.now, Event::Wake { client: ClientId::Gateway(number) });
            self.queue.plan(self.now, Event::Act { gateway: number });
        }
    }

    /// Whom clients are told of: these nodes, and those of a life before.
    pub(super) fn known_nodes(&self) -> Vec<NodeId> {
        self.strangers.keys().copied().chain(self.plan.node_ids()).collect()
    }

    /// Users go on from another world. One gateway has these commands executed before trade begins.
    pub(super) fn take_over(&mut self, old: &World, script: VecDeque<Command>, names: u64) {
        for (gateway, former) in self.gateways.iter_mut().zip(&old.gateways) {
            (gateway.names, gateway.resting) = (names, former.resting.clone());
            gateway.script.clear();
        }
        self.users.names = names;
        if let (Some(variety), Some(former)) = (&mut self.variety, &old.variety) {
            *variety = Variety::new(former.names(), former.names());
        }
        self.gateways[0].script = script;
    }

    fn new_gateway(&mut self, number: u64) -> Gateway {
        let nonce = u128::from(self.random.draw()) << 64 | u128::from(self.random.draw());
        let now = self.instants.at(self.now);
        let nodes = self.known_nodes();
        let mut client =
            Client::new(Identity { hello: hello(number, self.epoch), nonce }, &nodes, Patience::default(), now);
        let session = client.open_session(LEDGER, now);
        let waiting = self.has_office(number as usize).then(|| self.new_office());
        Gateway {
            client,
            links: BTreeMap::new(),
            wake_at: None,
            session,
            asked: BTreeMap::new(),
            reads: BTreeMap::new(),
            just_told: (0, Vec::new()),
            again: VecDeque::new(),
            script: VecDeque::new(),
            resting: Vec::new(),
            used: VecDeque::new(),
            random: Random::new(self.random.draw()),
            names: 0,
            number,
            is_retired: false,
            waiting,
        }
    }

    /// A gateway dies; another starts in its place, and its users ask again there.
    pub(super) fn replace_gateway(&mut self, number: usize) {
        if !self.gateways[number].script.is_empty() {
            return;
        }
        let mut gateway = self.new_gateway(number as u64);
        let old = &mut self.gateways[number];
        gateway.names = old.names;
        gateway.used = std::mem::take(&mut old.used);
        gateway.again = std::mem::take(&mut old.again);
        let unanswered = std::mem::take(&mut old.asked).into_values().map(|asked| asked.command);
        gateway.again.extend(unanswered.filter(|command| matches!(command, Command::NewOrder(_))));
        gateway.resting = std::mem::take(&mut old.resting);
        gateway.is_retired = old.is_retired;
        let links: Vec<LinkId> = old.links.values().copied().collect();
        self.gateways[number] = gateway;
        links.into_iter().for_each(|link| self.hang_up(link));
        self.queue.plan(self.now, Event::Wake { client: ClientId::Gateway(number) });
        if self.has_office(number) {
            self.office_is_gone(number);
            let own = (0..self.consumers.len()).filter(|consumer| self.consumers[*consumer].gateway == number);
            own.collect::<Vec<_>>().into_iter().for_each(|consumer| self.begin_anew(consumer));
        }
    }

    /// A gateway's users do something.
    pub(super) fn act(&mut self, number: usize) {
        let think = self.plan.think_ns;
        let again = self.now + think / 2 + self.gateways[number].random.below(think);
        self.queue.plan(again, Event::Act { gateway: number });
        if self.is_set_up {
            let burst = 1 + self.gateways[number].random.below(4);
            for _ in 0..burst {
                if self.has_office(number) && self.random.below(100) < self.plan.order_entry.percent {
                    self.use_office(number);
                    continue;
                }
                if self.gateways[number].asked.len() >= self.plan.window {
                    break;
                }
                let Some(command) = self.next_command(number) else { break };
                self.ask(number, command);
            }
            let is_reading = self.gateways[number].reads.len() < 2 && !self.gateways[number].is_retired;
            if is_reading && self.gateways[number].random.below(4) == 0 {
                self.read(number);
            }
        } else if self.gateways[number].asked.is_empty()
            && let Some(command) = self.gateways[number].script.front().cloned()
        {
            self.ask(number, command);
        }
        self.drain_gateway(number);
    }

    fn ask(&mut self, number: usize, command: Command) {
        let now = self.instants.at(self.now);
        let floor = self.committed(LEDGER);
        let gateway = &mut self.gateways[number];
        let payload = bytes_of(&command);
        match gateway.client.request(gateway.session, payload.clone(), now, PATIENCE) {
            Ok(request) => {
                self.checkers.refused.on_asked(&payload);
                gateway.asked.insert(request, Asked { command, payload, floor });
            }
            Err(error) => gateway.heard(command, Err(error)),
        }
    }

    fn read(&mut self, number: usize) {
        let now = self.instants.at(self.now);
        let partitions = machine::partitions(self.plan.layout);
        let partition = partitions[self.random.below(partitions.len() as u64) as usize];
        let floor = self.committed(partition);
        let gateway = &mut self.gateways[number];
        if let Ok(read) = gateway.client.read_index(partition, now, PATIENCE) {
            gateway.reads.insert(read, (partition, floor));
        }
    }

    /// Does what a gateway's client and its order entry want done.
    pub(super) fn drain_gateway(&mut self, number: usize) {
        loop {
            self.drain_client(number);
            let output = self.gateways[number].waiting.as_mut().and_then(|waiting| waiting.office.poll_output());
            match output {
                Some(output) => self.on_office_output(number, output),
                None => break,
            }
        }
        self.note_seen(number);
        let gateway = &self.gateways[number];
        let due =
            gateway.office().and_then(Office::next_timeout).into_iter().chain(gateway.client.next_timeout()).min();
        let due = due.map(|at| self.instants.moment(at).max(self.now));
        let gateway = &mut self.gateways[number];
        if let Some(due) = due.filter(|due| gateway.wake_at.is_none_or(|at| *due < at)) {
            gateway.wake_at = Some(due);
            self.queue.plan(due, Event::Wake { client: ClientId::Gateway(number) });
        }
    }

    /// Does what a gateway's client wants done.
    fn drain_client(&mut self, number: usize) {
        while let Some(output) = self.gateways[number].client.poll_output() {
            match output {
                Output::Connect(node) => {
                    let link = self.dial(ClientId::Gateway(number), gateway_address(number), node);
                    if let Some(old) = self.gateways[number].links.insert(node, link) {
                        self.hang_up(old);
                    }
                }
                Output::Send { node, bytes } => {
                    let verdict = self.gateways[number].waits_for_all_of(self.now, &bytes);
                    self.check(verdict);
                    if let Some(link) = self.gateways[number].links.get(&node).copied().filter(|link| self.is_up(*link))
                    {
                        self.send_to_node(link, bytes);
                    }
                }
                Output::Close(node) => {
                    if let Some(link) = self.gateways[number].links.remove(&node) {
                        self.hang_up(link);
                    }
                }
                Output::Replied { request, result } => self.replied(number, request, result),
                Output::Read { read, result } => self.read_is_answered(number, read, result),
                Output::LeaderChanged { partition, leader } => self.leader_known(number, partition, leader),
                // Its nodes are those of the plan, wherever logs say that they are.
                Output::Nodes { .. } | Output::MembersAnswer { .. } => {}
                Output::SessionOpened(_) => {
                    if let Some(office) = self.office(number) {
                        office.on_opened();
                    }
                }
            }
        }
    }

    fn read_is_answered(&mut self, number: usize, read: ReadKey, result: Result<LogPosition, ClusterError>) {
        if let (Some((partition, floor)), Ok(position)) = (self.gateways[number].reads.remove(&read), result) {
            let verdict = self.checkers.real_time.on_read(partition, floor, position);
            return self.check(verdict);
        }
        self.question_is_answered(number, read, result);
    }

    fn replied(&mut self, number: usize, request: RequestKey, result: Result<Replied, ClusterError>) {
        let gateway = &mut self.gateways[number];
        let of_office = gateway.waiting.as_mut().and_then(|waiting| waiting.requests.remove(&request));
        let asked = gateway.asked.remove(&request);
        let known = asked.as_ref().map(|asked| (&asked.payload, asked.floor));
        let Some((payload, floor)) = known.or(of_office.as_ref().map(|(_, payload, floor)| (payload, *floor))) else {
            return;
        };
        gateway.note_told(self.now, payload);
        self.trace.mix(match &result {
            Ok(replied) => replied.position.get(),
            Err(error) => 1 << 32 | u64::from(error.is_outcome_unknown()),
        });
        if let Ok(replied) = &result {
            self.told_at.push(self.now);
            let Replied { position, reply } = *replied;
            let history = &self.histories[&LEDGER];
            let told = self.checkers.acknowledged.on_told(number, payload, position, reply, history);
            let in_order = self.checkers.real_time.on_told(LEDGER, floor, position);
            self.check(told.and(in_order));
            self.trace.say(self.now, || format!("gateway {number} is told {reply:?} at {position}"));
        } else {
            self.trace.say(self.now, || format!("gateway {number} is told {result:?}"));
        }
        let verdict = self.checkers.refused.on_told(number, payload, result.as_ref().err());
        self.check(verdict);
        if let (Some((token, ..)), Some(office)) = (of_office, self.office(number)) {
            return office.on_replied(token, result);
        }
        let Some(asked) = asked else { return };
        let gateway = &mut self.gateways[number];
        if gateway.script.is_empty() {
            gateway.heard(asked.command, result);
        } else if let Ok(replied) = result {
            assert!(matches!(replied.reply, Reply::Accepted { .. }), "set up: {:?} for {:?}", replied, asked.command);
            gateway.script.pop_front();
            self.is_set_up |= gateway.script.is_empty();
            self.act_again(number);
        }
    }

    fn act_again(&mut self, number: usize) {
        if let Some(command) = self.gateways[number].script.front().cloned() {
            self.ask(number, command);
        }
    }

    /// A gateway has learned who leads: so have its consumers.
    fn leader_known(&mut self, number: usize, partition: PartitionId, leader: Option<NodeId>) {
        self.say_leader(ClientId::Gateway(number), partition, leader);
        let now = self.instants.at(self.now);
        for consumer in 0..self.consumers.len() {
            if (self.consumers[consumer].gateway, self.consumers[consumer].partition) == (number, partition) {
                self.consumers[consumer].subscription.on_leader(leader, now);
                self.drain_consumer(consumer);
            }
        }
    }

    pub(super) fn wake_client(&mut self, client: ClientId) {
        let now = self.instants.at(self.now);
        match client {
            ClientId::Gateway(number) => {
                let gateway = &mut self.gateways[number];
                if gateway.wake_at.is_none_or(|at| at <= self.now) {
                    gateway.wake_at = None;
                    gateway.client.on_timeout(now);
                    // What is due of order entry is done by telling it the time.
                    self.office(number);
                    self.drain_gateway(number);
                }
            }
            ClientId::Consumer(number) => {
                let consumer = &mut self.consumers[number];
                if consumer.wake_at.is_none_or(|at| at <= self.now) {
                    consumer.wake_at = None;
                    consumer.subscription.on_timeout(now);
                    self.drain_consumer(number);
                }
            }
        }
    }

    pub(super) fn connected(&mut self, link: LinkId) {
        let now = self.instants.at(self.now);
        let (client, node) = (self.links[&link].client, self.links[&link].node);
        match client {
            ClientId::Gateway(number) => {
                if self.gateways[number].links.get(&node) == Some(&link) {
                    self.gateways[number].client.on_connected(node, now);
                    self.drain_gateway(number);
                }
            }
            ClientId::Consumer(number) => {
                let consumer = &mut self.consumers[number];
                if consumer.link == Some(link) {
                    consumer.subscription.on_connected(now);
                    self.drain_consumer(number);
                } else if consumer.beside == Some(link) {
                    consumer.beside = None;
                    let over = match consumer.subscription.on_beside(node, now) {
                        true => consumer.link.replace(link),
                        false => Some(link),
                    };
                    over.into_iter().for_each(|link| self.hang_up(link));
                    self.drain_consumer(number);
                }
            }
        }
    }

    pub(super) fn on_client_bytes(&mut self, link: LinkId, bytes: &[u8]) {
        let now = self.instants.at(self.now);
        self.trace.mix_bytes(bytes);
        let (client, node) = (self.links[&link].client, self.links[&link].node);
        match client {
            ClientId::Gateway(number) => {
                if self.gateways[number].links.get(&node) == Some(&link) {
                    self.gateways[number].client.on_bytes(node, bytes, now);
                    self.drain_gateway(number);
                }
            }
            ClientId::Consumer(number) => {
                if self.consumers[number].link == Some(link) {
                    self.consumers[number].subscription.on_bytes(bytes, now);
                    self.drain_consumer(number);
                }
            }
        }
    }

    /// The client's end of a link notices that it is over, or never was.
    pub(super) fn close_at_client(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let now = self.instants.at(self.now);
        let (client, node) = (link.client, link.node);
        self.hang_up(id);
        match client {
            ClientId::Gateway(number) => {
                if self.gateways[number].links.get(&node) == Some(&id) {
                    self.gateways[number].links.remove(&node);
                    self.gateways[number].client.on_closed(node, now);
                    self.drain_gateway(number);
                }
            }
            ClientId::Consumer(number) => {
                let consumer = &mut self.consumers[number];
                if consumer.link == Some(id) {
                    consumer.link = None;
                    consumer.subscription.on_closed(now);
                    self.drain_consumer(number);
                } else if consumer.beside == Some(id) {
                    consumer.beside = None;
                    consumer.subscription.on_not_beside(node, now);
                    self.drain_consumer(number);
                }
            }
        }
    }
}
