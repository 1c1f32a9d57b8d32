//! Who may ask for what. A node believes nobody's word for it: the role is in the certificate.

use wire::link::{ChangeMembers, MemberChange, MemberOutcome, Role};
use wire::{Command, Text};

/// Whether a connection of `role` may have `command` sequenced by a request.
pub fn may_request(role: Role, command: &Command) -> bool {
    match command {
        Command::NewOrder(_)
        | Command::NewOrderOnTerms(_)
        | Command::AmendOrder(_)
        | Command::ReplaceOrder(_)
        | Command::NewOrderList(_)
        | Command::CancelOrderList(_)
        | Command::CancelOrder(_)
        | Command::CancelAll(_)
        | Command::MassCancel(_)
        | Command::RenewLease(_)
        | Command::EndLease(_)
        | Command::SealName(_)
        | Command::CountdownCancel(_) => {
            matches!(role, Role::Gateway | Role::Operator)
        }
        Command::ListAsset(_)
        | Command::ListMarket(_)
        | Command::SetMarketStatus(_)
        | Command::SetMarketSchedule(_)
        | Command::SetMarketProtection(_)
        | Command::SetMarketRules(_)
        | Command::DelistMarket(_)
        | Command::ReopenMarket(_)
        | Command::KillMarket(_)
        | Command::OpenAccount(_)
        | Command::AddApiKey(_)
        | Command::RevokeApiKey(_)
        | Command::RestrictApiKey(_)
        | Command::ExtendApiKey(_)
        | Command::Credit(_)
        | Command::Debit(_)
        | Command::AssignAccount(_)
        | Command::RaiseCapacity(_)
        | Command::SetFeeSchedule(_)
        | Command::SetFees(_)
        | Command::SetAccountLimits(_)
        | Command::SetOrderLimits(_)
        | Command::SetAssetLimit(_)
        | Command::SetKillSwitch(_) => role == Role::Operator,
        Command::ListChain(_) | Command::ListChainAsset(_) | Command::ResolveDeposit(_) => role == Role::Operator,
        Command::SetWithdrawalRules(_)
        | Command::RestrictWithdrawals(_)
        | Command::AllowAddress(_)
        | Command::ApproveWithdrawal(_)
        | Command::SetHotWallet(_)
        | Command::DeclareReserves(_)
        | Command::ThawReserves(_)
        | Command::ProposeLoosening(_)
        | Command::ApproveLoosening(_)
        | Command::DropLoosening(_)
        | Command::FailWithdrawal(_) => role == Role::Operator,
        Command::CancelWithdrawal(cancel) if cancel.account.get() == 0 => role == Role::Operator,
        Command::RequestWithdrawal(_) | Command::CancelWithdrawal(_) => matches!(role, Role::Gateway | Role::Operator),
        Command::AllocateWithdrawal(_)
        | Command::SignWithdrawal(_)
        | Command::RefuseWithdrawal(_)
        | Command::MoveFunds(_)
        | Command::GatherWithdrawals(_)
        | Command::ReleaseWithdrawal(_)
        | Command::ReportReserves(_)
        | Command::ReportWithdrawal(_) => role == Role::Chainwatch,
        Command::RequestAddress(_) => matches!(role, Role::Gateway | Role::Operator),
        Command::ClaimChain(_)
        | Command::BindAddress(_)
        | Command::ReportDeposit(_)
        | Command::SightDeposit(_)
        | Command::ReportHead(_) => role == Role::Chainwatch,
        // Without a claim's fence only an operator freezes and thaws.
        Command::FreezeChain(freeze) if freeze.fence == 0 => role == Role::Operator,
        Command::FreezeChain(_) => role == Role::Chainwatch,
        Command::DeliverMail(_) | Command::AckMail(_) | Command::Tick(_) | Command::SetVersion(_) => false,
    }
}

/// Whether a command that says who speaks says what the certificate says. Two approvals by one operator would be one, and
/// whoever has proposed a loosening would approve it.
pub fn speaks_for_itself(name: &Text<32>, command: &Command) -> bool {
    match command {
        Command::ApproveWithdrawal(approve) => approve.approver == *name,
        Command::ProposeLoosening(propose) => propose.proposer == *name,
        Command::ApproveLoosening(approve) => approve.approver == *name,
        Command::DropLoosening(drop) => drop.operator == *name,
        _ => true,
    }
}

/// Whether it is written down which operator asked for a command. What is traded is in the log for everybody to see, and too
/// much for people to read.
pub fn is_audited(command: &Command) -> bool {
    matches!(command, Command::RequestWithdrawal(_)) || !may_request(Role::Gateway, command)
}

