//! Users of gateways' order entry: they place, cancel, amend and replace orders in words, look at them, hang up, and when
//! they are not told what became of an order they ask again, at whichever gateway: for its status by the name that they gave
//! it, or for the same order once more.

mod reading;
mod requests;

use std::collections::{BTreeMap, VecDeque};

use gateway::auth::Caller;
use gateway::errors::ApiError;
use gateway::params::Params;
use gateway::{Answer, Limits};
use replicator::sim::Random;
use serde_json::Value;
use wire::command::Permissions;
use wire::{AccountId, ApiKeyText, ClientOrderId, LogPosition, MarketId, OrderId, decimal};

use self::reading::{OUTCOME_WAIT, Reading};
use self::requests::{Resting, What, Wish, words};
use super::checkers::{Asked, Verdict};
use super::clock::{MS, Moment, SECOND};
use super::machine::{self, DECIMALS, LEDGER, RICH};
use super::office::Call;
use super::swarm::{Layout, OrderEntry};
use super::world::World;

/// Orders whose end a user may think of.
const REMEMBERED_MAX: usize = 40;
/// Names that a user may give once more.
const USED_MAX: usize = 32;
/// A private read waits for the cluster this long.
const READ_TIMEOUT: u64 = SECOND;

struct Ask {
    what: What,
    asked: Asked,
    at: Moment,
    /// Terms that had a leader by then.
    terms: usize,
    reading: Reading,
}

/// See the module.
pub struct Users {
    random: Random,
    /// Numbers that names were made of.
    pub names: u64,
    last_us: u64,
    asking: BTreeMap<(usize, Call), Ask>,
    /// Of which nobody knows what became of them, and the gateway that was asked last.
    doubts: VecDeque<(Wish, usize)>,
    resting: Vec<Resting>,
    /// Names that were given last.
    used: VecDeque<(AccountId, MarketId, ClientOrderId)>,
    is_retired: bool,
    /// Answers that they were given, and how many of those left an outcome open.
    pub told: (u64, u64),
}

impl Users {
    pub fn new(random: Random) -> Users {
        Users {
            random,
            names: 0,
            last_us: 0,
            asking: BTreeMap::new(),
            doubts: VecDeque::new(),
            resting: Vec::new(),
            used: VecDeque::new(),
            is_retired: false,
            told: (0, 0),
        }
    }

    /// They want nothing new from now on.
    pub fn retire(&mut self) {
        self.is_retired = true;
    }

    /// What they still wait for.
    pub fn wait_for(&self) -> Option<String> {
        let asking = self.asking.iter().next().map(|((gateway, _), ask)| format!("{:?} at {gateway}", ask.what));
        let doubt = || self.doubts.front().map(|(wish, _)| format!("{wish:?}, which may have become an order"));
        asking.or_else(doubt)
    }

    /// One in so many times.
    fn one_in(&mut self, times: u64) -> bool {
        self.random.below(times) == 0
    }

    /// What is asked at a gateway and not answered.
    fn asking_at(&mut self, number: usize) -> impl Iterator<Item = &mut Ask> {
        self.asking.range_mut((number, Call::FIRST)..(number + 1, Call::FIRST)).map(|(_, ask)| ask)
    }

    /// The newest request of all.
    pub fn newest(&self) -> u64 {
        self.last_us
    }

    /// A gateway's question to the ledger's leader, put when `newest` was the newest request, is answered.
    pub fn on_read(&mut self, number: usize, newest: u64, position: LogPosition) {
        let asking = self.asking_at(number).filter(|ask| ask.asked.asked_us <= newest);
        asking.for_each(|ask| ask.reading.on_answer(position));
    }

    /// A gateway has read the ledger up to here.
    pub fn on_seen(&mut self, number: usize, seen: LogPosition, now: Moment) {
        self.asking_at(number).for_each(|ask| ask.reading.on_seen(seen, now));
    }

    fn account(&mut self, accounts: u32) -> AccountId {
        AccountId::new(1 + self.random.below(u64::from(accounts)) as u32)
    }

    fn market(&mut self) -> MarketId {
        MarketId::new(1 + self.random.below(2) as u16)
    }

