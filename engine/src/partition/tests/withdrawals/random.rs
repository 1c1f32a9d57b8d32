//! Any commands in any order: nothing panics, money is conserved, a snapshot is the state, and at most one transaction
//! of a withdrawal is ever booked.

use proptest::prelude::*;
use wire::command::{AllocateWithdrawal, ReportWithdrawal};
use wire::{
    ChainFreeze, ChainInputs, Command, Event, Sighting, WithdrawalCause, WithdrawalPurpose, WithdrawalRules,
    WithdrawalStage,
};

use super::super::world::{Layout, amount};
use super::batches::{gather, of_outputs, release};
use super::bed::*;
use super::children::{moving, spending, wanted};

fn command() -> impl Strategy<Value = Command> {
    let number = 1..5_u64;
    let attempt = 1..4_u8;
    let outputs = prop::sample::select(vec![vec![0], vec![1], vec![0, 1], vec![1, 0], vec![2], vec![0, 1, 2]]);
    prop_oneof![
        2 => (1..4, 4..12_i64).prop_map(|(name, units)| request(&format!("w{name}"), units)),
        2 => (number.clone(), prop::sample::select(vec!["dana", "evan"])).prop_map(|(at, who)| approve(at, who)),
        1 => (number.clone(), prop::sample::select(vec!["alice", "bob", "operator"])).prop_map(|(at, who)| cancel(at, who)),
        8 => (number.clone(), attempt.clone(), outputs, 1..9_u128)
            .prop_map(|(at, attempt, outputs, fee)| allocate(at, attempt, &outputs, fee * 997)),
        2 => (number.clone(), attempt.clone(), 0..2_u64, 1..9_u128).prop_map(|(at, attempt, nonce, fee)| {
            let inputs = ChainInputs::EMPTY;
            say(AllocateWithdrawal { inputs, nonce, gas_limit: 1, ..allocation(at, attempt, &[], fee * 997) })
        }),
        2 => (0..3_u64, 0..4_u64).prop_map(|(turn, parent)| moving(wanted(turn, parent, 1))),
        4 => (0..3_u64, prop::sample::select(vec![vec![1, 2], vec![1, 3], vec![2, 3], vec![1, 2, 3], vec![3, 4]]))
            .prop_map(|(turn, members)| gather(turn, &members)),
        1 => number.clone().prop_map(release),
        // Of an output's 600,000, less four to nine of the ledger's units or nothing, less a fee.
        4 => (number.clone(), attempt.clone(), number.clone(), attempt.clone(), (3..12_u64, 1..9_u64), 1..4_u128).prop_map(
            |(at, attempt, parent, of, (given, paid), fee)| {
                let given = if given == 3 { 0 } else { given * 1_000 };
                say(spending(at, attempt, (parent, of), 600_000 - given - paid * 997, fee * 997))
            }
        ),
        8 => (number.clone(), attempt.clone()).prop_map(|(at, attempt)| sign(at, attempt)),
        1 => (number.clone(), attempt.clone()).prop_map(|(at, attempt)| refuse(at, attempt)),
        20 => (number.clone(), attempt, prop::sample::select(Sighting::ALL), 0..4_u32, 0..9_u128).prop_map(
            |(at, attempt, what, confirmations, fee)| {
                let network_fee = fee * 499;
                report(ReportWithdrawal { network_fee, ..sighting(at, attempt, what, confirmations) })
            }
        ),
        1 => number.prop_map(|at| Command::FailWithdrawal(wire::command::FailWithdrawal { withdrawal: id(at) })),
        1 => prop::sample::select(vec![ChainFreeze::Thawed, ChainFreeze::Dissent]).prop_map(|why| freeze(0, why)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_said_in_whatever_order_money_is_conserved_and_one_transaction_is_booked(
        commands in prop::collection::vec(command(), 1..120),
    ) {
        let reviewed = WithdrawalRules { review_from: amount(9), approvals: 2, ..rules() };
        let mut world = of_outputs(Layout::Joint, reviewed);
        for (at, command) in commands.into_iter().enumerate() {
            world.settle(command);
            world.assert_settled();
            if at % 10 == 0 {
                world.restart_all();
            }
        }
        world.restart_all();
        let mut settled = [0_usize; 8];
        let mut rows = std::collections::BTreeMap::new();
        for event in &world.private {
            if let Event::WithdrawalChanged(row) = event {
                let before = rows.insert(row.withdrawal, **row);
                let was_final = before.is_some_and(|before| before.stage.is_final());
                prop_assert!(!was_final || before.is_some_and(|before| before.stage == row.stage));
                if row.stage == WithdrawalStage::Settled && !was_final {
                    settled[row.withdrawal.get() as usize] += 1;
                }
            }
        }
        prop_assert!(settled.iter().all(|times| *times <= 1));
        for row in rows.values().filter(|row| row.batch.get() != 0) {
            let batch = &rows[&row.batch];
            prop_assert_eq!((row.stage, row.cause, row.tx), (batch.stage, batch.cause, batch.tx));
        }
        for batch in rows.values().filter(|row| row.purpose == WithdrawalPurpose::Batch) {
            let members = rows.values().filter(|row| row.batch == batch.withdrawal);
            let sum: i64 = members.map(|row| row.amount.units()).sum();
            let is_left = batch.stage == WithdrawalStage::Canceled || batch.cause == WithdrawalCause::SignerRefused;
            prop_assert!(is_left && sum == 0 || sum == batch.amount.units());
        }
        let held: i64 = rows.values().filter(|row| !row.stage.is_final() && !row.purpose.is_of_house())
            .map(|row| row.amount.units() + row.fee.units()).sum();
        prop_assert_eq!(has(&world, "alice").1, held);
        let of_house: i64 = rows.values().map(|row| row.house_held.units()).sum();
        prop_assert_eq!(has(&world, "carol").1, of_house);
    }
}
