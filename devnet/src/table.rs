//! The live table: one line for each delivery interval.

use crate::report::IntervalReport;

/// The table's heading.
pub const HEADING: &str = "\
data time         orders  price ct/kWh  volume kWh  met locally  readings  settled
----------------  ------  ------------  ----------  -----------  --------  -------";

/// One line of the table. `meters` is how many readings there should be.
pub fn line(interval: &IntervalReport, meters: usize) -> String {
    let time = interval.start.strftime("%Y-%m-%d %H:%M");
    let price = if interval.volume_wh > 0 {
        ticks(interval.price_ticks)
    } else {
        "-".to_owned()
    };
    let volume = kilowatt_hours(interval.volume_wh);
    let share = match interval.met_locally() {
        Some(share) => format!("{}.{} %", share / 10, share % 10),
        None => "-".to_owned(),
    };
    let readings = format!("{}/{meters}", interval.readings);
    let settled = if interval.settled { "yes" } else { "no" };
    format!(
        "{time}  {:>6}  {price:>12}  {volume:>10}  {share:>11}  {readings:>8}  {settled}",
        interval.orders
    )
}

/// A price in ct/kWh: a tick is a thousandth of a cent.
fn ticks(price: i32) -> String {
    let (sign, size) = (if price < 0 { "-" } else { "" }, price.unsigned_abs());
    format!("{sign}{}.{:03}", size / 1_000, size % 1_000)
}

fn kilowatt_hours(watt_hours: u64) -> String {
    format!("{}.{:03}", watt_hours / 1_000, watt_hours % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval() -> IntervalReport {
        IntervalReport {
            start: "2016-06-07T11:00:00Z".parse().expect("time"),
            orders: 93,
            price_ticks: 18_532,
            volume_wh: 5_812,
            readings: 93,
            import_wh: 9_383,
            export_wh: 6_322,
            settled: true,
            ..IntervalReport::default()
        }
    }

    #[test]
    fn a_line_reads_as_its_heading_says() {
        assert_eq!(
            line(&interval(), 93),
            "2016-06-07 11:00      93        18.532       5.812       67.3 %     93/93  yes"
        );
    }

    #[test]
    fn what_did_not_happen_is_not_made_up() {
        let quiet = IntervalReport {
            volume_wh: 0,
            price_ticks: 0,
            import_wh: 0,
            export_wh: 0,
            settled: false,
            ..interval()
        };
        assert_eq!(
            line(&quiet, 93),
            "2016-06-07 11:00      93             -       0.000            -     93/93  no"
        );
        assert_eq!(ticks(-1_500), "-1.500");
        assert_eq!(ticks(-7), "-0.007");
    }
}
