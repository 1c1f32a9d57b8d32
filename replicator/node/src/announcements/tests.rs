use super::*;

/// Of node 4, at a time in seconds.
struct Scene {
    heard: Announcements,
    now: Timestamp,
}

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

fn known(leader: u64) -> Option<NodeId> {
    (leader != 0).then(|| node(leader))
}

impl Scene {
    /// Node 4 follows node 1 in term 5, and nodes 2 and 3 say that they do as well.
    fn quiet() -> Scene {
        let mut scene = Scene { heard: Announcements::new(node(4)), now: Timestamp::from_nanos(1_000_000_000) };
        scene.heard.replica_says(known(1), Term::new(5), scene.now);
        for other in 1..=3 {
            scene.say(other, 1, 5);
        }
        scene.expect(1, 5);
        scene
    }

    /// Node 4 has no replica that knows anything; 1 leads alone.
    fn of_a_stranger() -> Scene {
        let mut scene = Scene { heard: Announcements::new(node(4)), now: Timestamp::from_nanos(1_000_000_000) };
        scene.say(1, 1, 5);
        scene.expect(1, 5);
        scene
    }

    fn say(&mut self, from: u64, leader: u64, term: u64) {
        self.heard.node_says(node(from), known(leader), Term::new(term), self.now);
    }

    fn replica(&mut self, leader: u64, term: u64) {
        self.heard.replica_says(known(leader), Term::new(term), self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus_nanos(seconds * 1_000_000_000);
        self.heard.poll(self.now);
    }

    #[track_caller]
    fn expect(&self, leader: u64, term: u64) {
        assert_eq!(self.heard.believed(), (known(leader), Term::new(term)));
    }
}

#[test]
fn a_new_leader_is_believed_at_its_first_word() {
    let mut scene = Scene::quiet();
    scene.heard.forget(node(1), scene.now);
    scene.say(2, 2, 6);
    scene.expect(2, 6);
    scene.say(3, 2, 6);
    scene.replica(2, 6);
    scene.wait(60);
    scene.expect(2, 6);
}

#[test]
fn a_term_that_nobody_else_knows_is_believed_for_a_moment_and_the_next_leader_is_known() {
    for leader in [3, 2, 9] {
        let mut scene = Scene::quiet();
        scene.say(3, leader, u64::MAX);
        scene.wait(2);
        scene.expect(1, 5);
        // Saying so again, or more, helps nobody.
        scene.say(3, leader, u64::MAX - 1);
        scene.expect(1, 5);
        scene.heard.forget(node(1), scene.now);
        scene.say(2, 2, 6);
        scene.replica(2, 6);
        scene.wait(3);
        scene.expect(2, 6);
    }
}

/// It was believed for another two seconds after each time.
#[test]
fn who_is_not_believed_is_not_after_a_new_link_or_another_term_either() {
    let mut scene = Scene::quiet();
    scene.say(3, 3, 1_000);
    scene.expect(3, 1_000);
    scene.wait(1);
    scene.say(3, 3, 1_001);
    scene.wait(1);
    scene.expect(1, 5);
    for term in 1_002..1_010 {
        scene.heard.forget(node(3), scene.now);
        scene.wait(1);
        scene.say(3, 3, term);
        scene.expect(1, 5);
    }
    // That it takes it back clears nothing, or every other word might be false.
    scene.say(3, 1, 5);
    scene.say(3, 3, 6);
    scene.expect(1, 5);
    // Others say so as well: then it is as any other.
    scene.say(2, 3, 6);
    scene.say(3, 3, 6);
    scene.wait(60);
    scene.expect(3, 6);
    // So it is once Raft here is beyond all that it has said.
    scene.heard.replica_says(Some(node(1)), Term::new(1_010), scene.now);
    scene.say(3, 3, 1_011);
    scene.expect(3, 1_011);
}

#[test]
fn what_a_node_has_said_goes_with_its_link() {
    let mut scene = Scene::of_a_stranger();
    scene.say(3, 3, u64::MAX);
    scene.expect(3, u64::MAX);
    scene.heard.forget(node(3), scene.now);
    scene.expect(1, 5);
    scene.heard.forget(node(1), scene.now);
    scene.expect(0, 0);
}

#[test]
fn a_word_is_taken_back_by_the_next_of_the_same_node() {
    let mut scene = Scene::of_a_stranger();
    scene.say(3, 3, u64::MAX);
    scene.say(3, 1, 5);
    scene.expect(1, 5);
}

#[test]
fn who_denies_that_it_leads_is_not_believed_to() {
    let mut scene = Scene::quiet();
    scene.say(3, 2, 6);
    scene.expect(1, 5);
    scene.say(2, 2, 6);
    scene.expect(2, 6);
    // This node as well.
    scene.say(3, 4, 7);
    scene.expect(2, 6);
    scene.replica(4, 7);
    scene.expect(4, 7);
    scene.replica(0, 7);
    scene.expect(2, 6);
}

#[test]
fn a_replica_that_was_removed_without_knowing_does_not_stand_against_those_who_lead() {
    let mut scene = Scene::quiet();
    // Node 1 was removed after this one; 2 leads, and 3 follows it.
    scene.say(1, 2, 8);
    scene.say(2, 2, 8);
    scene.say(3, 2, 8);
    scene.wait(60);
    scene.expect(2, 8);
    // One voter is left, and node 1 has gone.
    scene.heard.forget(node(1), scene.now);
    scene.heard.forget(node(3), scene.now);
    scene.wait(60);
    scene.expect(2, 8);
}

#[test]
fn a_stranger_believes_the_only_word_there_is_and_two_against_one() {
    let mut scene = Scene::of_a_stranger();
    scene.wait(60);
    scene.expect(1, 5);
    scene.say(2, 1, 5);
    scene.say(3, 3, u64::MAX);
    scene.wait(3);
    scene.expect(1, 5);
}

#[test]
fn a_leader_that_leads_no_more_is_none() {
    let mut scene = Scene::quiet();
    scene.heard.forget(node(2), scene.now);
    scene.heard.forget(node(3), scene.now);
    scene.say(1, 0, 5);
    scene.replica(0, 5);
    scene.expect(0, 5);
}
