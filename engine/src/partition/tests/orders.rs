//! What becomes of orders.

use super::world::check;

#[test]
fn limit_orders_trade_by_price_then_time_at_the_makers_price() {
    check(
        "alice sell 5 @ 100 gtc       -> accepted 1, rests 1 5
         carol sell 5 @ 100 gtc       -> accepted 2, rests 2 5
         alice sell 5 @ 98 gtc        -> accepted 3, rests 3 5
         bob buy 12 @ 102 gtc         -> accepted 4, fill 4 5@98, filled 3 5@98, fill 4 5@100, filled 1 5@100, filled 4 2@100, fill 2 2@100 fee 2
         alice has                    -> 990+0 base, 100990+0 quote
         bob has                      -> 1012+0 base, 98810+0 quote
         carol has                    -> 995+3 base, 100198+0 quote",
    );
}
