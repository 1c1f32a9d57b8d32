//! The pool before real nodes that die, stall, lag, fork and lie.
//!
//! Ignored unless asked for: they need `litecoind` and `anvil`, which `tests/run chains` installs. With `CHAINS_COIN=bitcoin`
//! the same are of `bitcoind`, and [`ethereumjs`] is of another EVM node: `tests/run --full` installs and runs those.
//!
//! | who attacks, and how | what holds it |
//! |---|---|
//! | double spend by a reorganisation of six, credited at six: told, frozen, no balance edited | `attacks::a_six_deep_double_spend_of_a_credit_with_six_confirmations_freezes_and_edits_nothing` |
//! | the same at seven: no credit | `deposits::a_double_spend_before_enough_confirmations_credits_nothing`, `litecoin::a_six_deep_reorganisation_freezes_at_six_confirmations_and_not_at_seven` |
//! | mined again in another block at another place | `attacks::a_deposit_that_is_mined_again_in_another_block_at_another_place_is_credited_once`, `deposits::a_litecoin_deposit_is_credited_once_and_a_reverted_credit_freezes_the_chain` |
//! | replaced at zero confirmations; dust | `attacks::what_is_replaced_before_it_is_mined_is_no_deposit_and_its_replacement_is_one` |
//! | immature coinbase | `deposits::coins_fresh_from_the_miner_are_no_deposit` |
//! | malleated transaction id | `attacks::of_a_payment_and_its_malleated_twin_one_is_credited`, `withdrawal_attacks` (`mined_with_other_bytes`) |
//! | ERC-20 that returns false, takes a fee, says odd things | `attacks::of_odd_tokens_only_what_their_logs_say_is_credited` |
//! | failed status, fake token, another contract's log | `deposits::evm_deposits_wait_for_finality_and_only_listed_contracts_count` |
//! | internal transfer that was reverted | `attacks::what_moved_inside_a_call_that_was_undone_is_no_deposit` |
//! | wrong chain id; nodes that fall back | `attacks::nodes_that_fall_back_take_no_deposit_away_and_a_wrong_chain_id_adds_none` |
//! | two colluding liars of five, three liars | `evm::two_liars_of_five_change_nothing_and_are_named`, `evm::three_liars_of_five_cannot_forge_a_block` |
//! | frozen head with fresh timestamps; executes, then times out; errors, halves of answers, no answers | `evm::every_broken_node_is_routed_around_at_once_and_comes_back`, `withdrawal_attacks` (`taken_and_thrown_away`) |
//! | 429 storm; all nodes down | `evm::a_storm_of_429_costs_a_node_its_share_and_all_nodes_their_chain`, `evm::with_all_nodes_down_nothing_is_answered_and_the_chain_is_frozen` |
//! | SIGSTOP | `evm::a_stopped_node_still_connects_and_is_ejected_within_a_second` |
//! | wedged connection (there are no WebSockets: nothing waits for a node to speak first) | `evm::connections_that_are_never_answered_again_are_left_for_new_ones` |
//! | SIGKILL at every edge of the withdrawal machine | `withdrawals` (sixteen), `withdrawal_deaths` (sixteen) |
//! | two active instances | `withdrawals`, `withdrawal_attacks` (`an_instance_that_was_asleep`), `deposits::of_two_instances_one_proposes_and_the_other_takes_over_within_two_seconds` |
//! | nodes that take no replacement; SIGKILL at every edge of a child | `children` (fourteen) |
//! | several by one transaction: SIGKILL at every edge, one canceled, one refused, replaced, reorganised | `batches` (twenty-eight) |
//! | nonce gap; mempool eviction | `withdrawal_deaths` (`evicted_below_another`), `withdrawal_attacks` (`forgotten_by_every_mempool`: two weeks, and the death of all nodes) |
//! | fee spike beyond the cap | `withdrawal_attacks` (`dearer_than_allowed`) |
//! | a key that somebody else has: the coin that is gone halts its asset | `reserves` |
//! | a leader change of the ledger at each step | `withdrawal_attacks` (`a_new_leader_at_each_step`), `cluster` |
//!
//! After each, what the chain has is what the ledger owes ([`bank::Bank::check`], and the audit of [`deposits::OneCell`]).

mod attacks;
mod bank;
mod batches;
mod bed;
mod children;
mod cluster;
mod deposits;
mod ethereumjs;
mod evm;
mod exchange;
mod follow;
mod instances;
mod litecoin;
mod moves;
mod reserves;
mod withdrawal_attacks;
mod withdrawal_deaths;
mod withdrawals;
