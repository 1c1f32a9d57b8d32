//! The exchange's own money between its addresses, by real processes on real nodes: deposits into the hot wallet, its excess to
//! the cold address, while whoever is at work dies.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::chain::anvil::Anvils;
use wire::command::SetHotWallet;
use wire::event::WithdrawalChanged;
use wire::{Amount, ChainAddress, Command, HotWalletBounds, WithdrawalPurpose, WithdrawalStage};

use crate::bank::{Bank, ETH, LTC, evm_scheme, hot};
use crate::exchange::{accept, text};
use crate::instances::{ETH_COLD, litecoin_cold};

const WEI: i128 = 10_000_000_000;
const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs litecoind and anvil: tests/run chains"]
async fn deposits_are_swept_and_the_excess_goes_to_the_cold_address_once_whoever_dies() {
    let mut bank = Bank::open().await;
    // Whoever is at work dies after the ledger has the move, then after its bytes are in the log, then after they are sent.
    bank.kill_all(&["after-move", "after-sign", "after-send"]);
    bank.keep_two();
    set(&mut bank, LTC, [0, 2_000_000_000, 1_500_000_000, 100_000_000], &litecoin_cold()).await;
    set(&mut bank, ETH, [0, 5_000_000_000, 4_000_000_000, 100_000_000], ETH_COLD).await;
    let deposit_at = chainwatch::signer::evm::address_at(&evm_scheme(), 1).unwrap();
    let wei = format!("{:#x}", 200_000_000 * WEI);
    bank.evm.send(json!({"to": deposit_at.to_string(), "value": wei})).await.unwrap();

    let done = |bank: &Bank| {
        let of = |(chain, asset), purpose| {
            let rows = bank.rows().into_values();
            rows.filter(|row| (row.chain, row.asset, row.purpose) == (chain, asset, purpose)).collect::<Vec<_>>()
        };
        let (sweep, cold) = (WithdrawalPurpose::Sweep, WithdrawalPurpose::Cold);
        [of(LTC, sweep), of(LTC, cold), of(ETH, sweep), of(ETH, cold)]
    };
    let deadline = Instant::now() + SOON;
    loop {
        bank.read().await;
        bank.keep_two();
        let rows = done(&bank);
        let is_over = |row: &WithdrawalChanged| row.stage == WithdrawalStage::Settled;
        if rows.iter().all(|rows| !rows.is_empty() && rows.iter().all(is_over)) {
            break;
        }
        assert!(Instant::now() < deadline, "not moved: {rows:#?}{}", bank.logs());
        bank.mine_litecoin().await;
        bank.mine_evm(1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(bank.deaths, 3, "{}", bank.logs());
    let [swept, cold, ether_swept, ether_cold] = done(&bank);
    let amounts = |rows: &[WithdrawalChanged]| rows.iter().map(|row| row.amount.wide()).collect::<Vec<_>>();
    assert_eq!((amounts(&swept), swept[0].network_fee > 0), (vec![2_200_000_000], true), "six outputs, once");
    let excess = 2_200_000_000 - swept[0].network_fee as i128 - 1_500_000_000;
    assert_eq!(amounts(&cold), [excess]);
    assert_eq!(bank.received(&cold[0]).await, excess);
    assert_eq!(ether_swept.len(), 1);
    assert!((199_000_000..200_000_000).contains(&amounts(&ether_swept)[0]), "{ether_swept:#?}");
    assert_eq!(bank.received(&ether_cold[0]).await, amounts(&ether_cold).iter().sum::<i128>());
    for row in [&swept, &cold, &ether_swept, &ether_cold].into_iter().flatten() {
        assert_eq!(bank.signed(row.withdrawal).len(), 1, "whoever took over sent the same bytes: {row:#?}");
    }
    // What the exchange owes is on its addresses, the cold ones among them.
    bank.check_with(excess, ether_at(&bank.evm, &[&deposit_at.to_string(), ETH_COLD]).await).await;
    println!("hot wallet {} wei", ether_at(&bank.evm, &[&hot().to_string()]).await);
}

async fn set(
    bank: &mut Bank,
    (chain, asset): (wire::ChainId, wire::AssetId),
    [low, high, target, sweep_from]: [i64; 4],
    cold: &str,
) {
    let [low, high, target, sweep_from] = [low, high, target, sweep_from].map(|units| Amount::new(units).unwrap());
    let cold: ChainAddress = text(cold);
    let bounds = HotWalletBounds { low, high, target, sweep_from, cold };
    accept(&mut bank.operator, Command::SetHotWallet(Box::new(SetHotWallet { chain, asset, bounds }))).await;
}

async fn ether_at(evm: &Anvils, addresses: &[&str]) -> i128 {
    let mut sum = 0;
    for address in addresses {
        let balance = evm.nodes[4].call("eth_getBalance", json!([address, "latest"])).await.unwrap();
        sum += i128::from_str_radix(balance.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    }
    sum
}
