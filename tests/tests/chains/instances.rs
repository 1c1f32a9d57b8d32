//! `mainstay chainwatch` and `mainstay signer` as processes, which tests kill.

use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chainwatch::keys::{AddressKeys, AddressScheme};
use chainwatch::rpc::Endpoint;
use chainwatch::signer::vault::Vault;
use nix::sys::signal::Signal;
use tests::chain::coin::{Coin, coin};
use tests::demo::signal;

use crate::exchange::Exchange;

pub const LTC_ACCOUNT: &str = "m/84'/2'/0'";
pub const ETH_ACCOUNT: &str = "m/44'/60'/0'";

/// The edges of steps: an instance that has one of them dies there, before the step or after it.
macro_rules! edges {
    ($($step:literal),+) => { [$(concat!("before-", $step), concat!("after-", $step)),+] };
}
pub(crate) use edges;

/// Every step that a withdrawal takes on its way.
pub const WAY: [&str; 16] = edges!["allocate", "ask", "sign", "send", "sent", "pooled", "included", "deeper"];

/// Of these, those until nodes have it.
pub const UNTIL_POOLED: usize = 12;

/// What the signer signs at most; the ledger's rules would let more pass.
pub const SIGNED_MAX: i64 = 900_000_000;

/// The keys of every test: nothing is ever worth anything here.
pub fn vault() -> Vault {
    Vault::from_seed([7; 32])
}

/// Where the hot wallet's excess goes: litecoins to a key of another account, ether to an address that is nobody's.
pub fn litecoin_cold() -> String {
    let xpub = vault().account_public("m/84'/2'/1'").unwrap().to_string();
    let keys = AddressKeys::new(&xpub, AddressScheme::Segwit { prefix: coin().prefix.into() }).unwrap();
    keys.derive(1).unwrap().0.to_string()
}

pub const ETH_COLD: &str = "0x00000000000000000000000000000000c01dc01d";

/// Where cargo leaves what it builds beside this test.
pub fn program() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("mainstay")
}

/// A child that is killed with its owner.
pub struct Program(Child);

