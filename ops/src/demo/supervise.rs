//! The demo after its banner: shows what becomes of the processes and who leads, starts the gateway and the bots
//! again, does what `mainstay ctl` asks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::chain::CHAIN_NODES;
use super::children::{Exited, Role, describe};
use super::control::{Action, Answer, Ask, Asked};
use super::outside::{self, Outside};
use super::told::{binary, leader};
use super::trouble::{self, Told};
use super::{Demo, Ends};
use crate::operator::Operator;
use crate::report;

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often nodes are asked whether they are ready.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// A process that ended is started again after this; doubled while it keeps ending.
const RESTART_FIRST: Duration = Duration::from_millis(200);
const RESTART_LONGEST: Duration = Duration::from_secs(10);
/// How long a node that is to be started may take to end first.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// One that has run this long has not just kept ending.
const STABLE: Duration = Duration::from_secs(30);

/// What is known beyond the processes themselves.
struct Watch {
    leaders: BTreeMap<u16, Option<u64>>,
    restarts: BTreeMap<Role, Restart>,
    /// Nodes that were started and are not ready yet.
    rejoining: Vec<(u64, u32)>,
    /// What keeps nodes from serving, as far as it has been told.
    told: Told,
    told_outside: outside::Told,
    /// Nodes that are to be started once their last process is gone.
    starts: Vec<Start>,
}

struct Start {
    id: u64,
    reply: oneshot::Sender<Answer>,
    give_up: Instant,
}

#[derive(Clone, Copy)]
struct Restart {
    due: Option<Instant>,
    wait: Duration,
    started: Instant,
}

impl Demo {
    /// Watches until it is asked to end.
    pub(super) async fn supervise(
        &mut self,
        operator: &Operator,
        ends: &mut Ends,
        mut asks: mpsc::Receiver<Asked>,
    ) -> miette::Result<()> {
        let partitions: Vec<u16> = self.layout.partitions().iter().map(|partition| partition.partition).collect();
        let leaders = partitions.iter().map(|partition| (*partition, leader(operator, *partition))).collect();
        let mut watch = Watch {
            leaders,
            restarts: BTreeMap::new(),
            rejoining: Vec::new(),
            told: Told::default(),
            told_outside: outside::Told::default(),
            starts: Vec::new(),
        };
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ask = tokio::time::interval(ASK_EVERY);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // One question at a time: what is not taken yet is waited for.
        let (reasons, mut are_told) = mpsc::channel(1);
        let (ready, mut is_ready) = mpsc::channel(16);
        // After a promotion the operator that the demo began with speaks for the old life.
        let (connected, mut is_connected) = mpsc::channel(1);
        let mut of_new_life: Option<Operator> = None;
        loop {
            tokio::select! {
                () = ends.asked() => return Ok(()),
                Some(exited) = self.ended.recv() => {
                    self.on_exited(exited, &mut watch);
                    self.answer_starts(&mut watch);
                }
                Some((ask, reply)) = asks.recv() => {
                    match self.follow_life() {
                        Ok(true) => {
                            let (cluster, connected) = (self.cluster(), connected.clone());
                            tokio::spawn(async move {
                                loop {
                                    match Operator::connect(&cluster).await {
                                        Ok(operator) => return drop(connected.send(operator).await),
                                        Err(error) => tracing::warn!(%error, "the new life has no leader yet"),
                                    }
                                    tokio::time::sleep(Duration::from_secs(1)).await;
                                }
                            });
                        }
                        Ok(false) => {}
                        Err(error) => self.console.say(&report::in_a_line(&error)),
                    }
                    self.on_asked(ask, reply, &mut watch);
                }
                Some(operator) = is_connected.recv() => of_new_life = Some(operator),
                Some((id, pid)) = is_ready.recv() => {
                    if self.children.pid(Role::Node(id)) == Some(pid) {
                        self.console.say(&format!("node-{id} (pid {pid}) has caught up and stands by."));
                    }
                }
                _ = ask.tick() => {
                    if let Ok(place) = reasons.clone().try_reserve_owned() {
                        let outside = Outside {
                            layout: self.layout.clone(),
                            has_history: self.args.history.is_some(),
                            backup: self.args.backup.clone(),
                        };
                        tokio::spawn(async move {
                            let (said, troubles) = tokio::join!(trouble::reasons(&outside.layout), outside.troubles());
                            place.send((said, troubles, outside))
                        });
                    }
                }
                Some((said, troubles, outside)) = are_told.recv() => {
                    let news = watch.told.news(&said).into_iter();
                    let of_outside = watch.told_outside.news(&outside, &troubles, Instant::now());
                    news.chain(of_outside).for_each(|news| self.console.say(&news));
                }
                _ = look.tick() => {
                    self.show_leaders(of_new_life.as_ref().unwrap_or(operator), &mut watch);
                    self.restart_due(&mut watch);
                    self.answer_starts(&mut watch);
                    for (id, pid) in watch.rejoining.drain(..) {
                        let Some(place) = self.layout.node(id) else { continue };
                        let page = format!("http://{}/readyz", place.http);
                        let ready = ready.clone();
                        tokio::spawn(async move {
                            if tokio::time::timeout(Duration::from_secs(120), super::wait_for(&page, |_| true)).await.is_ok() {
                                let _ = ready.send((id, pid)).await;
                            }
                        });
                    }
                }
            }
        }
    }

