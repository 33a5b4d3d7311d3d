//! What the validators need of the machine.

use std::{fs, time::Instant};

use eyre::{OptionExt as _, ensure};

use crate::consortium::Consortium;

/// Ticks of processor time in a second, on every Linux.
const TICKS: f64 = 100.0;

/// What the validators have used since they started, in the mean.
pub(crate) struct Usage {
    at: Instant,
    ticks: f64,
    sent: f64,
    memory_mib: f64,
}

/// What a validator used in a while, in the mean of all.
pub(crate) struct Used {
    pub(crate) seconds: f64,
    pub(crate) processor_percent: f64,
    pub(crate) sent_per_second: f64,
    pub(crate) memory_mib: f64,
}

impl Usage {
    pub(crate) async fn read(consortium: &Consortium) -> eyre::Result<Self> {
        let (mut ticks, mut sent, mut memory_mib) = (0.0, 0.0, 0.0);
        let validators = consortium.validators();
        for node in &validators {
            ticks += processor_ticks(&node.pid)?;
            memory_mib += resident_mib(&node.pid)?;
            let metrics = reqwest::get(&node.metrics).await?.text().await?;
            sent += metrics
                .lines()
                .filter(|line| line.starts_with("wattline_network_sent_bytes_total"))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum::<f64>();
        }
        let count = validators.len() as f64;
        Ok(Self {
            at: Instant::now(),
            ticks: ticks / count,
            sent: sent / count,
            memory_mib: memory_mib / count,
        })
    }

    pub(crate) fn since(&self, before: &Self) -> Used {
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        Used {
            seconds,
            processor_percent: (self.ticks - before.ticks) / TICKS / seconds * 100.0,
            sent_per_second: (self.sent - before.sent) / seconds,
            memory_mib: self.memory_mib,
        }
    }
}

fn processor_ticks(pid: &str) -> eyre::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(')').ok_or_eyre("no status of a process")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    ensure!(fields.len() > 12, "a short status of a process: {stat}");
    Ok(fields[11].parse::<f64>()? + fields[12].parse::<f64>()?)
}

fn resident_mib(pid: &str) -> eyre::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or_eyre("no resident memory")?.parse::<f64>()? / 1024.0)
}