    fn wish(&mut self, account: AccountId, market: MarketId) -> Wish {
        let scale = machine::scale();
        let is_buy = self.one_in(2);
        let side = if is_buy { "BUY" } else { "SELL" };
        // As other clients do: buyers mostly offer less than sellers ask.
        let price = (196 + self.random.below(9) as i64) * 5 + if is_buy { -15 } else { 15 };
        let price = decimal::format(price, scale.price_decimals, 0);
        let qty = decimal::format((2 + self.random.below(20) as i64) * 2, scale.qty_decimals, 0);
        let spend = decimal::format((10 + self.random.below(300) as i64) * 1_000, DECIMALS, 0);
        let time_in_force = ["GTC", "GTC", "GTC", "IOC", "FOK"][self.random.below(5) as usize];
        let kind = match self.random.below(10) {
            0..=5 => format!("type=LIMIT&timeInForce={time_in_force}&quantity={qty}&price={price}"),
            6 => format!("type=LIMIT_MAKER&quantity={qty}&price={price}"),
            7 => format!("type=MARKET&quoteOrderQty={spend}"),
            _ => format!("type=MARKET&quantity={qty}"),
        };
        let prevention = ["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH"][self.random.below(4) as usize];
        let response = ["FULL", "RESULT", "ACK"][self.random.below(3) as usize];
        let words = format!("side={side}&{kind}&selfTradePreventionMode={prevention}&newOrderRespType={response}");
        self.names += 1;
        let name = format!("u-{}", self.names);
        let name = (self.random.below(5) > 0).then(|| ClientOrderId::new(name.as_bytes()).expect("a short name"));
        // Some names have been given before: whoever has such a one is no other order.
        let used = self
            .used
            .get(self.random.below(12 * USED_MAX as u64) as usize)
            .filter(|used| (used.0, used.1) == (account, market));
        let name = used.map_or(name, |used| Some(used.2));
        if let Some(name) = name {
            self.used.truncate(USED_MAX - 1);
            self.used.push_front((account, market, name));
        }
        Wish { account, market, name, words, meant: None }
    }

    fn next(&mut self, layout: Layout, gateway: usize, plan: &OrderEntry) -> Option<What> {
        let offices = plan.offices;
        // First what is in doubt, mostly at another gateway than the one that did not answer.
        let asked_last = self.doubts.front().map(|(_, asked)| *asked);
        if let Some(asked) = asked_last
            && (asked != gateway || offices == 1 || self.one_in(4))
            && (self.is_retired || self.one_in(2))
        {
            let (mut wish, _) = self.doubts.pop_front().expect("it is there");
            if !self.is_retired && self.one_in(4) {
                // In other words it is another order, which the name is not of.
                let other = self.wish(wish.account, wish.market).words;
                wish.meant = Some(std::mem::replace(&mut wish.words, other));
                return Some(What::Place { wish, is_again: true, is_retry: true });
            }
            return Some(match self.random.below(5) {
                0 | 1 => What::Status { wish },
                2 => What::Place { wish, is_again: true, is_retry: false },
                _ => What::Place { wish, is_again: true, is_retry: true },
            });
        }
        if self.is_retired {
            return None;
        }
        if plan.looks > 0 && self.random.below(100) < plan.looks {
            let account = self.account(if layout == Layout::Joint { RICH + 1 } else { RICH });
            return Some(if self.one_in(2) { What::Open { account } } else { What::Balances { account } });
        }
        let draw = self.random.below(100);
        if draw < 34 && !self.resting.is_empty() {
            let at = self.random.below(self.resting.len() as u64) as usize;
            let of = self.resting.swap_remove(at);
            return Some(match draw {
                // What both depend on, what is left of the order, the split layout's ledger knows later than the model does.
                0..=4 if layout == Layout::Joint => What::Amend { of },
                5..=9 if layout == Layout::Joint => What::Replace { of, wish: self.wish(of.account, of.market) },
                _ => What::Cancel { of, is_by_name: draw < 20 },
            });
        }
        let account = self.account(if layout == Layout::Joint { RICH + 1 } else { RICH });
        let market = self.market();
        Some(match draw {
            34..=37 => What::Open { account },
            38 => What::CancelAll { account, market },
            39..=42 => What::Balances { account },
            _ => What::Place { wish: self.wish(account, market), is_again: false, is_retry: false },
        })
    }
}

/// Whether the outcome is open after this error.
fn is_unknown(error: &ApiError) -> bool {
    matches!(error.code, -1006 | -1007)
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("a user is told what is no JSON ({error}): {text}"))
}

