use super::*;

fn check(test: impl AsyncFnOnce(&mut Children, &mut mpsc::Receiver<Exited>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let logs = tempfile::tempdir().unwrap();
        let (mut children, mut ended) = Children::new(logs.path().to_path_buf()).unwrap();
        children.exe = "/bin/sh".into();
        children.farewell = Duration::from_millis(300);
        let test = test(&mut children, &mut ended);
        tokio::time::timeout(Duration::from_secs(20), test).await.expect("the test is over in time");
    });
}

fn script(text: &str) -> [OsString; 2] {
    ["-c".into(), text.into()]
}

#[test]
fn the_end_of_a_process_is_told_with_what_it_said() {
    check(async |children, ended| {
        let pid = children.start(Role::Node(1), &script("echo oh no >&2; exit 3")).unwrap();
        let exited = ended.recv().await.unwrap();
        assert_eq!((exited.role, exited.pid, exited.status.code()), (Role::Node(1), pid, Some(3)));
        assert_eq!(exited.errors, "oh no\n");
        children.on_exited(&exited);
        assert_eq!((children.pid(Role::Node(1)), children.last_pid(Role::Node(1))), (None, pid));
        children.start(Role::Node(1), &script("echo again >&2")).unwrap();
        assert_eq!(ended.recv().await.unwrap().errors, "again\n");
    });
}

#[test]
fn a_role_is_one_process() {
    check(async |children, ended| {
        children.start(Role::Gateway, &script("exec sleep 60")).unwrap();
        assert!(children.start(Role::Gateway, &script("exec sleep 60")).is_err());
        children.stop_all(ended).await;
    });
}

#[test]
fn all_are_ended_even_those_that_are_stopped_or_do_not_listen() {
    check(async |children, ended| {
        let stubborn = script("trap '' TERM; echo ready >&2; while :; do sleep 1; done");
        let pids = [
            children.start(Role::Bots, &script("exec sleep 60")).unwrap(),
            children.start(Role::Node(1), &script("exec sleep 60")).unwrap(),
            children.start(Role::Node(2), &stubborn).unwrap(),
        ];
        children.signal(Role::Node(1), Signal::SIGSTOP);
        children.stop_all(ended).await;
        for pid in pids {
            assert!(kill(Pid::from_raw(pid as i32), None).is_err(), "process {pid} is left");
        }
    });
}
