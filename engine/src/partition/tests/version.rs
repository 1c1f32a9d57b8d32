//! Versions: the same commands, and what differs by the entry before them.

use wire::codec::Writer;
use wire::command::{Credit, Debit, Reply, SetVersion};
use wire::event::VersionChanged;
use wire::{Command, Event, PartitionId};

use super::world::{BASE, Layout, World, amount};
use crate::partition::Partition;
use crate::snapshot::{SnapshotError, seal};

fn credit() -> Command {
    Command::Credit(Credit { account: World::account("alice"), asset: BASE, amount: amount(5) })
}

fn debit() -> Command {
    Command::Debit(Debit { account: World::account("alice"), asset: BASE, amount: amount(2) })
}

fn behave_by(version: u16) -> Command {
    Command::SetVersion(SetVersion { version })
}

#[test]
fn a_log_begins_with_version_1_and_what_moves_money_names_what_is_free_from_version_2_on() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        assert_eq!(world.partitions[0].version(), 1);
        assert_eq!((world.ask(credit()), world.ask(debit())), (Reply::Accepted { id: 0 }, Reply::Accepted { id: 0 }));
        assert_eq!(world.ask(behave_by(2)), Reply::Accepted { id: 0 });
        world.restart_all();
        assert_eq!(world.ask(credit()), Reply::Accepted { id: 1_008 });
        assert_eq!(world.ask(debit()), Reply::Accepted { id: 1_006 });
        world.ask(behave_by(1));
        assert_eq!(world.ask(credit()), Reply::Accepted { id: 0 });
    }
}

#[test]
fn a_version_is_told_once_and_makes_another_state() {
    let mut world = World::new(Layout::Split);
    let before = world.partitions[1].digest();
    world.apply(1, &behave_by(1));
    assert_eq!((world.partitions[1].digest(), world.private.len()), (before, 0), "it is so already");
    world.apply(1, &behave_by(2));
    world.apply(1, &behave_by(2));
    let told = Event::VersionChanged(VersionChanged { partition: PartitionId::new(2), version: 2 });
    assert_eq!(world.private, [told]);
    assert_ne!(world.partitions[1].digest(), before);
    assert_eq!(world.partitions[0].version(), 1, "every partition has its own");
}

#[test]
#[should_panic(expected = "a version that this build knows")]
fn a_version_that_is_not_known_is_never_guessed() {
    World::new(Layout::Joint).ask(behave_by(*crate::VERSIONS.end() + 1));
}

#[test]
fn a_snapshot_of_a_version_that_is_not_known_is_refused() {
    let config = World::new(Layout::Joint).partitions[0].config;
    let mut bytes = Vec::new();
    seal(&mut bytes, |to: &mut Writer<'_>| {
        to.put(&config.partition);
        to.put(&config.ledger);
        to.put(&9u16);
    });
    assert_eq!(Partition::restore(config, &bytes).err(), Some(SnapshotError::Behaviour(9)));
}