/// Bounds of a simulated gateway.
pub(super) fn limits(plan: &OrderEntry) -> Limits {
    Limits {
        order_timeout: std::time::Duration::from_nanos(plan.order_timeout_ns),
        read_timeout: std::time::Duration::from_nanos(READ_TIMEOUT),
        outcome_wait: std::time::Duration::from_nanos(OUTCOME_WAIT),
        ..Limits::default()
    }
}

impl World {
    /// A user does something at this gateway.
    pub(super) fn use_office(&mut self, number: usize) {
        if self.users.one_in(30) {
            self.hang_up_at(number);
        }
        if self.users.asking.range((number, Call::FIRST)..(number + 1, Call::FIRST)).count() >= self.plan.window {
            return;
        }
        if let Some(what) = self.users.next(self.plan.layout, number, &self.plan.order_entry) {
            self.ask_at(number, what);
        }
    }

    fn ask_at(&mut self, number: usize, what: What) {
        let (now_us, floor) = (self.now / 1_000, self.committed(LEDGER));
        let users = &mut self.users;
        users.last_us = now_us.max(users.last_us + 1);
        let asked = Asked {
            account: what.account(),
            asked_us: users.last_us,
            floor,
            after: self.checkers.orders.outcomes_told().0,
            is_late: false,
        };
        let caller = Caller {
            account: asked.account,
            key: ApiKeyText::default(),
            id: Default::default(),
            permissions: Permissions::READ_AND_TRADE,
            is_bound: false,
            asked_us: asked.asked_us,
            session: Default::default(),
        };
        let (operation, params) = words(&what);
        self.trace.say(self.now, || format!("a user asks gateway {number}: {} {} {params}", operation.0, operation.1));
        let params = Params::from_urlencoded(&params).expect("users' parameters are legal");
        let (at, terms) = (self.now, self.checkers.leadership.terms());
        let Some(office) = self.office(number) else { return };
        let call = office.on_request(caller, operation, params);
        self.users.asking.insert((number, call), Ask { what, asked, at, terms, reading: Reading::default() });
        self.drain_gateway(number);
    }

    /// A user does not wait any longer.
    fn hang_up_at(&mut self, number: usize) {
        let first = self.users.asking.range((number, Call::FIRST)..(number + 1, Call::FIRST)).next();
        let Some(key) = first.map(|(key, _)| *key) else { return };
        let ask = self.users.asking.remove(&key).expect("it is there");
        self.trace.say(self.now, || format!("a user hangs up at gateway {number}"));
        self.not_told(number, ask.what);
        if let Some(office) = self.office(number) {
            office.on_hang_up(key.1);
        }
        self.drain_gateway(number);
    }

    /// A gateway is gone, and with it whatever its users waited for.
    pub(super) fn office_is_gone(&mut self, number: usize) {
        let mut later = self.users.asking.split_off(&(number, Call::FIRST));
        let mut after = later.split_off(&(number + 1, Call::FIRST));
        self.users.asking.append(&mut after);
        later.into_values().for_each(|ask| self.not_told(number, ask.what));
    }

    /// Nobody knows what became of it.
    fn not_told(&mut self, number: usize, what: What) {
        self.users.told.1 += 1;
        match what {
            What::Place { wish, .. } | What::Status { wish } | What::Replace { wish, .. } if wish.name.is_some() => {
                self.users.doubts.push_back((wish.meant(), number));
            }
            // It may still rest.
            What::Cancel { of, .. } | What::Amend { of } => self.rests(of),
            _ => {}
        }
    }

    fn rests(&mut self, order: Resting) {
        if self.users.resting.len() < REMEMBERED_MAX {
            self.users.resting.push(order);
        }
    }

