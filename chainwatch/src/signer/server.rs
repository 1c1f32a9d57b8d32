//! The signer's socket, and chainwatch's end of it. The socket is a file that its owner alone may open: who may ask is who may
//! run as that user on that machine, and no port of the signer exists.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::desk::Desk;
use super::payment::Payment;
use super::protocol::{Question, decode_answer, decode_question, encode_answer, encode_question, receive, send};
use super::{Answer, Signer};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 16;
/// A question that has no answer by then has none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that says nothing for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Serves until the journal cannot be written.
pub async fn serve(desk: Desk, socket: &Path) -> io::Result<()> {
    let listener = listen(socket)?;
    let desk = Arc::new(Mutex::new(desk));
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (broken, mut has_broken) = mpsc::channel(1);
    loop {
        let arrival = async {
            let seat = Arc::clone(&seats).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((seat, listener.accept().await?.0))
        };
        // The journal first: nobody is let in any more, and who waits for a seat does not hide it.
        let (seat, stream) = tokio::select! {
            biased;
            Some(error) = has_broken.recv() => return Err(error),
            arrived = arrival => arrived?,
        };
        let (desk, broken) = (Arc::clone(&desk), broken.clone());
        tokio::spawn(async move {
            let _seat = seat;
            if let Err(error) = converse(stream, &desk).await {
                let _ = broken.try_send(error);
            }
        });
    }
}

/// A socket of a signer that died is replaced; that of one that lives is not.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(socket).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another signer answers at this socket"));
    }
    // Made where its owner alone may look, and moved to its place, over a dead one, when it is closed to others.
    let mut made_in = socket.as_os_str().to_owned();
    made_in.push(".new");
    let made_in = PathBuf::from(made_in);
    match std::fs::remove_dir_all(&made_in) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new().mode(0o700).create(&made_in)?;
    let made = made_in.join("s");
    let listener = UnixListener::bind(&made)?;
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&made, socket)?;
    std::fs::remove_dir(&made_in)?;
    Ok(listener)
}

/// One connection. An error is the journal's; what the other end does wrong closes the connection alone.
async fn converse(mut stream: UnixStream, desk: &Mutex<Desk>) -> io::Result<()> {
    while let Ok(Ok(body)) = tokio::time::timeout(IDLE_TIMEOUT, receive(&mut stream)).await {
        let Ok((question, payment)) = decode_question(&body) else { break };
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let answer = {
            let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
            match question {
                Question::Sign => tokio::task::block_in_place(|| desk.sign(&payment, now_s))?,
                Question::Consult => desk.consult(&payment, now_s),
            }
        };
        match &answer {
            Answer::Signed(signed) => {
                tracing::info!(chain = %payment.chain, withdrawal = payment.withdrawal.get(), tx = ?signed.tx, "signed");
            }
            Answer::Willing => {}
            Answer::Refused(why) | Answer::Later(why) => {
                tracing::warn!(chain = %payment.chain, withdrawal = payment.withdrawal.get(), why, "not signed");
            }
        }
        if send(&mut stream, &encode_answer(&answer)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// A signer behind a socket. Connects when it is asked, and again when it must.
pub struct SocketSigner {
    socket: PathBuf,
    stream: Option<UnixStream>,
    /// Whether it did not answer the last question: it is told when that begins.
    is_silent: bool,
}

impl SocketSigner {
    /// Does not connect yet.
    pub fn new(socket: PathBuf) -> SocketSigner {
        SocketSigner { socket, stream: None, is_silent: false }
    }

    async fn ask(&mut self, question: Question, payment: &Payment) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => UnixStream::connect(&self.socket).await?,
        };
        send(&mut stream, &encode_question(question, payment)).await?;
        let answer = decode_answer(&receive(&mut stream).await?);
        let answer = answer.map_err(|error| io::Error::other(format!("{error:?}")))?;
        self.stream = Some(stream);
        Ok(answer)
    }
}

impl Signer for SocketSigner {
    async fn sign(&mut self, payment: &Payment) -> Option<Answer> {
        self.ask_in_time(Question::Sign, payment).await
    }

    async fn consult(&mut self, payment: &Payment) -> Option<Answer> {
        self.ask_in_time(Question::Consult, payment).await
    }
}

impl SocketSigner {
    async fn ask_in_time(&mut self, question: Question, payment: &Payment) -> Option<Answer> {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.ask(question, payment)).await;
        let was_silent = std::mem::replace(&mut self.is_silent, !matches!(answer, Ok(Ok(_))));
        match answer {
            Ok(Ok(answer)) => return Some(answer),
            _ if was_silent => {}
            Ok(Err(error)) => tracing::warn!(%error, "the signer does not answer"),
            Err(_) => tracing::warn!("the signer does not answer in time"),
        }
        None
    }
}

#[cfg(test)]
mod tests;
