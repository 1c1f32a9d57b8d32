//! The table against one that keeps everything by everything.

use proptest::prelude::*;
use wire::event::OrderPending;
use wire::{Amount, OrderKind, Price, Qty, SelfTradePrevention, Side, TimeInForce, Timestamp};

use super::*;

fn order(market: u16, id: u64, name: &str) -> Order {
    let pending = OrderPending {
        order: OrderId::new(id),
        account: wire::AccountId::new(1),
        market: MarketId::new(market),
        side: Side::Buy,
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Gtc,
        self_trade: SelfTradePrevention::None,
        price: Price::MIN,
        qty: Qty::ZERO,
        quote_qty: Amount::ZERO,
        client_order_id: ClientOrderId::new(name.as_bytes()).unwrap(),
    };
    Order::new(&pending, Timestamp::ZERO)
}

/// What the table must be like.
#[derive(Default)]
struct Plain {
    orders: BTreeMap<(MarketId, OrderId), Order>,
    names: BTreeMap<(MarketId, ClientOrderId), OrderId>,
    open: BTreeSet<(MarketId, OrderId)>,
    closed: Vec<(MarketId, OrderId)>,
}

impl Plain {
    fn insert(&mut self, order: Order) {
        self.names.insert((order.market, order.client_order_id), order.id);
        self.open.insert((order.market, order.id));
        self.orders.insert((order.market, order.id), order);
    }

    fn rename(&mut self, market: MarketId, id: OrderId, name: ClientOrderId) {
        let Some(order) = self.orders.get_mut(&(market, id)) else { return };
        let before = std::mem::replace(&mut order.client_order_id, name);
        if self.names.get(&(market, before)) == Some(&id) {
            self.names.remove(&(market, before));
        }
        self.names.insert((market, name), id);
    }

    fn close(&mut self, market: MarketId, id: OrderId, closed_max: usize) {
        if self.open.remove(&(market, id)) {
            self.closed.push((market, id));
        }
        while self.closed.len() > closed_max {
            let order = self.orders.remove(&self.closed.remove(0)).unwrap();
            let name = (order.market, order.client_order_id);
            if self.names.get(&name) == Some(&order.id) {
                self.names.remove(&name);
            }
        }
    }
}

proptest! {
    #[test]
    fn orders_are_found_by_id_and_by_name_until_they_are_forgotten(
        steps in prop::collection::vec((0..4_u8, 1..3_u16, 0..12_usize, 0..20_u64), 1..400),
    ) {
        let (mut table, mut plain, mut last) = (Orders::default(), Plain::default(), 0);
        for (what, market, name, back) in steps {
            let (market, id) = (MarketId::new(market), OrderId::new(1 + last - back.min(last)));
            let name = format!("name-{name}");
            let named = ClientOrderId::new(name.as_bytes()).unwrap();
            match what {
                0 | 1 => {
                    last += 1;
                    table.insert(order(market.get(), last, &name));
                    plain.insert(order(market.get(), last, &name));
                }
                2 => {
                    if let Some(order) = table.get_mut(market, id) {
                        order.client_order_id = named;
                        table.rename(market, id, named);
                    }
                    plain.rename(market, id, named);
                }
                _ => {
                    table.close(market, id, 5);
                    plain.close(market, id, 5);
                }
            }
            for market in [MarketId::new(1), MarketId::new(2)] {
                for name in 0..12 {
                    let name = ClientOrderId::new(format!("name-{name}").as_bytes()).unwrap();
                    let known = plain.names.get(&(market, name)).and_then(|id| plain.orders.get(&(market, *id)));
                    prop_assert_eq!(table.named(market, &name), known);
                }
                for id in 0..=last {
                    let id = OrderId::new(id);
                    let known = plain.orders.get_mut(&(market, id));
                    prop_assert_eq!(table.get(market, id), known.as_deref());
                    prop_assert_eq!(table.get_mut(market, id), known);
                }
                let all: Vec<&Order> = plain.orders.values().filter(|order| order.market == market).collect();
                prop_assert_eq!(table.in_market(market, OrderId::ZERO).collect::<Vec<_>>(), all);
            }
            let open: Vec<&Order> = plain.open.iter().map(|key| &plain.orders[key]).collect();
            prop_assert_eq!(table.open(None).collect::<Vec<_>>(), open);
            prop_assert_eq!(table.open_len(), plain.open.len());
        }
    }
}
