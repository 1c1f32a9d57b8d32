//! Casts: two gateways follow the events of every partition by Aeron while leaders are killed under load; then they show what a
//! third one shows that has everything over its links.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::demo::{Demo, signal};
use tests::nodes;

use crate::load::Load;
use crate::schedule::{self, Strike};
use crate::{Args, Failure, Fault, READY_WITHIN, disproved, strike_all};

/// How often metrics are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long a gateway may take to end.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

/// A gateway beside the demo's own.
struct Gateway {
    name: &'static str,
    rest: String,
    child: Option<Child>,
}

impl Gateway {
    /// Starts one with the configuration of the demo's; over links alone if it shall have no Aeron.
    fn start(demo: &Demo, args: &Args, name: &'static str, has_aeron: bool) -> Result<Gateway, Failure> {
        let attempt = |what: &str, error: std::io::Error| Failure::Disproved(format!("{name}: cannot {what}: {error}"));
        let config = demo.data_dir().join("config");
        let text = std::fs::read_to_string(config.join("gateway-1.toml"))
            .map_err(|error| attempt("read the gateway's file", error))?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let at = free.map_err(|error| attempt("find a port", error))?;
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            // Of the table [aeron] as well: ports of UDP are others than those of TCP.
            let line = if line.starts_with("listen = ") { format!("listen = \"{at}\"") } else { line.to_owned() };
            lines.push(line);
        }
        let mut text = lines.join("\n");
        if !has_aeron {
            let (before, table) = text.split_once("[aeron]").unwrap_or((&text, ""));
            let after = table.find("\n[").map_or("", |next| &table[next..]);
            text = format!("{before}{after}");
        }
        let file = config.join(format!("{name}.toml"));
        std::fs::write(&file, text).map_err(|error| attempt("write the gateway's file", error))?;
        let log = std::fs::File::create(demo.home().join(format!("{name}.log")))
            .map_err(|error| attempt("create a log file", error))?;
        let child = std::process::Command::new(&args.binary)
            .arg("gateway")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| attempt("start", error))?;
        Ok(Gateway { name, rest: format!("http://{at}"), child: Some(child) })
    }

    async fn ready(&self) -> Result<(), Failure> {
        let ready = nodes::until(READY_WITHIN, async || {
            matches!(nodes::get(&format!("{}/readyz", self.rest)).await, Some((200, _))).then_some(())
        });
        ready.await.ok_or_else(|| Failure::Disproved(format!("{} was not ready within {READY_WITHIN:?}", self.name)))
    }

    /// One of its metrics.
    async fn metric(&self, name: &str) -> Option<u64> {
        let metrics = nodes::text(&format!("{}/metrics", self.rest)).await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("mainstay_gateway_{name} ")));
        line.and_then(|value| value.parse().ok())
    }

    /// Waits until as many streams as there are partitions come by Aeron.
    async fn follows(&self, partitions: usize, when: &str) -> Result<(), Failure> {
        let mut seen = None;
        let followed = nodes::until(READY_WITHIN, async || {
            tokio::time::sleep(LOOK_EVERY).await;
            seen = self.metric("aeron_following").await;
            (seen == Some(partitions as u64)).then_some(())
        });
        if followed.await.is_none() {
            return disproved(format!("{when} {} has {seen:?} of {partitions} partitions by Aeron", self.name));
        }
        let mut counts = String::new();
        for name in ["messages", "begun", "gaps", "fallen", "dropped", "refused"] {
            let count = self.metric(&format!("aeron_{name}_total")).await.unwrap_or(0);
            counts += &format!(", {name} {count}");
        }
        println!("{when}: {}: {partitions} partitions by Aeron{counts}", self.name);
        Ok(())
    }

    /// What everybody can see there, and how far it has read each partition.
    async fn shows(&self) -> Option<Value> {
        let mut shown = serde_json::Map::new();
        let (_, info) = nodes::get(&format!("{}/api/v3/exchangeInfo", self.rest)).await?;
        for symbol in info["symbols"].as_array()?.iter().filter_map(|symbol| symbol["symbol"].as_str()) {
            for page in
                ["depth?limit=5000&", "trades?limit=1000&", "aggTrades?limit=1000&", "klines?interval=1m&limit=1000&"]
            {
                let (status, answer) = nodes::get(&format!("{}/api/v3/{page}symbol={symbol}", self.rest)).await?;
                if status != 200 {
                    return None;
                }
                shown.insert(format!("{symbol} {page}"), answer);
            }
        }
        let metrics = nodes::text(&format!("{}/metrics", self.rest)).await?;
        for line in metrics.lines() {
            if let Some((name, value)) = line.rsplit_once(' ').filter(|(name, _)| {
                name.starts_with("mainstay_gateway_position{") || *name == "mainstay_gateway_depth_gaps"
            }) {
                shown.insert(name.to_owned(), value.into());
            }
        }
        Some(Value::Object(shown))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // Asked to end, it takes its media driver's files along.
        signal(child.id(), Signal::SIGTERM);
        let deadline = Instant::now() + ENDED_WITHIN;
        while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Kills leaders under load while two gateways follow, and compares them with a third.
pub async fn prove(demo: &Demo, args: &Args) -> Result<Value, Failure> {
    let state = demo.state()?;
    let partitions = state.cluster.as_ref().map_or(0, |cluster| cluster.partitions.len());
    let Some(of_demo) = state.gateways.first() else { return disproved("the demo has no gateway") };
    let first = Gateway { name: "gateway-1", rest: of_demo.rest.clone(), child: None };
    let second = Gateway::start(demo, args, "gateway-2", true)?;
    second.ready().await?;
    // Nobody follows by Aeron what never happens: the load first.
    let kills = schedule::same(Fault::Kill, args.kills);
    let seconds = kills.iter().map(Strike::duration).sum::<Duration>() + Duration::from_secs(15);
    let mut load = Load::offer(demo, args, seconds, "casts", &[])?;
    for gateway in [&first, &second] {
        gateway.follows(partitions, "under load").await?;
    }
    strike_all(demo, &mut load, "kill", &kills).await?;
    for gateway in [&first, &second] {
        gateway.follows(partitions, "after the kills").await?;
    }
    let said = load.end(demo).await?;
    let third = Gateway::start(demo, args, "gateway-3", false)?;
    third.ready().await?;
    if third.metric("aeron_messages_total").await != Some(0) {
        return disproved("the third gateway has Aeron, and shall not");
    }
    // Clients' sessions and leases still write a little: the three are looked at until nothing came between.
    let mut last = Value::Null;
    let equal = nodes::until(READY_WITHIN, async || {
        let shown = [first.shows().await?, second.shows().await?, third.shows().await?];
        let are_equal = shown[0] == shown[1] && shown[1] == shown[2];
        last = json!(shown.iter().map(Value::to_string).collect::<Vec<_>>());
        are_equal.then(|| shown[2].clone())
    });
    let Some(shown) = equal.await else { return disproved(format!("the gateways show different things: {last}")) };
    let pages = shown.as_object().map_or(0, serde_json::Map::len);
    let trades: usize = shown
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(page, _)| page.contains(" trades"))
        .map(|(_, of)| of.as_array().map_or(0, Vec::len))
        .sum();
    if trades == 0 || shown["mainstay_gateway_depth_gaps"] != "0" {
        return disproved(format!("{trades} trades, and books with gaps: {}", shown["mainstay_gateway_depth_gaps"]));
    }
    let acknowledged = &said["acked"];
    println!(
        "casts: {} kills, {acknowledged} acknowledged, 0 lost, 0 doubled; three gateways show the same: {pages} pages and positions, {trades} trades",
        args.kills
    );
    Ok(json!({ "kills": args.kills, "load": said, "pages": pages }))
}
