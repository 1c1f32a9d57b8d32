//! How `mainstay ctl` speaks to a running demo: one line of JSON each way over a loopback connection. Whoever
//! can read the control file in the demo's directory may: it holds the address and a token.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loadgen::state::State;
use miette::{IntoDiagnostic, WrapErr};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::layout::Paths;
use crate::private;

/// The longest line.
const LINE_MAX: u64 = 64 * 1024;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The control file.
#[derive(Debug, Serialize, Deserialize)]
struct ControlFile {
    addr: SocketAddr,
    token: String,
    /// The demo's process.
    pid: u32,
}

/// What may be done with a node's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Start it.
    Start,
    /// Ask it to end.
    Stop,
    /// Kill it at once.
    Kill,
    /// Freeze it.
    Pause,
    /// Let it go on.
    Resume,
}

/// One question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ask {
    /// Do something with a node's process.
    Node {
        /// What.
        action: Action,
        /// Which node.
        id: u64,
    },
    /// Prepare and start one more node, which is to join the cluster: a certificate, a directory, a configuration.
    Join {
        /// Its number; the next free one when it is not said.
        id: Option<u64>,
    },
    /// End a node that is a member no more, and forget it.
    Leave {
        /// Which node.
        id: u64,
    },
    /// Which binary a node is started with; from now on with this one, if it is said.
    Binary {
        /// Which node.
        id: u64,
        /// The other binary.
        path: Option<PathBuf>,
    },
    /// Which processes run?
    Processes,
    /// Pay so much of the chain's coin to an address.
    Pay {
        /// As the chain prints it.
        address: String,
        /// Decimal text.
        amount: String,
    },
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Done; what was done.
    Done(String),
    /// A node was started.
    Joined {
        /// Its number.
        id: u64,
        /// Where the others reach it.
        addr: SocketAddr,
    },
    /// The binary that it was started with up to now.
    Binary(PathBuf),
    /// Not done; why.
    Refused(String),
    /// Every process's name and id; none when it does not run.
    Processes(Vec<(String, Option<u32>)>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    token: String,
    ask: Ask,
}

/// A question with the way back.
pub type Asked = (Ask, oneshot::Sender<Answer>);

/// The demo's end. Dropping it removes the files.
pub struct Control {
    file: PathBuf,
    pointer: Option<PathBuf>,
}

impl Control {
    /// Listens, and writes the control file of the demo in `paths`. `pointer` is the file that leads `ctl`
    /// there without a flag.
    pub async fn listen(paths: &Paths, pointer: PathBuf) -> miette::Result<(Control, mpsc::Receiver<Asked>)> {
        let file = paths.control();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.into_diagnostic()?;
        let addr = listener.local_addr().into_diagnostic()?;
        let token = super::accounts::random_text();
        let (asked, asks) = mpsc::channel(16);
        let control = ControlFile { addr, token: token.clone(), pid: std::process::id() };
        let text = serde_json::to_vec(&control).into_diagnostic()?;
        private::write(&file, &text).into_diagnostic().wrap_err_with(|| format!("cannot write {}", file.display()))?;
        // Without the pointer `ctl` has to be told the directory; no reason to fail.
        let is_pointed = private::write(&pointer, paths.0.as_os_str().as_encoded_bytes()).is_ok();
        tokio::spawn(serve(listener, token, asked));
        Ok((Control { file, pointer: is_pointed.then_some(pointer) }, asks))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
        if let Some(pointer) = &self.pointer
            && self.file.parent() == pointed_to(pointer).as_deref()
        {
            let _ = std::fs::remove_file(pointer);
        }
    }
}

/// The file that names the directory of the demo that this user started last.
pub fn pointer() -> PathBuf {
    std::env::temp_dir().join(format!("mainstay-demo-{}", nix::unistd::getuid()))
}

/// The directory that a pointer of this user names.
pub fn pointed_to(pointer: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::symlink_metadata(pointer).ok()?;
    if !owner.is_file() || owner.uid() != nix::unistd::getuid().as_raw() {
        return None;
    }
    Some(std::ffi::OsString::from_vec(std::fs::read(pointer).ok()?).into())
}

async fn serve(listener: TcpListener, token: String, asked: mpsc::Sender<Asked>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (token, asked) = (token.clone(), asked.clone());
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &token, &asked).await {
                tracing::debug!(%error, "a control connection failed");
            }
        });
    }
}

async fn converse(stream: TcpStream, token: &str, asked: &mpsc::Sender<Asked>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let reading = (&mut stream).take(LINE_MAX);
    tokio::time::timeout(ANSWER_WITHIN, async { BufReader::new(reading).read_line(&mut line).await }).await??;
    let answer = match serde_json::from_str::<Line>(&line) {
        Ok(line) if line.token == token => {
            let (reply, answer) = oneshot::channel();
            let closing = || Answer::Refused("the demo is ending".into());
            match asked.send((line.ask, reply)).await {
                Ok(()) => answer.await.unwrap_or_else(|_| closing()),
                Err(_) => closing(),
            }
        }
        Ok(_) => Answer::Refused("the token is not this demo's".into()),
        Err(error) => Answer::Refused(format!("not a question: {error}")),
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    stream.get_mut().write_all(&bytes).await?;
    stream.get_mut().shutdown().await
}

/// The directory of the demo whose state file this is.
pub fn dir_of(state: &Path) -> Option<PathBuf> {
    let state = State::load(state).ok()?;
    Some(state.nodes.first()?.data_dir.parent()?.to_path_buf())
}

/// The same, if that demo runs.
pub async fn demo_of(state: &Path) -> Option<PathBuf> {
    let dir = dir_of(state)?;
    ask(&dir, Ask::Processes).await.is_ok().then_some(dir)
}

/// Whether a demo runs in `data_dir`, as far as its files say.
pub fn is_running(data_dir: &Path) -> bool {
    Paths(data_dir.to_path_buf()).control().exists()
}

/// Asks the demo in `data_dir`.
pub async fn ask(data_dir: &Path, ask: Ask) -> miette::Result<Answer> {
    let path = Paths(data_dir.to_path_buf()).control();
    let nobody = || format!("no demo runs in {}; start one with `mainstay demo`", data_dir.display());
    let text = std::fs::read(&path).into_diagnostic().wrap_err_with(nobody)?;
    let control: ControlFile = serde_json::from_slice(&text).into_diagnostic().wrap_err_with(nobody)?;
    let mut line = serde_json::to_vec(&Line { token: control.token, ask }).into_diagnostic()?;
    line.push(b'\n');
    let answer = async {
        let mut stream = TcpStream::connect(control.addr).await?;
        stream.write_all(&line).await?;
        let mut answer = Vec::new();
        stream.take(LINE_MAX).read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(ANSWER_WITHIN, answer)
        .await
        .map_err(|_| miette::miette!("the demo (pid {}) does not answer", control.pid))?
        .into_diagnostic()
        .wrap_err_with(nobody)?;
    serde_json::from_slice(&answer).into_diagnostic().wrap_err("the demo's answer cannot be read")
}

#[cfg(test)]
mod tests;
