//! The load that is offered while things break.

use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tests::demo::Demo;

use crate::{Args, Failure, disproved};

/// How often is looked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A load generator. Dropped, it is ended.
pub struct Load {
    name: String,
    child: Child,
    report: PathBuf,
}

impl Load {
    /// Starts a load of this name, which says in `load-NAME.log` and in its report how it went.
    pub fn offer(demo: &Demo, args: &Args, duration: Duration, name: &str, more: &[&str]) -> Result<Load, Failure> {
        let report = demo.home().join(format!("load-{name}.json"));
        let (state_file, json) = (demo.state_file().display().to_string(), report.display().to_string());
        let (rate, seconds) = (args.rate.to_string(), duration.as_secs().to_string());
        let words =
            ["loadgen", "run", "--state", &state_file, "--rate", &rate, "--duration", &seconds, "--json", &json];
        // What each kind of answer claims is held against the records.
        let words = [&words[..], &["--response", "each"], more].concat();
        let child = demo.spawn_mainstay(&words, &format!("load-{name}.log"))?;
        Ok(Load { name: name.to_owned(), child, report })
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.child.try_wait().or_else(|error| disproved(format!("the load generator is lost: {error}")))
    }

    /// Waits for its end, and returns what it says then, which nothing may contradict.
    pub async fn end(mut self, demo: &Demo) -> Result<Value, Failure> {
        let status = loop {
            match self.status()? {
                Some(status) => break status,
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        let log = demo.home().join(format!("load-{}.log", self.name));
        println!("{}", std::fs::read_to_string(log).unwrap_or_default());
        let said = std::fs::read(&self.report).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let said: Value = said.unwrap_or_default();
        if status.success() && said["lost"] == 0 && said["duplicated"] == 0 {
            return Ok(said);
        }
        disproved(format!("the load generator ended with {status} and {said}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