    /// A gateway answers a user.
    pub(super) fn tell_user(&mut self, number: usize, call: Call, answer: Answer) {
        let Some(Ask { what, asked, at, terms, reading }) = self.users.asking.remove(&(number, call)) else { return };
        self.users.told.0 += 1;
        let text = answer.as_ref().map_or_else(ApiError::to_json, Clone::clone);
        self.trace.mix_bytes(text.as_bytes());
        self.trace.say(self.now, || format!("gateway {number} tells a user: {text}"));
        // It waits for a reply, for an outcome, and for what it reads before and after that.
        let bound = 2 * self.plan.order_entry.order_timeout_ns + 4 * READ_TIMEOUT + 10 * MS;
        if self.now > at + bound {
            let late = (self.now - at) / MS;
            self.check(Err(format!("gateway {number} answers {what:?} after {late} ms: {text}")));
        }
        if answer.as_ref().is_err_and(is_unknown) {
            let came_to_lead = self.checkers.leadership.terms() > terms;
            let timeout_ns = self.plan.order_entry.order_timeout_ns;
            let verdict = self
                .checkers
                .progress
                .on_untold(at, timeout_ns, came_to_lead, || format!("{what:?} at gateway {number}"));
            self.check(verdict);
        }
        let asked = Asked { is_late: reading.is_late(self.now), ..asked };
        let verdict = self.hear(number, what, &asked, answer);
        self.check(verdict.map_err(|why| format!("gateway {number}, asked at {}: {why}", asked.asked_us)));
    }

    fn hear(&mut self, number: usize, what: What, asked: &Asked, answer: Answer) -> Verdict {
        let orders = &mut self.checkers.orders;
        match (what, answer) {
            (what, Err(error)) if is_unknown(&error) => self.not_told(number, what),
            (What::Place { wish, is_retry, .. }, Ok(told)) => {
                let name = wish.name.map(|name| name.to_string());
                let told = json(&told)?;
                let order = orders.placed(asked, name.as_deref(), is_retry, &told)?;
                orders.is_what_was_asked(order.order, &wish.words)?;
                self.has_placed(&wish, order.order, order.is_open, &told);
                self.look_at(&wish, order.order);
            }
            (What::Place { wish, is_again, is_retry }, Err(error)) => {
                orders.refused(asked, &error.to_json())?;
                self.checkers.rates.on_refused(asked.asked_us, error.code.into())?;
                if is_retry {
                    let was_refused = |first| orders.was_refused(first);
                    self.checkers.retries.on_refused(asked.asked_us, was_refused, &error.to_json())?;
                }
                // What became of the first is still not known.
                if is_again {
                    self.users.doubts.push_back((wish.meant(), number));
                }
            }
            (What::Status { wish }, Ok(told)) => {
                let told = json(&told)?;
                let order = orders.told(asked, &told)?;
                let name = wish.name.expect("only named orders are asked for");
                if told["clientOrderId"].as_str() != Some(name.as_str()) {
                    return Err(format!("a user asked for {name} and is told {told}"));
                }
                self.has_placed(&wish, order.order, order.is_open, &told);
            }
            (What::Status { wish }, Err(error)) if error.code == -2013 => {
                orders.missing(asked, wish.name.expect("only named orders are asked for"))?;
                // Now the name may be used, even of the same order.
                if !self.users.is_retired && self.users.one_in(2) {
                    self.ask_at(number, What::Place { wish, is_again: false, is_retry: false });
                }
            }
            (What::Status { wish }, Err(_)) => self.users.doubts.push_back((wish, number)),
            (What::Cancel { .. }, Ok(told)) => orders.canceled(asked, &json(&told)?)?,
            (What::Cancel { of, is_by_name }, Err(error)) if error.code == -2011 => {
                orders.not_open(asked, (!is_by_name).then_some(of.order), of.name)?;
            }
            (What::Cancel { of, .. } | What::Amend { of }, Err(_)) => self.rests(of),
            (What::CancelAll { .. }, Ok(told)) => {
                let told = json(&told)?;
                told.as_array().into_iter().flatten().try_for_each(|told| orders.canceled(asked, told))?;
            }
            (What::Amend { of }, Ok(told)) => {
                let told = json(&told)?;
                orders.amended(of.order, &told)?;
                let name =
                    told["amendedOrder"]["clientOrderId"].as_str().map(|name| ClientOrderId::new(name.as_bytes()));
                if let Some(Ok(name)) = name {
                    self.rests(Resting { name, ..of });
                }
            }
            (What::Replace { wish, .. }, told) => return self.hear_of_both(&wish, asked, told),
            (What::Open { .. }, Ok(told)) => orders.open(asked, &json(&told)?)?,
            (What::Balances { account }, Ok(told)) => {
                let floor = orders.floor(asked);
                if floor.is_none() && !asked.is_late {
                    return Err(format!(
                        "a user is told what account {account} has, without what it was told of: {told}"
                    ));
                }
                let floor = floor.filter(|_| !asked.is_late).unwrap_or(asked.floor);
                self.checkers.balances.told(&Asked { floor, ..*asked }, &json(&told)?)?;
            }
            (What::Look { .. }, Ok(told)) => drop(orders.told(asked, &json(&told)?)?),
            (What::Look { of }, Err(error)) if error.code == -2013 => {
                orders.unheard_of(of.order, &error.to_json())?;
            }
            (What::CancelAll { .. } | What::Open { .. } | What::Look { .. } | What::Balances { .. }, Err(_)) => {}
        }
        Ok(())
    }