/// A command as it is written down. Who has an API key may listen to its account, without its secret: of its name only the
/// first letters are told.
pub fn written_down(command: &Command) -> String {
    let key = match command {
        Command::AddApiKey(command) => command.key,
        Command::RevokeApiKey(command) => command.key,
        Command::RestrictApiKey(command) => command.key,
        Command::ExtendApiKey(command) => command.key,
        _ => return format!("{command:?}"),
    };
    let first = &key.as_str()[..key.as_str().len() / 8];
    format!("{command:?}").replace(&format!("{key:?}"), &format!("{:?}", format!("{first}...")))
}

/// Whether it is written down which operator wished for members, or a version, to change, given what the leader made of it:
/// what goes into the log, and what never will. What may pass is asked again, many times in a second.
pub fn is_wish_audited(outcome: MemberOutcome) -> bool {
    matches!(outcome, MemberOutcome::Proposed | MemberOutcome::UnknownNode | MemberOutcome::NeverVotes)
}

/// A wish as it is written down.
pub fn wish_written_down(wish: &ChangeMembers) -> String {
    let ChangeMembers { change, node, place, instead_of, version, .. } = *wish;
    let mut text = match change {
        MemberChange::SetVersion => return format!("SetVersion {version}"),
        change => format!("{change:?} node {node}"),
    };
    if let Some(address) = place.address() {
        text += &format!(" at {address}");
    }
    if instead_of.get() != 0 {
        text += &format!(" instead of node {instead_of}");
    }
    text
}

/// Whether a connection of `role` may open sessions.
pub fn may_have_sessions(role: Role) -> bool {
    matches!(role, Role::Gateway | Role::Operator | Role::Chainwatch)
}

/// Whether `command` may arrive as mail between nodes.
pub fn is_mail(command: &Command) -> bool {
    matches!(command, Command::DeliverMail(_) | Command::AckMail(_))
}

#[cfg(test)]
mod tests {
    use wire::command::{
        AddApiKey, ApiKeyKind, ApproveLoosening, ApproveWithdrawal, CancelWithdrawal, ClaimChain, Credit,
        DropLoosening, ExtendApiKey, FreezeChain, Loosening, Permissions, ProposeLoosening, RefuseWithdrawal,
        RestrictApiKey, RevokeApiKey, SetVersion, ThawReserves, Tick,
    };
    use wire::link::Place;
    use wire::{
        AccountId, Amount, ApiKeyText, AssetId, ChainFreeze, ChainId, LooseningId, Networks, NodeId, Secret,
        WithdrawalId,
    };

    use super::*;

    #[test]
    fn what_operators_alone_may_do_is_audited_and_orders_are_not() {
        let cancel = |account| {
            let (withdrawal, account) = (WithdrawalId::new(1), AccountId::new(account));
            Command::CancelWithdrawal(CancelWithdrawal { withdrawal, account })
        };
        assert!(is_audited(&cancel(0)) && !is_audited(&cancel(1)));
        let (account, chain) = (AccountId::new(1), ChainId::new(1));
        assert!(!is_audited(&Command::RequestAddress(wire::command::RequestAddress { account, chain })));
        let release = FreezeChain { chain, fence: 0, reason: ChainFreeze::Thawed };
        assert!(is_audited(&Command::FreezeChain(release)));
    }

    #[test]
    fn a_wish_is_written_down_with_whom_it_is_about_once_it_is_answered_for_good() {
        let address = Some("10.0.0.4:7104".parse().unwrap());
        let (partition, token, node, instead_of) = (wire::PartitionId::new(1), 9, NodeId::new(4), NodeId::new(2));
        let place = Place::of(address);
        let wish = ChangeMembers { partition, token, change: MemberChange::Add, node, place, instead_of, version: 0 };
        assert_eq!(wish_written_down(&wish), "Add node 4 at 10.0.0.4:7104 instead of node 2");
        let (place, instead_of) = (Place::default(), NodeId::default());
        let drain = ChangeMembers { change: MemberChange::Drain, place, instead_of, ..wish };
        assert_eq!(wish_written_down(&drain), "Drain node 4");
        let version = ChangeMembers { change: MemberChange::SetVersion, version: 2, ..drain };
        assert_eq!(wish_written_down(&version), "SetVersion 2");
        assert!(is_wish_audited(MemberOutcome::Proposed) && !is_wish_audited(MemberOutcome::UnderWay));
    }

