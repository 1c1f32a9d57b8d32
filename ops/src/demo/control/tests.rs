use super::*;

fn check(test: impl AsyncFnOnce(&Path, &mut mpsc::Receiver<Asked>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let (paths, pointer) = (Paths(dir.path().to_path_buf()), dir.path().join("pointer"));
        let (control, mut asks) = Control::listen(&paths, pointer.clone()).await.unwrap();
        assert_eq!(pointed_to(&pointer), Some(paths.0.clone()));
        let test = test(dir.path(), &mut asks);
        tokio::time::timeout(Duration::from_secs(20), test).await.expect("the test is over in time");
        drop(control);
        assert!(!paths.control().exists() && !pointer.exists());
    });
}

#[test]
fn a_question_reaches_the_demo_and_its_answer_comes_back() {
    check(async |dir, asks| {
        let answering = async {
            let (ask, reply) = asks.recv().await.unwrap();
            assert!(matches!(ask, Ask::Node { action: Action::Start, id: 2 }));
            reply.send(Answer::Done("started".into())).unwrap();
        };
        let asking = ask(dir, Ask::Node { action: Action::Start, id: 2 });
        let (answer, ()) = tokio::join!(asking, answering);
        assert_eq!(answer.unwrap(), Answer::Done("started".into()));
    });
}

#[test]
fn a_stranger_without_the_token_is_refused() {
    check(async |dir, asks| {
        let path = Paths(dir.to_path_buf()).control();
        let mut file: ControlFile = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        file.token = "guess".into();
        private::write(&path, &serde_json::to_vec(&file).unwrap()).unwrap();
        let answer = ask(dir, Ask::Processes).await.unwrap();
        assert!(matches!(answer, Answer::Refused(why) if why.contains("token")));
        assert!(asks.try_recv().is_err());
    });
}

#[test]
fn where_no_demo_runs_the_answer_says_so() {
    check(async |dir, _| {
        let error = ask(&dir.join("elsewhere"), Ask::Processes).await.unwrap_err();
        assert!(error.to_string().contains("no demo runs in"), "{error}");
    });
}

#[test]
fn a_state_file_tells_whether_its_demo_runs() {
    check(async |dir, asks| {
        let path = dir.join("state.json");
        assert_eq!(demo_of(&path).await, None, "there is none");
        let text = r#"{"rest":"http://a:1","ws":"ws://a:1","ws_api":"ws://a:1","accounts":[],
            "nodes":[{"id":1,"pid":1,"http":"http://a:2","data_dir":"DIR/node-1"}]}"#;
        std::fs::write(&path, text.replace("DIR", &dir.display().to_string())).unwrap();
        let answering = async {
            let (_, reply) = asks.recv().await.unwrap();
            reply.send(Answer::Processes(Vec::new())).unwrap();
        };
        let (found, ()) = tokio::join!(demo_of(&path), answering);
        assert_eq!(found.as_deref(), Some(dir));
        std::fs::write(&path, text.replace("DIR", "/nowhere")).unwrap();
        assert_eq!(demo_of(&path).await, None, "it has ended");
        assert_eq!(dir_of(&path).as_deref(), Some(Path::new("/nowhere")));
    });
}