impl Program {
    /// What it says is in `log`, for whoever looks into a failure.
    fn start(args: &[&str], environment: &[(&str, &str)], log: &Path) -> Program {
        let mainstay = program();
        let log = File::create(log).unwrap();
        let mut command = Command::new(&mainstay);
        command.args(args).envs(environment.iter().copied()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Program(command.spawn().unwrap_or_else(|error| panic!("{}: {error}", mainstay.display())))
    }

    pub fn has_died(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    pub fn signal(&self, what: Signal) {
        signal(self.0.id(), what);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// Starts the signer of both chains.
pub fn start_signer(home: &Path) -> Program {
    std::fs::write(home.join("passphrase"), "a test\n").unwrap();
    std::fs::write(home.join("signer.key"), vault().seal("a test").unwrap()).unwrap();
    let Coin { symbol, prefix, versions: [pubkey_version, script_version], dust, .. } = coin();
    let file = format!(
        r#"
key_file = "signer.key"
passphrase_file = "passphrase"
journal = "signer.journal"
socket = "signer.socket"

[[chain]]
symbol = "{symbol}"
kind = "bitcoin"
account = "{LTC_ACCOUNT}"
network_fee_max = "1000000"
prefix = "{prefix}"
pubkey_prefix = {pubkey_version}
script_prefix = {script_version}
dust = {dust}
cold = ["{}"]
asset = [{{ contract = "", amount_max = "{SIGNED_MAX}", day_max = "100000000000" }}]

[[chain]]
symbol = "ETH"
kind = "evm"
account = "{ETH_ACCOUNT}"
network_fee_max = "10000000000000000"
chain_id = 31337
cold = ["{ETH_COLD}"]
asset = [{{ contract = "", amount_max = "10000000000000000000", day_max = "1000000000000000000000" }}]
"#,
        litecoin_cold()
    );
    let config = home.join("signer.toml");
    std::fs::write(&config, file).unwrap();
    let signer = Program::start(&["signer", "--config", config.to_str().unwrap()], &[], &home.join("signer.log"));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !home.join("signer.socket").exists() {
        assert!(std::time::Instant::now() < deadline, "the signer does not start");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    signer
}

/// What an instance is told.
pub struct Instance<'a> {
    pub name: String,
    pub home: &'a Path,
    pub exchange: &'a Exchange,
    pub litecoin: &'a [Endpoint],
    pub evm: &'a [Endpoint],
    pub evm_genesis: &'a str,
    /// After so long what is not mined is stuck.
    pub stuck_after_s: u64,
    /// Whether nodes take replacements, as it is told.
    pub replaces: bool,
    /// So long withdrawals wait for others.
    pub batch_wait_ms: u64,
}

impl Instance<'_> {
    /// Starts it; with an edge, it dies there.
    pub fn start(&self, die_at: Option<&str>) -> Program {
        let config = self.write();
        let edge: Vec<(&str, &str)> = die_at.iter().map(|edge| ("MAINSTAY_DIE_AT", *edge)).collect();
        let log = self.home.join(format!("{}.log", self.name));
        Program::start(&["chainwatch", "--config", config.to_str().unwrap()], &edge, &log)
    }

    fn write(&self) -> PathBuf {
        let Instance { name, home, exchange, stuck_after_s, replaces, batch_wait_ms, evm_genesis, .. } = self;
        let tls = exchange.identity(name);
        for (kind, pem) in [("ca", &tls.ca), ("crt", &tls.cert), ("key", &tls.key)] {
            std::fs::write(home.join(format!("{name}.{kind}")), pem).unwrap();
        }
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut file = format!(
            "name = \"{name}\"\nepoch = 1\nhttp = \"{http}\"\nledger = 1\ndata_dir = \"data-{name}\"\n\
             tls = {{ ca = \"{name}.ca\", cert = \"{name}.crt\", key = \"{name}.key\" }}\n"
        );
        for peer in &exchange.peers {
            write!(file, "[[nodes]]\nnode = {}\naddr = \"{}\"\n", peer.node, peer.addr).unwrap();
        }
        let leaves = format!(
            "stall_after_s = 600\n\
             withdrawals = {{ signer = \"signer.socket\", stuck_after_s = {stuck_after_s}, resend_after_s = 2, \
             replaces = {replaces}, batch_wait_ms = {batch_wait_ms} }}\n"
        );
        let vault = vault();
        let ltc = vault.account_public(LTC_ACCOUNT).unwrap();
        let eth = vault.account_public(ETH_ACCOUNT).unwrap();
        let Coin { symbol, rules_word, prefix, genesis, .. } = coin();
        write!(
            file,
            "[[chains]]\nsymbol = \"{symbol}\"\nrules = \"{rules_word}\"\nconfirmations = 6\n\
             address_prefix = \"{prefix}\"\nxpub = \"{ltc}\"\n\
             trusted = {{ height = 0, hash = \"{genesis}\" }}\n{leaves}"
        )
        .unwrap();
        write_nodes(&mut file, self.litecoin);
        write!(
            file,
            "[[chains]]\nsymbol = \"ETH\"\nrules = \"evm\"\nchain_id = 31337\nxpub = \"{eth}\"\n\
             trusted = {{ height = 0, hash = \"{evm_genesis}\" }}\n{leaves}"
        )
        .unwrap();
        write_nodes(&mut file, self.evm);
        let path = home.join(format!("{name}.toml"));
        std::fs::write(&path, file).unwrap();
        path
    }
}

fn write_nodes(file: &mut String, endpoints: &[Endpoint]) {
    for (at, Endpoint { url, login }) in endpoints.iter().enumerate() {
        write!(file, "[[chains.nodes]]\nname = \"node-{at}\"\nurl = \"{url}\"\nrate = 1000\nburst = 2000\n").unwrap();
        if let Some((user, password)) = login {
            writeln!(file, "login = \"{user}:{password}\"").unwrap();
        }
    }
}