    #[test]
    fn what_is_written_down_tells_no_api_key() {
        let name = "A1b2C3d4".repeat(8);
        let key = ApiKeyText::new(name.as_bytes()).unwrap();
        let material = Secret::new(b"sealed").unwrap();
        let (account, kind, permissions) = (AccountId::new(1), ApiKeyKind::Hmac, Permissions::READ_AND_TRADE);
        for command in [
            Command::AddApiKey(AddApiKey { account, key, kind, permissions, secret: material }.into()),
            Command::RevokeApiKey(RevokeApiKey { key }),
            Command::RestrictApiKey(RestrictApiKey { key, networks: Networks::NONE }.into()),
            Command::ExtendApiKey(ExtendApiKey { key, part: 1, material }.into()),
        ] {
            let written = written_down(&command);
            assert!(written.contains(r#"key: "A1b2C3d4...""#) && !written.contains("A1b2C3d4A"), "{written}");
        }
        let short = Command::RevokeApiKey(RevokeApiKey { key: ApiKeyText::EMPTY });
        assert_eq!(written_down(&short), r#"RevokeApiKey(RevokeApiKey { key: "..." })"#);
    }

    #[test]
    fn only_operators_move_money_and_nobody_sends_ticks() {
        let credit = Command::Credit(Credit {
            account: AccountId::new(1),
            asset: AssetId::new(1),
            amount: Amount::new(1).unwrap(),
        });
        assert!(may_request(Role::Operator, &credit));
        assert!(!may_request(Role::Gateway, &credit));
        assert!(!may_request(Role::Node, &credit));
        for role in Role::ALL {
            assert!(!may_request(*role, &Command::Tick(Tick)));
            assert!(!may_request(*role, &Command::SetVersion(SetVersion { version: 2 })));
        }
    }

    #[test]
    fn operators_approve_in_their_own_name_clients_cancel_their_own_and_chainwatch_alone_signs() {
        let withdrawal = WithdrawalId::new(1);
        let name = |name: &str| Text::new(name.as_bytes()).unwrap();
        let approve = Command::ApproveWithdrawal(ApproveWithdrawal { withdrawal, approver: name("operator-dana") });
        let cancel =
            |account| Command::CancelWithdrawal(CancelWithdrawal { withdrawal, account: AccountId::new(account) });
        let refuse =
            Command::RefuseWithdrawal(RefuseWithdrawal { chain: ChainId::new(1), fence: 1, withdrawal, attempt: 1 });
        for role in Role::ALL {
            assert_eq!(may_request(*role, &approve), *role == Role::Operator);
            assert_eq!(may_request(*role, &cancel(0)), *role == Role::Operator);
            assert_eq!(may_request(*role, &cancel(3)), matches!(role, Role::Operator | Role::Gateway));
            assert_eq!(may_request(*role, &refuse), *role == Role::Chainwatch);
        }
        assert!(speaks_for_itself(&name("operator-dana"), &approve));
        assert!(!speaks_for_itself(&name("operator-evan"), &approve));
        assert!(speaks_for_itself(&name("gateway-1"), &cancel(3)));
    }

    #[test]
    fn operators_loosen_in_their_own_name_and_nobody_else_does() {
        let name = |name: &str| Text::new(name.as_bytes()).unwrap();
        let (dana, id) = (name("operator-dana"), LooseningId::new(1));
        let loosening = Loosening::ThawReserves(ThawReserves { chain: ChainId::new(1), asset: AssetId::new(1) });
        for command in [
            Command::ProposeLoosening(ProposeLoosening { proposer: dana, loosening: loosening.clone() }.into()),
            Command::ApproveLoosening(ApproveLoosening { id, approver: dana, loosening }.into()),
            Command::DropLoosening(DropLoosening { id, operator: dana }),
        ] {
            assert!(speaks_for_itself(&dana, &command) && is_audited(&command));
            assert!(!speaks_for_itself(&name("operator-evan"), &command), "{command:?}");
            for role in Role::ALL {
                assert_eq!(may_request(*role, &command), *role == Role::Operator);
            }
        }
    }

    #[test]
    fn only_chainwatch_proposes_for_chains_and_only_operators_thaw_without_a_claim() {
        let chain = ChainId::new(1);
        let claim = Command::ClaimChain(ClaimChain { chain, instance: 1 });
        let thaw = |fence| Command::FreezeChain(FreezeChain { chain, fence, reason: ChainFreeze::Thawed });
        for role in Role::ALL {
            assert_eq!(may_request(*role, &claim), *role == Role::Chainwatch);
            assert_eq!(may_request(*role, &thaw(3)), *role == Role::Chainwatch);
            assert_eq!(may_request(*role, &thaw(0)), *role == Role::Operator);
        }
        let credit = Credit { account: AccountId::new(1), asset: AssetId::new(1), amount: Amount::new(1).unwrap() };
        assert!(!may_request(Role::Chainwatch, &Command::Credit(credit)));
    }
}