    fn on_exited(&mut self, exited: Exited, watch: &mut Watch) {
        self.children.on_exited(&exited);
        let Exited { role, pid, status, errors } = exited;
        let how = describe(status);
        let errors = match errors.trim_end() {
            "" => String::new(),
            errors => format!("\n{errors}"),
        };
        match role {
            // It has left the cluster.
            Role::Node(id) if self.layout.node(id).is_none() => self.console.say(&format!("{role} (pid {pid}) {how}.")),
            Role::Node(id) => {
                let binary = binary();
                self.console
                    .say(&format!("{role} (pid {pid}) {how}. Start it again: {binary} ctl node start {id}{errors}"));
            }
            Role::Gateway | Role::Bots | Role::Chainwatch | Role::ChainNode(_) | Role::Signer => {
                let now = Instant::now();
                let before = watch.restarts.get(&role);
                let wait = match before {
                    Some(before) if now - before.started < STABLE => (before.wait * 2).min(RESTART_LONGEST),
                    _ => RESTART_FIRST,
                };
                watch.restarts.insert(role, Restart { due: Some(now + wait), wait, started: now });
                self.console.say(&format!("{role} (pid {pid}) {how}; it is started again.{errors}"));
            }
        }
    }

    fn restart_due(&mut self, watch: &mut Watch) {
        let now = Instant::now();
        let due: Vec<Role> = watch
            .restarts
            .iter()
            .filter(|(_, restart)| restart.due.is_some_and(|due| due <= now))
            .map(|(role, _)| *role)
            .collect();
        for role in due {
            if let Some(restart) = watch.restarts.get_mut(&role) {
                *restart = Restart { due: None, started: now, ..*restart };
            }
            match self.start(role) {
                Ok(pid) => {
                    self.console.say(&format!("{role} runs again (pid {pid})."));
                    self.tell_state();
                }
                Err(error) => {
                    self.console.say(&format!("{role} cannot be started again: {}", report::in_a_line(&error)))
                }
            }
        }
    }

    fn show_leaders(&self, operator: &Operator, watch: &mut Watch) {
        let Watch { leaders, told, .. } = watch;
        for (partition, known) in leaders {
            let now = leader(operator, *partition);
            if told.is_leaderless(*partition, now.is_some(), Instant::now()) {
                let cells = self.layout.describe(*partition);
                self.console.say(&format!("partition {partition} ({cells}) has no leader: orders there wait."));
                // Whoever leads next is news.
                *known = None;
            }
            // While there is none, the last one is still the news.
            if now.is_some() && now != *known {
                let cells = self.layout.describe(*partition);
                let id = now.unwrap_or_default();
                self.console.say(&format!("partition {partition} ({cells}) is led by node-{id} now."));
                *known = now;
            }
        }
    }

    fn on_asked(&mut self, ask: Ask, reply: oneshot::Sender<Answer>, watch: &mut Watch) {
        if let Ask::Node { action: Action::Start, id } = ask
            && self.children.pid(Role::Node(id)).is_some()
        {
            // It was killed a moment ago, perhaps: the system takes its time to say so.
            watch.starts.push(Start { id, reply, give_up: Instant::now() + ENDS_WITHIN });
            return;
        }
        if let Ask::Pay { address, amount } = ask {
            return self.pay(address, amount, reply);
        }
        // Whoever asked may have gone.
        let _ = reply.send(self.answer(ask, watch));
    }

