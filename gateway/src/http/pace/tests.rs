use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Nobody asks for anything more while an answer is on its way, however slowly it is taken.
#[tokio::test]
async fn idling_begins_when_the_answer_is_taken() {
    let idle_timeout = Duration::from_millis(200);
    let (ours, mut theirs) = tokio::io::duplex(64);
    let requests = Requests::default();
    let paced = Paced::new(ours, requests.clone(), &Limits { idle_timeout, ..Limits::default() });
    // One request has come and is answered.
    requests.turn();
    requests.turn();
    let (mut asked, mut answers) = tokio::io::split(paced);
    let client = tokio::spawn(async move {
        for _ in 0..10 {
            tokio::time::sleep(idle_timeout / 2).await;
            theirs.read_exact(&mut [0; 64]).await.unwrap();
        }
        theirs
    });
    let mut is_taken = false;
    let answering = async {
        answers.write_all(&[0; 640]).await.unwrap();
        answers.flush().await.unwrap();
        is_taken = true;
        std::future::pending::<()>().await;
    };
    let mut byte = [0];
    tokio::select! {
        () = answering => unreachable!("it waits for ever"),
        read = asked.read(&mut byte) => assert_eq!(read.unwrap(), 0, "nothing was asked"),
    }
    assert!(is_taken);
    drop(client.await.unwrap());
}
