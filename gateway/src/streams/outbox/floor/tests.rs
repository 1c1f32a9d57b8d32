use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::streams::{Bounds, Content, Frame, StreamName, Taken};

/// A client's socket that takes as much as it is told to, and then the rest of the time nothing.
#[derive(Default)]
struct Mouth {
    takes: Mutex<VecDeque<usize>>,
    taken: Mutex<Vec<u8>>,
}

impl Wire for Mouth {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let most = self.takes.lock().unwrap().pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let count = most.min(all.len());
        self.taken.lock().unwrap().extend_from_slice(&all[..count]);
        Ok(count)
    }
}

impl Mouth {
    fn new(takes: &[usize]) -> Arc<Mouth> {
        Arc::new(Mouth { takes: Mutex::new(takes.iter().copied().collect()), taken: Mutex::default() })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.taken.lock().unwrap()).into_owned()
    }
}

const ALL: usize = usize::MAX;

fn outbox(mouth: &Arc<Mouth>, bounds: Bounds) -> Arc<Outbox> {
    let outbox = Outbox::new(bounds, false).carried(Arc::clone(mouth) as _, Couriers::of_this_runtime());
    outbox.rest();
    Arc::new(outbox)
}

fn push(outbox: &Arc<Outbox>, text: &str) {
    let stream = StreamName::parse("btcusdt@trade").unwrap();
    outbox.push(&stream, &Frame::written(Bytes::copy_from_slice(text.as_bytes())), Content::Every);
}

/// What the task finds when it is woken.
fn task_finds(outbox: &Outbox) -> String {
    let mut all: Vec<Bytes> = outbox.begun();
    let mut batch = Vec::new();
    assert_eq!(outbox.take(&mut batch, usize::MAX), Taken::Messages);
    all.extend(batch.into_iter().map(Frame::into_bytes));
    String::from_utf8(all.concat()).unwrap()
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to that");
}

#[tokio::test]
async fn a_client_that_takes_everything_is_written_to_without_its_task() {
    let mouth = Mouth::new(&[ALL; 3]);
    let outbox = outbox(&mouth, Bounds::default());
    for text in ["one ", "two ", "three "] {
        push(&outbox, text);
        until(|| mouth.text().ends_with(text)).await;
    }
    assert_eq!(mouth.text(), "one two three ");
    let woken = tokio::time::timeout(Duration::from_millis(20), outbox.stirred()).await;
    assert!(woken.is_err(), "the task was woken for nothing");
    assert_eq!(task_finds(&outbox), "", "the floor is not the task's");
}

#[tokio::test]
async fn what_is_taken_in_part_is_finished_by_the_task_before_anything_else() {
    let mouth = Mouth::new(&[5, ALL]);
    let outbox = outbox(&mouth, Bounds::default());
    push(&outbox, "one ");
    push(&outbox, "two ");
    outbox.stirred().await;
    push(&outbox, "three ");
    assert_eq!((mouth.text(), task_finds(&outbox)), ("one t".to_owned(), "wo three ".to_owned()));
    // All is written: a courier comes for what is next.
    outbox.rest();
    push(&outbox, "four ");
    until(|| mouth.text() == "one tfour ").await;
}

/// A task that is awake for another reason has found nothing begun; then a courier stops in the middle of a message.
#[tokio::test]
async fn nothing_is_taken_before_the_rest_of_what_a_courier_began() {
    let mouth = Mouth::new(&[2]);
    let outbox = outbox(&mouth, Bounds::default());
    push(&outbox, "one ");
    assert!(outbox.begun().is_empty());
    until(|| !mouth.text().is_empty()).await;
    outbox.stirred().await;
    push(&outbox, "two ");
    outbox.stirred().await;
    let mut batch = Vec::new();
    assert_eq!(outbox.take(&mut batch, usize::MAX), Taken::Messages);
    assert_eq!(batch.len(), 0);
    outbox.rest();
    outbox.stirred().await;
    assert_eq!(task_finds(&outbox), "e two ");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_its_tasks_until_there_is_nothing_left_to_say() {
    let mouth = Mouth::new(&[]);
    let outbox = outbox(&mouth, Bounds::default());
    push(&outbox, "one ");
    outbox.stirred().await;
    assert_eq!(task_finds(&outbox), "one ");
    push(&outbox, "two ");
    outbox.rest();
    mouth.takes.lock().unwrap().push_back(ALL);
    push(&outbox, "three ");
    assert_eq!((mouth.text(), task_finds(&outbox)), (String::new(), "two three ".to_owned()));
}

#[tokio::test]
async fn a_client_that_was_given_up_keeps_the_rest_of_what_was_begun_and_nothing_else() {
    let mouth = Mouth::new(&[2]);
    let outbox = outbox(&mouth, Bounds { messages_max: 3, ..Bounds::default() });
    push(&outbox, "one ");
    outbox.stirred().await;
    for _ in 0..4 {
        push(&outbox, "more ");
    }
    outbox.overrun().await;
    assert_eq!(outbox.take(&mut Vec::new(), 1), Taken::Overrun);
    outbox.reclaim().await;
    assert_eq!(outbox.begun().concat(), b"e ");
}

/// A socket that is written to for as long as somebody holds the gate.
struct Gate(Mutex<()>, Mutex<usize>);

impl Wire for Gate {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        *self.1.lock().unwrap() += 1;
        drop(self.0.lock().unwrap());
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_tells_something_does_not_wait_for_a_courier_and_the_task_does() {
    let gate = Arc::new(Gate(Mutex::default(), Mutex::default()));
    let outbox = Outbox::new(Bounds::default(), false).carried(Arc::clone(&gate) as _, Couriers::of_this_runtime());
    outbox.rest();
    let outbox = Arc::new(outbox);
    let closed = gate.0.lock().unwrap();
    push(&outbox, "one ");
    while *gate.1.lock().unwrap() == 0 {
        std::thread::yield_now();
    }
    push(&outbox, "two ");
    assert_eq!(task_finds(&outbox), "", "a courier writes");
    let reclaiming = tokio::spawn({
        let outbox = Arc::clone(&outbox);
        async move {
            outbox.reclaim().await;
            task_finds(&outbox)
        }
    });
    std::thread::sleep(Duration::from_millis(20));
    assert!(!reclaiming.is_finished());
    drop(closed);
    assert_eq!(reclaiming.await.unwrap(), "two ");
}

/// Several at once.
#[tokio::test]
async fn a_socket_takes_messages_in_order_and_as_much_as_it_can() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (mut client, server) = (client.unwrap(), accepted.unwrap().0);
    server.writable().await.unwrap();
    let messages: Vec<Vec<u8>> = (0..BATCH).map(|index| vec![index as u8; 10_000]).collect();
    let slices: Vec<_> = messages.iter().map(|message| IoSlice::new(message)).collect();
    let mut expected = Vec::new();
    let error = loop {
        match Wire::try_write(&server, &slices) {
            Ok(count) => expected.extend_from_slice(&messages.concat()[..count]),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(!expected.is_empty());
    let mut read = vec![0; expected.len()];
    tokio::io::AsyncReadExt::read_exact(&mut client, &mut read).await.unwrap();
    assert!(read == expected, "what was taken came, in order");
    // It tells when it takes more.
    server.writable().await.unwrap();
    assert!(Wire::try_write(&server, &slices).unwrap() > 0);
}