    /// The chain's nodes take their time; nobody else waits for them.
    fn pay(&self, address: String, amount: String, reply: oneshot::Sender<Answer>) {
        let Some(faucet) = self.faucet.clone() else {
            let _ = reply.send(Answer::Refused("this demo has no chain: deposits are disabled".into()));
            return;
        };
        tokio::spawn(async move {
            let answer = match faucet.pay(&address, &amount).await {
                Ok(id) => Answer::Done(format!("{amount} to {address} in transaction {id}, mined within two seconds")),
                Err(error) => Answer::Refused(report::in_a_line(&error)),
            };
            let _ = reply.send(answer);
        });
    }

    fn answer_starts(&mut self, watch: &mut Watch) {
        let now = Instant::now();
        for start in std::mem::take(&mut watch.starts) {
            if self.children.pid(Role::Node(start.id)).is_some() && now < start.give_up {
                watch.starts.push(start);
                continue;
            }
            // Whoever asked may have gone.
            let _ = start.reply.send(self.start_node(start.id, watch));
        }
    }

    fn answer(&mut self, ask: Ask, watch: &mut Watch) -> Answer {
        let (action, id) = match ask {
            Ask::Processes => {
                let nodes = self.layout.nodes.iter().map(|place| Role::Node(place.id));
                let chain_nodes = self.chain.iter().flat_map(|_| (1..=CHAIN_NODES).map(Role::ChainNode));
                let chainwatch = self.chain.iter().flat_map(|_| [Role::Chainwatch, Role::Signer]);
                let bots = (!self.args.no_bots).then_some(Role::Bots);
                let roles = nodes.chain([Role::Gateway]).chain(bots).chain(chainwatch).chain(chain_nodes);
                return Answer::Processes(roles.map(|role| (role.to_string(), self.children.pid(role))).collect());
            }
            Ask::Binary { id, path } => return self.binary_of(id, path),
            Ask::Node { action, id } => (action, id),
            Ask::Join { id } => return self.join(id),
            Ask::Leave { id } => return self.leave(id),
            Ask::Pay { .. } => return Answer::Refused("payments are not answered here".into()),
        };
        if self.layout.node(id).is_none() {
            let ids: Vec<String> = self.layout.nodes.iter().map(|place| place.id.to_string()).collect();
            return Answer::Refused(format!("the demo has the nodes {}, no node {id}", ids.join(", ")));
        }
        let role = Role::Node(id);
        let signal = match action {
            Action::Start => return self.start_node(id, watch),
            Action::Stop => Signal::SIGTERM,
            Action::Kill => Signal::SIGKILL,
            Action::Pause => Signal::SIGSTOP,
            Action::Resume => Signal::SIGCONT,
        };
        match self.children.pid(role) {
            Some(pid) if self.children.signal(role, signal) => {
                self.console.say(&format!("{role} (pid {pid}) was sent {signal}."));
                Answer::Done(format!("{role} (pid {pid}) was sent {signal}"))
            }
            _ => Answer::Refused(format!("{role} does not run")),
        }
    }

    fn binary_of(&mut self, id: u64, path: Option<PathBuf>) -> Answer {
        let role = Role::Node(id);
        if self.layout.node(id).is_none() {
            return Answer::Refused(format!("the demo has no node {id}"));
        }
        let before = self.children.binary(role).to_owned();
        if let Some(path) = path {
            self.console.say(&format!("{role} is started with {} from now on.", path.display()));
            self.children.use_binary(role, path);
        }
        Answer::Binary(before)
    }

    fn start_node(&mut self, id: u64, watch: &mut Watch) -> Answer {
        let role = Role::Node(id);
        if let Some(pid) = self.children.pid(role) {
            return Answer::Refused(format!("{role} runs already (pid {pid})"));
        }
        match self.start(role) {
            Ok(pid) => {
                watch.rejoining.push((id, pid));
                self.console.say(&format!("{role} was started (pid {pid})."));
                self.tell_state();
                Answer::Done(format!("{role} was started (pid {pid})"))
            }
            Err(error) => Answer::Refused(report::in_a_line(&error)),
        }
    }

    /// Process ids have changed.
    pub(super) fn tell_state(&self) {
        for path in [Some(&self.home.paths.state()), self.args.state.as_ref()].into_iter().flatten() {
            if let Err(error) = self.save_state(path) {
                self.console.say(&report::in_a_line(&error));
            }
        }
    }
}
