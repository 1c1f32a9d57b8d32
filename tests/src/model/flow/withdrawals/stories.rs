//! What takes many steps in order, and so would seldom come up: from its beginning to its end at once.

use wire::command::{
    AllocateWithdrawal, CancelWithdrawal, FailWithdrawal, FreezeChain, GatherWithdrawals, MoveFunds, RefuseWithdrawal,
    ReleaseWithdrawal, ReportWithdrawal, RequestWithdrawal, SignWithdrawal,
};
use wire::{
    AccountId, AssetId, BatchMembers, ChainFreeze, ChainHash, ChainInput, ChainInputs, ClientOrderId, Command,
    Sighting, TransactionBytes, WithdrawalId, WithdrawalPurpose,
};

use super::super::{Flow, HOUR_NS};
use super::{CHAIN, COIN, UNIT, address, amount, tx_of};

impl Flow {
    /// Gas goes to the first address, and a month later each request has one withdrawal forgotten that ended before; then coins
    /// are told of that came as high as that gas, or higher.
    pub(in crate::model::flow) fn gas_that_is_forgotten(&mut self) {
        let (key, amount, purpose) = (1, amount(40), WithdrawalPurpose::Gas);
        let (turn, asset, parent) = (self.moves(), AssetId::new(1), WithdrawalId::default());
        let gas =
            MoveFunds { chain: CHAIN, fence: 1, turn, asset, purpose, key, parent, address: address("of-1"), amount };
        let withdrawal = WithdrawalId::new(self.payments.len() as u64 + 1);
        let thaw = FreezeChain { chain: CHAIN, fence: 0, reason: ChainFreeze::Thawed };
        let mut story = vec![(0, Command::FreezeChain(thaw)), (0, Command::MoveFunds(Box::new(gas)))];
        story.extend([2, 3, 4, 6, 7, 7].map(|step| (0, self.step_of(withdrawal, step, 1))));
        for at in 0..16 {
            let account = self.account();
            let pause = if at == 0 { 31 * 24 * HOUR_NS } else { 0 };
            story.push((pause, Command::RequestWithdrawal(Box::new(self.request(account)))));
        }
        story.extend((0..6).map(|_| (0, Command::ReportDeposit(Box::new(self.coins())))));
        self.queued.extend(story.into_iter().rev());
    }

    /// Three withdrawals in one transaction, or two after one has left; which is mined, replaced and mined, refused, taken back, or
    /// overtaken by a stranger's and failed.
    pub(in crate::model::flow) fn several_at_once(&mut self) {
        let first = self.payments.len() as u64 + 1;
        let ids = [first, first + 1, first + 2].map(WithdrawalId::new);
        let batch = WithdrawalId::new(first + 3);
        let thaw = FreezeChain { chain: CHAIN, fence: 0, reason: ChainFreeze::Thawed };
        let mut story = vec![Command::FreezeChain(thaw)];
        for (id, account) in ids.iter().zip(1..) {
            story.push(Command::RequestWithdrawal(Box::new(RequestWithdrawal {
                account: AccountId::new(account),
                chain: CHAIN,
                asset: AssetId::new(1),
                address: address("to-1"),
                amount: amount(700 + i64::from(account)),
                name: ClientOrderId::new(format!("b{id}").as_bytes()).expect("a name"),
            })));
        }
        let members = BatchMembers::new(&ids).expect("three in order");
        let (turn, asset) = (self.moves(), AssetId::new(1));
        let gather = GatherWithdrawals { chain: CHAIN, fence: 1, turn, asset, members };
        story.push(Command::GatherWithdrawals(Box::new(gather)));
        match self.below(4) {
            0 => story
                .push(Command::CancelWithdrawal(CancelWithdrawal { withdrawal: ids[1], account: AccountId::new(2) })),
            1 => {
                story.push(Command::ReleaseWithdrawal(ReleaseWithdrawal { chain: CHAIN, fence: 1, withdrawal: ids[0] }))
            }
            _ => {}
        }
        let inputs = |attempt: u8| {
            let coin = ChainInput { tx: ChainHash([251; 32]), output: batch.get() as u32, amount: 8 * COIN, key: 0 };
            Command::AllocateWithdrawal(Box::new(AllocateWithdrawal {
                chain: CHAIN,
                fence: 1,
                withdrawal: batch,
                attempt,
                inputs: ChainInputs::new(&[coin]).expect("one"),
                nonce: 0,
                network_fee: u128::from(attempt) * 1_000,
                gas_limit: 0,
                tip_per_gas: 0,
            }))
        };
        let sign = |attempt: u8| {
            let (bytes, tx) = (TransactionBytes::new(vec![attempt, 7]).expect("some bytes"), tx_of(batch, attempt));
            let sign = SignWithdrawal { chain: CHAIN, fence: 1, withdrawal: batch, attempt, tx, bytes };
            Command::SignWithdrawal(Box::new(sign))
        };
        let report = |attempt, sighting| {
            Command::ReportWithdrawal(Box::new(ReportWithdrawal {
                chain: CHAIN,
                fence: 1,
                withdrawal: batch,
                tx: tx_of(batch, attempt),
                sighting,
                block: ChainHash([210; 32]),
                height: 20,
                confirmations: 3,
                is_final: true,
                network_fee: 950,
            }))
        };
        let end = self.below(6);
        let by_operator = CancelWithdrawal { withdrawal: batch, account: AccountId::new(0) };
        let all_leave = ReleaseWithdrawal { chain: CHAIN, fence: 1, withdrawal: batch };
        let refuse = RefuseWithdrawal { chain: CHAIN, fence: 1, withdrawal: batch, attempt: 1 };
        match end {
            0 => story.push(Command::CancelWithdrawal(by_operator)),
            1 => story.push(Command::ReleaseWithdrawal(all_leave)),
            2 => story.extend([inputs(1), Command::RefuseWithdrawal(refuse)]),
            _ => {
                story.extend([inputs(1), sign(1), report(1, Sighting::Sent), report(1, Sighting::Pooled)]);
                // None leaves any more, and nothing is said of one of them.
                let too_late = CancelWithdrawal { withdrawal: ids[2], account: AccountId::new(3) };
                let of_one = FailWithdrawal { withdrawal: ids[2] };
                story.extend([Command::CancelWithdrawal(too_late), Command::FailWithdrawal(of_one)]);
            }
        }
        match end {
            3 => story.extend([Sighting::Included, Sighting::Included, Sighting::Gone].map(|seen| report(1, seen))),
            4 => {
                story.extend([report(1, Sighting::Overdue), inputs(2), sign(2), report(2, Sighting::Sent)]);
                story.extend([report(2, Sighting::Undone), report(2, Sighting::Gone), report(1, Sighting::Included)]);
            }
            5 => {
                let fail = Command::FailWithdrawal(FailWithdrawal { withdrawal: batch });
                story.extend([report(1, Sighting::Conflicting), fail, report(1, Sighting::Included)]);
            }
            _ => {}
        }
        self.queued.extend(story.into_iter().rev().map(|command| (0, command)));
    }

