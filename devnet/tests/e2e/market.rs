//! The `neighbourhood` and `meterd` programs on a real node that is killed while they trade.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
};
use wattline_devnet::{Report, dataset::Dataset};
use wattline_market::{
    MeterId, Product,
    abi::{IMarket, IMetering},
    predeploys::{MARKET, METERING},
};
use wattline_testing::{Process, RunningNode, eventually, program};

const INTERVALS: usize = 4;

struct Stage {
    node: RunningNode,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir(dir.path().join("data")).expect("directory");
        fs::write(
            dir.path().join("data/meters.csv"),
            "meter,node,load_kw,pv_kw\nA,1,2,0\nB,2,2,0\nC,3,2,0\nD,4,1,9\nE,5,1,9\n",
        )
        .expect("written");
        let mut lines = "interval_start,meter,consumption_wh,generation_wh\n".to_owned();
        for interval in 0..INTERVALS {
            for (place, meter) in ["A", "B", "C", "D", "E"].into_iter().enumerate() {
                let consumption = 100 + 17 * interval + 31 * place;
                let generation = if place > 2 { 500 + 13 * interval } else { 0 };
                lines += &format!(
                    "2016-06-07T11:{:02}:00Z,{meter},{consumption},{generation}\n",
                    15 * interval
                );
            }
        }
        fs::write(dir.path().join("data/intervals.csv"), lines).expect("written");
        let node = RunningNode::dev_chain(&dir.path().join("chain")).expect("the node starts");
        Self { node, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn neighbourhood(&self, interval_seconds: u32) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neighbourhood"));
        command
            .args([
                "--rpc",
                &self.node.url,
                "--interval-seconds",
                &interval_seconds.to_string(),
                "--data",
            ])
            .arg(self.path("data"))
            .arg("--report")
            .arg(self.path("report.json"))
            .arg("--meterd")
            .arg(self.path("meterd"));
        command
    }

    /// Starts the neighbourhood, which prints to the files `table` and `log`.
    fn trade(&self) -> Process {
        let file = |name| File::create(self.path(name)).expect("a file");
        let mut command = self.neighbourhood(4);
        command.stdout(file("table")).stderr(file("log"));
        Process::spawn(&mut command).expect("the neighbourhood starts")
    }

    fn meterd(&self) -> Process {
        // A free port for its metrics: the written configuration has the usual one, which may be in
        // use here.
        let config = self.path("meterd/meterd.toml");
        let text = fs::read_to_string(&config).expect("configuration");
        fs::write(&config, text.replace("listen = \"127.0.0.1:9101\"\n", "")).expect("written");
        let mut command = Command::new(program::meterd().expect("it is built"));
        command.args(["run", "--config"]).arg(config);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Process::spawn(&mut command).expect("meterd starts")
    }

    fn report(&self) -> Option<Report> {
        serde_json::from_str(&fs::read_to_string(self.path("report.json")).ok()?).ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trading_goes_on_when_the_node_comes_back_and_the_chain_is_continued() {
    let mut stage = Stage::new();
    let mut market = stage.trade();
    eventually("meterd's configuration", async || {
        let text = fs::read_to_string(stage.path("meterd/meterd.toml")).ok()?;
        text.contains("intervals = ").then_some(())
    })
    .await;
    let mut meterd = stage.meterd();
    eventually("the first interval is settled", async || {
        stage
            .report()?
            .intervals()
            .first()
            .filter(|interval| interval.settled)
            .map(|_| ())
    })
    .await;
    stage.node.restart().expect("the node starts again");

    let status = market.wait().expect("it ends");
    let log = fs::read_to_string(stage.path("log")).expect("log");
    assert!(status.success(), "{log}");
    meterd.succeed().expect("meterd ends");
    let report = stage.report().expect("report");
    assert_report(&stage, &report).await;
    let table = fs::read_to_string(stage.path("table")).expect("table");
    assert_eq!(
        table
            .lines()
            .filter(|line| line.ends_with("5/5  yes"))
            .count(),
        INTERVALS,
        "{table}"
    );

    // The zone keeps its interval length for life.
    let refused = stage.neighbourhood(5).output().expect("ends");
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(
        message.contains("zone 1 of this chain has intervals of 4 s, not 5 s"),
        "{message}"
    );

    // Other data under the same names is refused, too.
    let meters = fs::read_to_string(stage.path("data/intervals.csv")).expect("data");
    fs::write(
        stage.path("data/intervals.csv"),
        meters.replace(",A,100,", ",A,9100,"),
    )
    .expect("written");
    let refused = stage.neighbourhood(4).output().expect("ends");
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        message.contains("meter A of this chain belongs to another data set"),
        "{message}"
    );
}

/// The report says what the chain says, and what the data says.
async fn assert_report(stage: &Stage, report: &Report) {
    let data = Dataset::load(&stage.path("data")).expect("data");
    let provider = stage.node.provider().expect("a provider");
    let market = IMarket::new(MARKET, &provider);
    let metering = IMetering::new(METERING, &provider);
    assert_eq!(report.intervals().len(), INTERVALS);
    for (index, interval) in report.intervals().iter().enumerate() {
        let energies = data.interval(index).expect("interval");
        assert_eq!(Some(interval.start), data.start_of(index));
        assert_eq!(
            interval.import_wh,
            energies.iter().map(|energy| energy.import()).sum::<u64>()
        );
        assert_eq!(
            interval.export_wh,
            energies.iter().map(|energy| energy.export()).sum::<u64>()
        );
        assert_eq!((interval.readings, interval.settled), (5, true));
        assert_eq!(interval.orders, interval.bids + interval.asks);
        let clearing = market
            .clearing(interval.product)
            .call()
            .await
            .expect("view");
        assert_eq!(
            (clearing.price, clearing.volume),
            (interval.price_ticks, interval.volume_wh)
        );
        let words = market.orders(interval.product).call().await.expect("view");
        assert_eq!(words.len() as u64, interval.orders);
    }
    // The first interval was ordered and cleared before the node went away.
    let first = &report.intervals()[0];
    assert_eq!((first.bids, first.asks), (3, 2));
    assert!(first.volume_wh > 0);

    // After the last interval every register is the sum of its data.
    let last = report.intervals().last().expect("interval");
    let end = Product::try_from(last.product).expect("product").start() + 4;
    for (place, meter) in data.meters().iter().enumerate() {
        let id = MeterId::from_name(&meter.name).expect("name");
        let register = metering.register(id.0, end).call().await.expect("view");
        let sum = |energy: fn(&wattline_devnet::dataset::IntervalEnergy) -> u64| -> u64 {
            (0..INTERVALS)
                .map(|index| energy(&data.interval(index).expect("interval")[place]))
                .sum()
        };
        assert_eq!(
            register.importWh,
            sum(|energy| energy.import()),
            "{}",
            meter.name
        );
        assert_eq!(
            register.exportWh,
            sum(|energy| energy.export()),
            "{}",
            meter.name
        );
    }
}
