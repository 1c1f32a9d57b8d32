use tracing::Level;

use super::*;

#[test]
fn without_a_wish_everything_from_the_default_level_on_is_told() {
    for wanted in [None, Some(""), Some("  ")] {
        let (filter, misunderstood) = filter(wanted, Targets::new().with_default(LevelFilter::INFO));
        assert!(misunderstood.is_none());
        assert!(filter.would_enable("gateway", &Level::INFO) && !filter.would_enable("gateway", &Level::DEBUG));
    }
}

#[test]
fn one_module_may_tell_more_than_the_others() {
    let (filter, misunderstood) = filter(Some("warn,gateway=debug"), Targets::new().with_default(LevelFilter::INFO));
    assert!(misunderstood.is_none());
    assert!(filter.would_enable("gateway::feed", &Level::DEBUG) && !filter.would_enable("node", &Level::INFO));
}

#[test]
fn a_wish_that_is_not_understood_is_said_and_the_default_holds() {
    let (filter, misunderstood) = filter(Some("gateway=loudly"), Targets::new().with_default(LevelFilter::INFO));
    assert!(misunderstood.is_some());
    assert!(filter.would_enable("gateway", &Level::INFO));
}