    /// A move to the cold address is stuck, and so is helped by a child; then both are mined, or another transaction of the move is
    /// after all.
    pub(in crate::model::flow) fn child_that_helps(&mut self) {
        let (turn, asset) = (self.moves(), AssetId::new(1));
        let parent = WithdrawalId::new(self.payments.len() as u64 + 1);
        let child = WithdrawalId::new(parent.get() + 1);
        let cold = MoveFunds {
            chain: CHAIN,
            fence: 1,
            turn,
            asset,
            purpose: WithdrawalPurpose::Cold,
            key: 0,
            parent: WithdrawalId::default(),
            address: address("cold"),
            amount: amount(40),
        };
        let change = COIN - 40 * UNIT - 1_000;
        let back = amount((change / UNIT) as i64);
        let purpose = WithdrawalPurpose::Child;
        let help = MoveFunds { turn: turn + 1, purpose, parent, address: address("hot"), amount: back, ..cold };
        let allocate = |withdrawal, attempt: u8, input| {
            Command::AllocateWithdrawal(Box::new(AllocateWithdrawal {
                chain: CHAIN,
                fence: 1,
                withdrawal,
                attempt,
                inputs: ChainInputs::new(&[input]).expect("one"),
                nonce: 0,
                network_fee: u128::from(attempt) * 1_000,
                gas_limit: 0,
                tip_per_gas: 0,
            }))
        };
        let sign = |withdrawal, attempt: u8| {
            let (bytes, tx) =
                (TransactionBytes::new(vec![attempt, 7]).expect("some bytes"), tx_of(withdrawal, attempt));
            Command::SignWithdrawal(Box::new(SignWithdrawal { chain: CHAIN, fence: 1, withdrawal, attempt, tx, bytes }))
        };
        let report = |withdrawal, attempt, sighting| {
            Command::ReportWithdrawal(Box::new(ReportWithdrawal {
                chain: CHAIN,
                fence: 1,
                withdrawal,
                tx: tx_of(withdrawal, attempt),
                sighting,
                block: ChainHash([210; 32]),
                height: 20,
                confirmations: 3,
                is_final: true,
                network_fee: 950,
            }))
        };
        let coin = ChainInput { tx: ChainHash([250; 32]), output: parent.get() as u32 + 3, amount: COIN, key: 0 };
        let given_back = ChainInput { tx: tx_of(parent, 1), output: 1, amount: change, key: 0 };
        let thaw = FreezeChain { chain: CHAIN, fence: 0, reason: ChainFreeze::Thawed };
        let mut story = vec![Command::FreezeChain(thaw), Command::MoveFunds(Box::new(cold))];
        story.extend([allocate(parent, 1, coin), sign(parent, 1)]);
        story.extend([Sighting::Sent, Sighting::Pooled, Sighting::Overdue].map(|seen| report(parent, 1, seen)));
        story.extend([Command::MoveFunds(Box::new(help)), allocate(child, 1, given_back), sign(child, 1)]);
        story.extend([Sighting::Sent, Sighting::Pooled].map(|seen| report(child, 1, seen)));
        if self.below(2) == 0 {
            story.extend([allocate(parent, 2, coin), sign(parent, 2), report(parent, 2, Sighting::Sent)]);
            story.extend([Sighting::Included, Sighting::Included].map(|seen| report(parent, 2, seen)));
        } else {
            story.extend([parent, child, parent, child].map(|helped| report(helped, 1, Sighting::Included)));
        }
        self.queued.extend(story.into_iter().rev().map(|command| (0, command)));
    }
}
