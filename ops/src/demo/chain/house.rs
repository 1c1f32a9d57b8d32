//! The demo's house: it gets the fees of withdrawals and pays the chain's, and its coins are in the hot wallet before anybody has
//! deposited.

use std::time::Duration;

use miette::IntoDiagnostic;
use tokio::time::Instant;
use wire::command::{Credit, DeclareReserves, OpenAccount, RequestAddress, SetWithdrawalRules};
use wire::event::AssetListed;
use wire::{AccountId, AccountName, AssetId, ChainId, Command, FeeRate, WithdrawalRules};

use super::super::bootstrap::parse_amount;
use super::{COIN_DECIMALS, Chain, ChainKind, Faucet, signer};
use crate::operator::{Inventory, Operator};

/// The account's name.
const HOUSE: &str = "house";
/// Several outputs: the change of one cannot be spent before its withdrawal is settled.
const LITECOIN_OUTPUTS: [&str; 5] = ["10"; 5];
/// To the account that sends, and to the house in the books.
const ETHER: &str = "100";
/// The same, in the chain's units.
const WEI: i128 = 100_000_000_000_000_000_000;
/// How long a payment may take to be final.
const FINAL_WITHIN: Duration = Duration::from_secs(60);
/// How long the house's address may take.
const BOUND_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Opens the house and lets the coin be withdrawn, unless somebody has said how already.
pub async fn allow_withdrawals(
    kind: ChainKind,
    operator: &Operator,
    inventory: &Inventory,
    (chain, asset): (ChainId, AssetId),
) -> miette::Result<()> {
    if inventory.withdrawing.rules.contains_key(&(chain, asset)) {
        return Ok(());
    }
    let house = match inventory.accounts.get(HOUSE) {
        Some(opened) => opened.account,
        None => {
            let free = FeeRate::new(0).expect("zero is a rate");
            let name = AccountName::new(HOUSE.as_bytes()).map_err(|error| miette::miette!("{error:?}"))?;
            let open = OpenAccount { name, maker_fee: free, taker_fee: free };
            AccountId::new(u32::try_from(operator.must(&Command::OpenAccount(open)).await?).into_diagnostic()?)
        }
    };
    let (confirmations, network_fee_max) = match kind {
        ChainKind::Litecoin => (3, 10_000_000),
        ChainKind::Anvil => (0, 100_000_000_000_000_000),
    };
    let decimals = inventory.assets.get(kind.symbol()).map_or(COIN_DECIMALS, |listed| listed.ledger_decimals);
    let amount = |text| parse_amount(text, decimals);
    let rules = WithdrawalRules {
        is_enabled: true,
        amount_min: amount("0.01")?,
        amount_max: amount("100")?,
        fee: amount("0.001")?,
        account_day_max: amount("200")?,
        day_max: amount("1000")?,
        review_from: amount("50")?,
        approvals: 2,
        address_delay_s: 0,
        confirmations,
        network_fee_max,
        house,
    };
    let set = SetWithdrawalRules { chain, asset, rules };
    operator.must(&Command::SetWithdrawalRules(Box::new(set))).await?;
    Ok(())
}

/// Gives the house what it needs, once for each chain. Its address is given out by what watches the chain.
pub async fn fund(chain: &Chain, operator: &Operator, faucet: &Faucet) -> miette::Result<()> {
    let symbol = chain.kind.symbol();
    let inventory = operator.inventory(|_| false).await?;
    let (Some(id), Some(listed)) = (inventory.chains.get(symbol).copied(), inventory.assets.get(symbol)) else {
        miette::bail!("the ledger does not know {symbol}");
    };
    let Some(house) = inventory.accounts.get(HOUSE).map(|opened| opened.account) else {
        miette::bail!("nobody has opened the house");
    };
    // Whoever died between the address and the payment pays now; whoever died after it pays twice, which harms nobody here.
    let is_paid = inventory.balances.get(&(house, listed.asset)).is_some_and(|has| *has > 0);
    if !is_paid {
        pay(chain.kind, operator, faucet, (house, id), listed).await?;
    }
    match signer::hot_wallet(chain.kind) {
        Some(hot) => declare(operator, faucet, &hot, (id, listed.asset)).await,
        None => Ok(()),
    }
}

async fn pay(
    kind: ChainKind,
    operator: &Operator,
    faucet: &Faucet,
    (house, id): (AccountId, ChainId),
    listed: &AssetListed,
) -> miette::Result<()> {
    let symbol = kind.symbol();
    operator.must(&Command::RequestAddress(RequestAddress { account: house, chain: id })).await?;
    let deadline = Instant::now() + BOUND_WITHIN;
    let address = loop {
        if let Some(address) = operator.inventory(|_| false).await?.addresses.get(&(house, id)) {
            break address.clone();
        }
        if Instant::now() > deadline {
            miette::bail!("the house has no address on {symbol}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    match signer::hot_wallet(kind) {
        Some(hot) => {
            faucet.pay(&hot, ETHER).await?;
            let amount = parse_amount(ETHER, listed.ledger_decimals)?;
            operator.must(&Command::Credit(Credit { account: house, asset: listed.asset, amount })).await?;
        }
        None => {
            for coins in LITECOIN_OUTPUTS {
                faucet.pay(&address, coins).await?;
            }
        }
    }
    Ok(())
}

/// What came to the account that sends came by no deposit: once it is final, the ledger is told, so that it is missed when it goes.
async fn declare(
    operator: &Operator,
    faucet: &Faucet,
    hot: &str,
    (chain, asset): (ChainId, AssetId),
) -> miette::Result<()> {
    if operator.inventory(|_| false).await?.withdrawing.reserves.contains_key(&(chain, asset)) {
        return Ok(());
    }
    let deadline = Instant::now() + FINAL_WITHIN;
    let since = loop {
        let (height, wei) = faucet.final_wei(hot).await?;
        if wei >= WEI.unsigned_abs() {
            break height;
        }
        if Instant::now() > deadline {
            miette::bail!("what the house was paid does not become final");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let declare = DeclareReserves { chain, asset, brought: WEI, since };
    operator.must(&Command::DeclareReserves(Box::new(declare))).await?;
    Ok(())
}
