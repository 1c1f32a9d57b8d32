use std::path::PathBuf;

use loadgen::state::StateError;
use miette::{IntoDiagnostic, WrapErr};

use super::*;

fn told(report: &Report) -> String {
    struct Shown<'a>(&'a Report);
    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            Told { is_colored: false }.debug(self.0.as_ref(), f)
        }
    }
    Shown(report).to_string()
}

fn missing() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::NotFound, "No such file")
}

#[test]
fn a_cause_that_the_error_names_itself_is_not_told_again() {
    let path = PathBuf::from("/a/long/path".repeat(20));
    let error: Result<(), _> = Err(StateError::Read { path: path.clone(), source: missing() }).into_diagnostic();
    let text = told(&error.unwrap_err());
    assert_eq!(text.matches("No such file").count(), 1, "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(&format!("`mainstay demo --state {}`", path.display())), "a command can be pasted: {text}");
}

#[test]
fn causes_are_told_below_in_their_order_with_code_and_help() {
    let error: Result<(), _> = Err(missing()).into_diagnostic();
    let error = error.wrap_err("cannot read /x").wrap_err("cannot start").unwrap_err();
    assert_eq!(told(&error), "  × cannot start\n  ├─▶ cannot read /x\n  ╰─▶ No such file");
    assert_eq!(in_a_line(&error), "cannot start: cannot read /x: No such file");
    let error = miette::miette!(code = "capacity::not-known", help = "look\nthere", "no node answers");
    assert_eq!(told(&error), "capacity::not-known\n\n  × no node answers\n  help: look\n    there");
    assert_eq!(in_a_line(&error), "no node answers; look there");
}
