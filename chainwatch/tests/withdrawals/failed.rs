//! An operator has given the money back, for a stranger's transaction was deep; then the chain has ours after all.

use chainwatch::signer::bitcoin::BitcoinScheme;
use chainwatch::signer::payment::Scheme;
use chainwatch::signer::vault::Vault;
use chainwatch::withdrawals::{Executor, Facts, Included, Step, Tuning};
use wire::command::{AllocateWithdrawal, FailWithdrawal, Reply, ReportWithdrawal, SignWithdrawal};
use wire::{
    ChainFreeze, ChainHash, ChainInput, ChainInputs, Command, Event, Sighting, Timestamp, TransactionBytes,
    WithdrawalId, WithdrawalStage,
};

use super::chain::Chain;
use super::ledger::{CHAIN, Ledger};

const TX: ChainHash = ChainHash([9; 32]);

/// Does what the executor says until it has nothing to say; how much that was.
fn work(executor: &mut Executor, ledger: &mut Ledger, read: &mut usize, facts: &Facts, now: Timestamp) -> usize {
    let mut steps = 0;
    loop {
        ledger.events[*read..].iter().for_each(|event| executor.apply(event));
        *read = ledger.events.len();
        match executor.step(facts, 1, now) {
            Some(Step::Propose(_, command)) => {
                let reply = ledger.apply(now, &command);
                assert!(matches!(reply, Reply::Accepted { .. }), "{command:?}: {reply:?}");
            }
            Some(step) => panic!("{step:?}"),
            None => return steps,
        }
        steps += 1;
        assert!(steps < 10, "it says the same again and again");
    }
}

#[test]
fn a_transaction_that_is_mined_after_an_operator_has_given_the_money_back_freezes_the_chain_each_time() {
    let xpub = Vault::from_seed([7; 32]).account_public("m/84'/2'/0'").unwrap();
    let scheme = BitcoinScheme { prefix: "rltc".into(), pubkey_prefix: 111, script_prefix: 58, xpub, dust: 5_460 };
    let coin = ChainInput { tx: ChainHash([1; 32]), output: 0, amount: 700_000, key: 1 };
    let mut facts = Chain::new(&[coin], chainwatch::signer::bitcoin::own_script(&scheme, 0).unwrap()).facts();
    facts.coins.clear();
    let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
    let mut ledger = Ledger::new(now, 3);
    assert_eq!(ledger.claim(now, 1), Some(1));
    ledger.freeze(now, false);
    ledger.request(now, 1, "somewhere", 3_000);
    let (withdrawal, inputs) = (WithdrawalId::new(1), ChainInputs::new(&[coin]).unwrap());
    let (chain, fence, attempt) = (CHAIN, 1, 1);
    let allocate = AllocateWithdrawal {
        chain,
        fence,
        withdrawal,
        attempt,
        inputs,
        nonce: 0,
        network_fee: 1_000,
        gas_limit: 0,
        tip_per_gas: 0,
    };
    let bytes = TransactionBytes::new(vec![1]).unwrap();
    let conflicting = ReportWithdrawal {
        chain,
        fence,
        withdrawal,
        tx: TX,
        sighting: Sighting::Conflicting,
        block: ChainHash::default(),
        height: 0,
        confirmations: 0,
        is_final: false,
        network_fee: 0,
    };
    for command in [
        Command::AllocateWithdrawal(Box::new(allocate)),
        Command::SignWithdrawal(Box::new(SignWithdrawal { chain, fence, withdrawal, attempt, tx: TX, bytes })),
        Command::ReportWithdrawal(Box::new(conflicting)),
        Command::FailWithdrawal(FailWithdrawal { withdrawal }),
    ] {
        let reply = ledger.apply(now, &command);
        assert!(matches!(reply, Reply::Accepted { .. }), "{command:?}: {reply:?}");
    }
    let scheme = Scheme::Bitcoin(scheme);
    let (mut executor, mut read) = (Executor::new(CHAIN, scheme, Tuning::default()), 0);
    assert_eq!(work(&mut executor, &mut ledger, &mut read, &facts, now), 0);
    facts.head.height.0 += 5;
    let height = facts.head.height.0;
    let included = Included { block: ChainHash([4; 32]), height, network_fee: 1_000, is_undone: false };
    for times in 1..=2 {
        facts.included.insert(TX, included);
        assert_eq!(work(&mut executor, &mut ledger, &mut read, &facts, now), 1);
        let freezes = ledger.events.iter().filter(
            |event| matches!(event, Event::ChainFrozen(frozen) if frozen.reason == ChainFreeze::WithdrawalReverted),
        );
        assert_eq!(freezes.count(), times);
        assert!(ledger.rows()[0].is_reverted && ledger.rows()[0].stage == WithdrawalStage::Failed);
        ledger.freeze(now, false);
        ledger.change_leader();
        assert_eq!(work(&mut executor, &mut ledger, &mut read, &facts, now), 0, "an operator has looked at it");
        facts.included.clear();
        assert_eq!(work(&mut executor, &mut ledger, &mut read, &facts, now), 1);
        assert!(!ledger.rows()[0].is_reverted);
    }
    facts.included.insert(TX, Included { is_undone: true, ..included });
    assert_eq!(work(&mut executor, &mut ledger, &mut read, &facts, now), 0, "nothing was paid");
}
