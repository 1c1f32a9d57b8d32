//! From wide integers, in which the model calculates, to the units of `wire`.

use wire::{Amount, Price, Qty};

/// A price that is one.
pub(super) fn price(units: i128) -> Price {
    i64::try_from(units).ok().and_then(Price::new).expect("a price")
}

/// A quantity that is one.
pub(super) fn qty(units: i128) -> Qty {
    i64::try_from(units).ok().and_then(Qty::new).expect("a quantity")
}

/// An amount that is one.
pub(super) fn amount(units: i128) -> Amount {
    Amount::from_wide(units).expect("an amount")
}

/// The units of a price.
pub(super) fn of(price: Price) -> i128 {
    price.units().into()
}

/// The units of a quantity.
pub(super) fn whole(qty: Qty) -> i128 {
    qty.units().into()
}
