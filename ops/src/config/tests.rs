use super::*;

const NODE: &str = r#"
node = 1
epoch = 1
data_dir = "node-1"
listen = "127.0.0.1:7101"
http = "127.0.0.1:7201"
ledger = 1

[tls]
ca = "ca.pem"
cert = "/etc/mainstay/node-1.pem"
key = "node-1.key"

[[peers]]
node = 2
addr = "127.0.0.1:7102"

[[partitions]]
partition = 1
preferred_leader = 1
"#;

fn check(text: &str) -> miette::Result<NodeFile> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    std::fs::write(&path, text).unwrap();
    let mut file = NodeFile::load(&path)?;
    // What is left is what the file says.
    let base = dir.path().canonicalize().unwrap();
    for path in [&mut file.data_dir, &mut file.tls.ca, &mut file.tls.cert, &mut file.tls.key] {
        *path = path.strip_prefix(&base).unwrap_or(path).to_path_buf();
    }
    Ok(file)
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let file = check(NODE).unwrap();
    assert_eq!(file.data_dir, Path::new("node-1"));
    assert_eq!(file.tls.cert, Path::new("/etc/mainstay/node-1.pem"));
    assert_eq!(toml::from_str::<NodeFile>(&toml::to_string(&file).unwrap()).unwrap(), file);
}

#[test]
fn an_unknown_or_missing_setting_is_an_error_that_names_it_and_the_file() {
    let error = format!("{:?}", check(&NODE.replace("ledger", "ledgre")).unwrap_err());
    assert!(error.contains("ledgre") && error.contains("node.toml"), "{error}");
    let error = format!("{:?}", check(&NODE.replace("epoch = 1", "")).unwrap_err());
    assert!(error.contains("epoch"), "{error}");
    let error = format!("{:?}", NodeFile::load(Path::new("/nowhere/node.toml")).unwrap_err());
    assert!(error.contains("/nowhere/node.toml"), "{error}");
}

#[test]
fn a_node_without_peers_need_not_name_them() {
    let alone = NODE.replace("[[peers]]\nnode = 2\naddr = \"127.0.0.1:7102\"\n", "");
    assert!(!alone.contains("peers") && check(&alone).unwrap().peers.is_empty());
}

#[test]
fn threads_are_a_number_or_a_word_and_auto_when_nothing_is_said() {
    let threads = |line: &str| check(&NODE.replace("ledger = 1", &format!("ledger = 1\n{line}"))).map(|it| it.threads);
    assert_eq!(threads("").unwrap(), Threads::Word(ThreadsWord::Auto));
    assert_eq!(threads("threads = \"shared\"").unwrap(), Threads::Word(ThreadsWord::Shared));
    assert_eq!(node::Threads::from(threads("threads = \"dedicated\"").unwrap()), node::Threads::DEDICATED);
    assert_eq!(node::Threads::from(threads("threads = 2").unwrap()), node::Threads::Partitions(2));
    assert!(threads("threads = 0").is_err());
    assert!(threads("threads = \"many\"").is_err());
}

#[test]
fn an_address_in_use_is_told_apart() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = bind(held.local_addr().unwrap(), "its REST API").unwrap_err();
    assert!(error.downcast_ref::<AddressInUse>().is_some());
    assert!(error.to_string().contains("its REST API"));
}

#[test]
fn aeron_is_at_the_nodes_address_unless_another_is_said_and_in_memory_on_request() {
    let plan = |table: &str| check(&format!("{NODE}\n{table}")).map(|it| it.aeron.map(|aeron| aeron.plan(it.listen)));
    assert_eq!(plan("").unwrap(), None);
    let usual = node::AeronPlan { udp: Some("127.0.0.1:7101".parse().unwrap()), ..node::AeronPlan::default() };
    assert_eq!(plan("[aeron]").unwrap(), Some(usual.clone()));
    let other = node::AeronPlan { udp: Some("10.1.0.1:7301".parse().unwrap()), mtu: Some(8_192), ..usual };
    assert_eq!(plan("[aeron]\nlisten = \"10.1.0.1:7301\"\nmtu = 8192").unwrap(), Some(other));
    let memory = plan("[aeron]\nipc = true\ndriver_dir = \"/dev/shm/aeron\"\nidle = \"spin\"").unwrap().unwrap();
    assert_eq!((memory.udp, memory.driver.as_deref()), (None, Some(Path::new("/dev/shm/aeron"))));
    assert_eq!(memory.idle, node::AeronIdle::Spin);
    let multicast = plan("[aeron]\ngroup = \"239.1.1.1:7400\"").unwrap().unwrap();
    assert_eq!(multicast.group, Some("239.1.1.1:7400".parse().unwrap()));
    assert!(plan("[aeron]\nchannel = \"aeron:udp\"").is_err());
}

#[test]
fn a_gateways_places_are_those_of_its_file_and_without_it_those_of_the_help() {
    let read = |table: &str| toml::from_str::<ConnectionsFile>(table);
    let both = |file: ConnectionsFile| (file.most.get(), file.per_address.get());
    assert_eq!(both(read("").unwrap()), (16_384, 1_024));
    assert_eq!(both(read("per_address = 7").unwrap()), (16_384, 7));
    assert_eq!(both(read("most = 100").unwrap()), (100, 1_024));
    for wrong in ["most = 0", "per_address = 0", "per_adress = 7", "most = -1"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_clients_may_ask_is_as_the_file_says_and_without_it_as_the_help_does() {
    let read = |table: &str| toml::from_str::<RatesFile>(table);
    let all = |file: RatesFile| {
        [file.weight_per_minute, file.requests_per_5m, file.orders_per_10s, file.orders_per_day].map(|rate| rate.get())
    };
    assert_eq!(all(read("").unwrap()), [600_000, 3_000_000, 100_000, 100_000_000]);
    assert_eq!(all(read("weight_per_minute = 6000").unwrap()), [6_000, 3_000_000, 100_000, 100_000_000]);
    assert_eq!(all(RatesFile::of_one_machine()), [12_000_000, 60_000_000, 2_000_000, 2_000_000_000]);
    for wrong in ["orders_per_day = 0", "weight = 7", "requests_per_5m = -1", "orders_per_10s = 5000000000"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_gateway_takes_events_by_aeron_at_an_address_that_is_said_or_in_memory() {
    let plan = |table: &str| toml::from_str::<GatewayAeronFile>(table).unwrap().plan();
    let udp = plan("listen = \"10.0.0.9:7401\"\nidle = \"yield\"").unwrap();
    assert_eq!((udp.udp, udp.idle), (Some("10.0.0.9:7401".parse().unwrap()), gateway::AeronIdle::Yield));
    let memory = plan("ipc = true\ndriver_dir = \"/dev/shm/aeron\"").unwrap();
    assert_eq!((memory.udp, memory.driver.as_deref()), (None, Some(Path::new("/dev/shm/aeron"))));
    assert!(plan("").unwrap_err().to_string().contains("listen"), "clients' address is not the nodes'");
    assert!(toml::from_str::<GatewayAeronFile>("group = \"239.1.1.1:7400\"").is_err(), "the nodes tell it");
}