    /// What became of an order that was to go, and of one that was to come.
    fn hear_of_both(&mut self, wish: &Wish, asked: &Asked, told: Answer) -> Verdict {
        let orders = &mut self.checkers.orders;
        let both = match told {
            Ok(both) => json(&both)?,
            Err(error) => match &error.data {
                Some(both) => json(both)?,
                None => {
                    orders.refused(asked, &error.to_json())?;
                    return self.checkers.rates.on_refused(asked.asked_us, error.code.into());
                }
            },
        };
        if both["cancelResult"] == "SUCCESS" {
            orders.canceled(asked, &both["cancelResponse"])?;
        }
        let new = &both["newOrderResponse"];
        if both["newOrderResult"] != "SUCCESS" {
            orders.refused(asked, &new.to_string())?;
            let code = new["code"].as_i64();
            return code.map_or(Ok(()), |code| self.checkers.rates.on_refused(asked.asked_us, code));
        }
        let order = orders.placed(asked, wish.name.map(|name| name.to_string()).as_deref(), false, new)?;
        self.has_placed(wish, order.order, order.is_open, new);
        Ok(())
    }

    fn has_placed(&mut self, wish: &Wish, order: OrderId, is_open: bool, told: &Value) {
        let name = told["clientOrderId"].as_str().map(|name| ClientOrderId::new(name.as_bytes()));
        if let Some(Ok(name)) = name.filter(|_| is_open) {
            self.rests(Resting { account: wish.account, market: wish.market, order, name });
        }
    }

    /// Some look at once whether what they were told is so, at whichever gateway, and some take their order back.
    fn look_at(&mut self, wish: &Wish, order: OrderId) {
        let (offices, draw) = (self.plan.order_entry.offices as u64, self.users.random.below(8));
        if self.users.is_retired || draw > 4 {
            return;
        }
        let number = self.users.random.below(offices) as usize;
        let of = Resting { account: wish.account, market: wish.market, order, name: ClientOrderId::EMPTY };
        let what = match draw {
            0 | 1 => What::Look { of },
            2 => What::Open { account: wish.account },
            3 => What::Balances { account: wish.account },
            _ => {
                let at = self.users.resting.iter().rposition(|resting| resting.order == order);
                let Some(at) = at else { return };
                What::Cancel { of: self.users.resting.swap_remove(at), is_by_name: order.get().is_multiple_of(2) }
            }
        };
        self.ask_at(number, what);
    }

    /// Whether every gateway has read everything that there is.
    pub(super) fn offices_lag(&self) -> Option<String> {
        let offices =
            self.gateways.iter().enumerate().filter_map(|(number, gateway)| Some((number, gateway.office()?)));
        let mut behind = offices.flat_map(|(number, office)| {
            let seen = |partition| office.exchange().seen(partition);
            self.histories.iter().map(move |(partition, history)| (number, seen(*partition), history.last_position()))
        });
        let (number, seen, last) = behind.find(|(_, seen, last): &(usize, LogPosition, LogPosition)| seen < last)?;
        Some(format!("gateway {number} has read up to {seen} of {last}"))
    }

    /// What gateways have read is what was committed.
    pub(super) fn offices_at_rest(&self) -> Verdict {
        for (number, gateway) in self.gateways.iter().enumerate() {
            let Some(office) = gateway.office() else { continue };
            let accounts = office.exchange().accounts();
            let balance = |account, asset| {
                let known = accounts.get(account).and_then(|account| account.balances.get(&asset));
                known.map_or((0, 0), |balance| (balance.free.units(), balance.held.units()))
            };
            self.checkers.balances.at_rest(number, balance)?;
            self.checkers.orders.at_rest(number, |order| {
                let known = accounts.get(order.account).and_then(|it| it.orders.get(order.market, order.order));
                known.is_some_and(|known| known.status.is_open())
            })?;
        }
        Ok(())
    }
}
