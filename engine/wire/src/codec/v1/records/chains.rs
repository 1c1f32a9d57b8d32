//! Blockchains, deposits and withdrawals: commands, events and their parts.

use super::*;

records! {
    ListChain {
        symbol: Symbol,
        lease_ms: u32,
        addresses: AddressFormat,
    }
    ListChainAsset {
        chain: ChainId,
        asset: AssetId,
        contract: ChainAddress,
        chain_decimals: u8,
        deposit_min: u128,
        confirmations: u32,
        large_from: Amount,
        large_confirmations: u32,
    }
    ClaimChain {
        chain: ChainId,
        instance: u64,
    }
    RequestAddress {
        account: AccountId,
        chain: ChainId,
    }
    BindAddress {
        chain: ChainId,
        fence: u64,
        index: u32,
        address: ChainAddress,
    }
    FreezeChain {
        chain: ChainId,
        fence: u64,
        reason: ChainFreeze,
    }
    ReportDeposit {
        chain: ChainId,
        fence: u64,
        tx: ChainHash,
        output: u32,
        index: u32,
        asset: AssetId,
        amount: u128,
        is_included: bool,
        block: ChainHash,
        height: u64,
        confirmations: u32,
        is_final: bool,
    }
    SightDeposit {
        chain: ChainId,
        fence: u64,
        tx: ChainHash,
        output: u32,
        index: u32,
        asset: AssetId,
        amount: u128,
        is_pooled: bool,
    }
    ReportHead {
        chain: ChainId,
        fence: u64,
        height: u64,
    }
    ResolveDeposit {
        chain: ChainId,
        tx: ChainHash,
        output: u32,
        is_credited: bool,
    }
    ChainListed {
        chain: ChainId,
        symbol: Symbol,
        lease_ms: u32,
        addresses: AddressFormat,
    }
    ChainAssetListed {
        chain: ChainId,
        asset: AssetId,
        contract: ChainAddress,
        chain_decimals: u8,
        deposit_min: u128,
        confirmations: u32,
        large_from: Amount,
        large_confirmations: u32,
    }
    ChainClaimed {
        chain: ChainId,
        fence: u64,
        instance: u64,
    }
    ChainFrozen {
        chain: ChainId,
        reason: ChainFreeze,
    }
    ChainAdvanced {
        chain: ChainId,
        height: u64,
    }
    AddressRequested {
        account: AccountId,
        chain: ChainId,
        index: u32,
    }
    AddressBound {
        account: AccountId,
        chain: ChainId,
        index: u32,
        address: ChainAddress,
    }
    DepositChanged {
        account: AccountId,
        chain: ChainId,
        tx: ChainHash,
        output: u32,
        index: u32,
        asset: AssetId,
        amount: u128,
        stage: DepositStage,
        block: ChainHash,
        height: u64,
        confirmations: u32,
        required: u32,
        credited: Amount,
        dust: u128,
        is_reverted: bool,
    }
    WithdrawalRules {
        is_enabled: bool,
        amount_min: Amount,
        amount_max: Amount,
        fee: Amount,
        account_day_max: Amount,
        day_max: Amount,
        review_from: Amount,
        approvals: u8,
        address_delay_s: u32,
        confirmations: u32,
        network_fee_max: u128,
        house: AccountId,
    }
    SetWithdrawalRules {
        chain: ChainId,
        asset: AssetId,
        rules: WithdrawalRules,
    }
    RestrictWithdrawals {
        account: AccountId,
        is_blocked: bool,
        is_allow_listed: bool,
    }
    AllowAddress {
        account: AccountId,
        chain: ChainId,
        address: ChainAddress,
        is_allowed: bool,
    }
    RequestWithdrawal {
        account: AccountId,
        chain: ChainId,
        asset: AssetId,
        address: ChainAddress,
        amount: Amount,
        name: ClientOrderId,
    }
    ApproveWithdrawal {
        withdrawal: WithdrawalId,
        approver: AccountName,
    }
    CancelWithdrawal {
        withdrawal: WithdrawalId,
        account: AccountId,
    }
    AllocateWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
        attempt: u8,
        inputs: ChainInputs,
        nonce: u64,
        network_fee: u128,
        gas_limit: u64,
        tip_per_gas: u128,
    }
    SignWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
        attempt: u8,
        tx: ChainHash,
        bytes: TransactionBytes,
    }
    RefuseWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
        attempt: u8,
    }
    ReportWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
        tx: ChainHash,
        sighting: Sighting,
        block: ChainHash,
        height: u64,
        confirmations: u32,
        is_final: bool,
        network_fee: u128,
    }
    FailWithdrawal {
        withdrawal: WithdrawalId,
    }
    HotWalletBounds {
        low: Amount,
        high: Amount,
        target: Amount,
        sweep_from: Amount,
        cold: ChainAddress,
    }
    SetHotWallet {
        chain: ChainId,
        asset: AssetId,
        bounds: HotWalletBounds,
    }
    MoveFunds {
        chain: ChainId,
        fence: u64,
        turn: u64,
        asset: AssetId,
        purpose: WithdrawalPurpose,
        key: u32,
        parent: WithdrawalId,
        address: ChainAddress,
        amount: Amount,
    }
    GatherWithdrawals {
        chain: ChainId,
        fence: u64,
        turn: u64,
        asset: AssetId,
        members: BatchMembers,
    }
    ReleaseWithdrawal {
        chain: ChainId,
        fence: u64,
        withdrawal: WithdrawalId,
    }
    ReportReserves {
        chain: ChainId,
        fence: u64,
        asset: AssetId,
        position: LogPosition,
        block: ChainHash,
        height: u64,
        held: u128,
        due: u128,
    }
    DeclareReserves {
        chain: ChainId,
        asset: AssetId,
        brought: i128,
        since: u64,
    }
    ThawReserves {
        chain: ChainId,
        asset: AssetId,
    }
    ReservesChanged {
        chain: ChainId,
        asset: AssetId,
        standing: ReservesStanding,
        position: LogPosition,
        block: ChainHash,
        height: u64,
        held: u128,
        due: u128,
        brought: i128,
        since: u64,
    }
    ProposeLoosening {
        proposer: AccountName,
        loosening: Loosening,
    }
    ApproveLoosening {
        id: LooseningId,
        approver: AccountName,
        loosening: Loosening,
    }
    DropLoosening {
        id: LooseningId,
        operator: AccountName,
    }
    LooseningProposed {
        id: LooseningId,
        proposer: AccountName,
        expires_at: Timestamp,
        loosening: Loosening,
    }
    LooseningEnded {
        id: LooseningId,
        end: LooseningEnd,
        operator: AccountName,
    }
    HotWalletChanged {
        chain: ChainId,
        asset: AssetId,
        bounds: HotWalletBounds,
    }
    WithdrawalRulesChanged {
        chain: ChainId,
        asset: AssetId,
        rules: WithdrawalRules,
    }
    WithdrawalsRestricted {
        account: AccountId,
        is_blocked: bool,
        is_allow_listed: bool,
    }
    AddressAllowed {
        account: AccountId,
        chain: ChainId,
        address: ChainAddress,
        since: Timestamp,
        is_allowed: bool,
    }
    WithdrawalApproved {
        withdrawal: WithdrawalId,
        approver: AccountName,
    }
    WithdrawalAllocated {
        chain: ChainId,
        withdrawal: WithdrawalId,
        attempt: u8,
        inputs: ChainInputs,
        nonce: u64,
        network_fee: u128,
        gas_limit: u64,
        tip_per_gas: u128,
    }
    WithdrawalSigned {
        chain: ChainId,
        withdrawal: WithdrawalId,
        attempt: u8,
        tx: ChainHash,
        bytes: TransactionBytes,
    }
    WithdrawalChanged {
        withdrawal: WithdrawalId,
        account: AccountId,
        chain: ChainId,
        asset: AssetId,
        address: ChainAddress,
        name: ClientOrderId,
        amount: Amount,
        fee: Amount,
        stage: WithdrawalStage,
        cause: WithdrawalCause,
        requested_at: Timestamp,
        ready_at: Timestamp,
        changed_at: Timestamp,
        approvals_missing: u8,
        attempts: u8,
        tx: ChainHash,
        block: ChainHash,
        height: u64,
        confirmations: u32,
        required: u32,
        network_fee: u128,
        house_held: Amount,
        is_undone: bool,
        is_reverted: bool,
        purpose: WithdrawalPurpose,
        key: u32,
        parent: WithdrawalId,
        batch: WithdrawalId,
    }
}
