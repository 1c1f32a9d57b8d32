//! Bugs that can be planted, one at a time, to prove that the tests would see them. Compiled only with the feature
//! `planted`, which no build but that proof turns on.

use core::sync::atomic::{AtomicU8, Ordering};

crate::order::numbered! {
    /// A bug.
    Bug {
        /// The disk says that it has what it has not.
        LyingSync = 1,
        /// Nobody waits for the disk before telling others.
        SyncNotAwaited = 2,
        /// A request that is sent twice is executed twice.
        NoDuplicateSuppression = 3,
        /// A leader believes that what it has proposed is committed.
        AcknowledgedBeforeCommit = 4,
        /// A vote is forgotten by a restart.
        VoteNotPersisted = 5,
        /// A snapshot has no sessions in it.
        SnapshotWithoutSessions = 6,
        /// A leader answers reads without asking whether it still leads.
        LeaseRead = 7,
        /// Time in the cells is the replica's own clock.
        WallClock = 8,
        /// Mail that arrives again is delivered again.
        MailTwice = 9,
        /// A new leader takes what its outbox holds for sent and delivered.
        MailLostAtFailover = 10,
        /// Orders at one price are filled last come, first served.
        LifoPriority = 11,
        /// A fee is rounded in favour of somebody, and one unit comes from nowhere.
        RoundingLeak = 12,
        /// Some of a refused or canceled order's hold stays held.
        HoldNotReleased = 13,
        /// Now and then an event is not published.
        EventLost = 14,
        /// A node whose disk was lost votes as the member it was.
        WipedNodeVotes = 15,
        /// A node believes its log although its host was started anew and had not synced it.
        BootIgnored = 16,
        /// Where the log says a version, a node takes the newest that its build knows.
        BehavesByBuild = 17,
        /// A gateway that is not told what became of an order asks for it anew, by another name and in another request.
        AskedAnew = 18,
        /// A gateway answers a private read before it has read as far as the leader has told it.
        ReadNotAwaited = 19,
        /// A new leader answers reads before it has committed anything of its own, by what it then knows to be committed.
        ReadBeforeOwnTerm = 20,
        /// Who reads while a gateway's question to the leader is under way is given the answer to that one.
        ReadJoinsQuestion = 21,
        /// A leader answers reads by what it has counted, though it has told standbys of more.
        ReadForgetsPromise = 22,
        /// A replica goes on writing although its disk is full.
        FullDiskWritten = 23,
        /// A write that fails is taken for one that is durable.
        FailedWriteIgnored = 24,
        /// What a client was told nobody knows the outcome of is sent again all the same.
        CommandComesBack = 25,
        /// A client says that it has the reply to what it is sending.
        AcknowledgesTooMuch = 26,
        /// A gateway looks for the order that is asked for once more before it has read as far as the log has told it.
        FirstNotAwaited = 27,
        /// Under a leader whose clock is behind its predecessor's, log time waits until that has caught up.
        LogTimeWaits = 28,
        /// What may have been executed in a session that has expired is told to be not executed.
        LostIsRefused = 29,
        /// A piece of a leader's snapshot is put behind what has come before, wherever it belongs.
        ChunkAnywhere = 30,
        /// Names of closed orders grow older while nobody leads.
        NamesAgeUnled = 31,
        /// A gateway that has not read as far as the log has told it says that it is busy, as if nothing had been done.
        UnreadIsBusy = 32,
        /// The log that a snapshot replaces goes before the snapshot is on the disk.
        LogGoneTooSoon = 33,
        /// A learner becomes a voter as soon as it has the log, whatever its node lacks of what was told before.
        VotesWithoutPast = 34,
    }
}

static PLANTED: AtomicU8 = AtomicU8::new(0);

/// Plants a bug in place of the one before, or none.
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, Bug::number), Ordering::SeqCst);
}

/// Whether this bug is planted.
pub fn is(bug: Bug) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug.number()
}
