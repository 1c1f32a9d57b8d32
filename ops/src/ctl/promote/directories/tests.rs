use tempfile::TempDir;

use super::*;

const NODE: NodeId = NodeId::new(4);
const OLD: ClusterEpoch = ClusterEpoch::new(1);
const NEW: ClusterEpoch = ClusterEpoch::new(2);

/// The data directory of life 1.
fn old() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("node-4");
    drop(DataDir::open(&directory, NODE, OLD).unwrap());
    (place, directory)
}

fn promote(directory: &Path) -> PathBuf {
    let kept = lay(directory, NODE, OLD, &NewLife { epoch: NEW, founders: vec![NODE] }, &[]).unwrap();
    told(directory).unwrap();
    kept
}

fn names(place: &TempDir) -> Vec<String> {
    let listing = fs::read_dir(place.path()).unwrap();
    let mut names: Vec<String> = listing.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_new_life_has_the_old_ones_name_and_that_is_kept() {
    let (place, directory) = old();
    let kept = promote(&directory);
    assert_eq!((node::owner(&directory), node::owner(&kept)), (Some((NODE, NEW)), Some((NODE, OLD))));
    assert_eq!(names(&place), ["node-4", "node-4.life-1"]);
    assert!(finish(&directory, NODE).unwrap().is_none());
}

#[test]
fn a_promotion_broken_off_between_its_two_names_is_finished_by_the_same_command() {
    let (place, directory) = old();
    let kept = promote(&directory);
    // As if the second name had not been given.
    fs::rename(&directory, of_life(&directory, NEW)).unwrap();
    fs::write(note(&directory), "1 2\n").unwrap();
    assert_eq!(finish(&directory, NODE).unwrap(), Some((NEW, kept)));
    told(&directory).unwrap();
    assert_eq!(node::owner(&directory), Some((NODE, NEW)));
    assert_eq!(names(&place), ["node-4", "node-4.life-1"]);
}

#[test]
fn a_promotion_broken_off_behind_its_last_name_is_finished_until_everybody_has_been_told() {
    let (place, directory) = old();
    let kept = lay(&directory, NODE, OLD, &NewLife { epoch: NEW, founders: vec![NODE] }, &[]).unwrap();
    for _ in 0..2 {
        assert_eq!(finish(&directory, NODE).unwrap(), Some((NEW, kept.clone())), "not begun again, and not forgotten");
    }
    told(&directory).unwrap();
    assert!(finish(&directory, NODE).unwrap().is_none());
    assert_eq!(names(&place), ["node-4", "node-4.life-1"]);
}

#[test]
fn a_promotion_broken_off_before_its_first_name_is_begun_anew() {
    for note_says in [None, Some("1 2\n"), Some("1")] {
        let (place, directory) = old();
        let kept = promote(&directory);
        fs::rename(&directory, of_life(&directory, NEW)).unwrap();
        fs::rename(kept, &directory).unwrap();
        if let Some(text) = note_says {
            fs::write(note(&directory), text).unwrap();
        }
        assert!(finish(&directory, NODE).unwrap().is_none());
        promote(&directory);
        assert_eq!(node::owner(&directory), Some((NODE, NEW)));
        assert_eq!(names(&place), ["node-4", "node-4.life-1"]);
    }
}

#[test]
fn a_node_that_was_started_between_the_two_names_costs_the_new_life_nothing() {
    let (place, directory) = old();
    let kept = promote(&directory);
    fs::write(directory.join("of-the-new-life"), "").unwrap();
    fs::rename(&directory, of_life(&directory, NEW)).unwrap();
    fs::write(note(&directory), "1 2\n").unwrap();
    // Whoever watches over the node starts it, and it begins on an empty directory.
    let running = DataDir::open(&directory, NODE, OLD).unwrap();
    assert!(finish(&directory, NODE).is_err(), "a node that runs keeps its directory");
    assert!(of_life(&directory, NEW).join("of-the-new-life").exists());
    drop(running);
    assert_eq!(finish(&directory, NODE).unwrap(), Some((NEW, kept)));
    told(&directory).unwrap();
    assert_eq!(node::owner(&directory), Some((NODE, NEW)));
    assert!(directory.join("of-the-new-life").exists());
    assert_eq!(names(&place), ["node-4", "node-4.life-1", "node-4.started-between-1"]);
    assert!(finish(&directory, NODE).unwrap().is_none());
}

#[test]
fn a_directory_that_was_kept_does_not_come_back_when_the_present_one_is_gone() {
    let (_place, directory) = old();
    promote(&directory);
    fs::remove_dir_all(&directory).unwrap();
    assert!(finish(&directory, NODE).unwrap().is_none());
    assert!(!directory.exists());
}
