//! Distance between nodes on one machine.

use std::{fs, ops::Range, process::Command};

use eyre::{WrapErr, ensure};

/// Delays whatever goes from or to these ports on the loopback device.
///
/// # Errors
///
/// If this process is not alone in its network, may not change it, or lacks `ip` and `tc`.
pub(crate) fn set(milliseconds: u64, ports: Range<u16>) -> eyre::Result<()> {
    // Two lines of headings, and one for each device.
    let devices = fs::read_to_string("/proc/net/dev")?.lines().count();
    ensure!(
        devices == 3,
        "--delay-ms changes the loopback device for all that use it: run it alone, with \
         `unshare --net cargo bench -p wattline --bench network -- --delay-ms {milliseconds}`"
    );
    run(&["ip", "link", "set", "lo", "up"])?;
    // Another size of network in the same run has set it before.
    let _ = run(&["tc", "qdisc", "del", "dev", "lo", "root"]);
    let delay = format!("{milliseconds}ms");
    let root = [
        "tc", "qdisc", "add", "dev", "lo", "root", "handle", "1:", "prio",
    ];
    // Whatever no filter names goes by the first band.
    let bands = ["bands", "2", "priomap"];
    run(&[&root[..], &bands, &["0"; 16]].concat())?;
    let netem = ["parent", "1:2", "netem", "delay", &delay, "limit", "100000"];
    run(&[&["tc", "qdisc", "add", "dev", "lo"][..], &netem].concat())?;
    for port in ports {
        for end in ["sport", "dport"] {
            let port = port.to_string();
            let filter = [
                "tc", "filter", "add", "dev", "lo", "parent", "1:", "protocol", "ip",
            ];
            let matched = ["u32", "match", "ip", end, &port, "0xffff", "flowid", "1:2"];
            run(&[&filter[..], &matched].concat())?;
        }
    }
    Ok(())
}

fn run(words: &[&str]) -> eyre::Result<()> {
    let [program, arguments @ ..] = words else {
        return Ok(());
    };
    let output = Command::new(program)
        .args(arguments)
        .output()
        .wrap_err_with(|| format!("cannot run {program}, of the package iproute2"))?;
    ensure!(
        output.status.success(),
        "`{}` fails: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
