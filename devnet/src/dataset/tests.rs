use super::*;
use proptest::prelude::*;

const METERS: &str = "meter,node,load_kw,pv_kw,profiles\nA,Bus 1,2.0,12.5,x\nB,Bus 2,3.0,0,y\n";
const HEADER: &str = "interval_start,meter,consumption_wh,generation_wh\n";

fn read(meters: &str, intervals: &str) -> Result<Dataset, DatasetError> {
    Dataset::read(
        "meters.csv",
        meters.as_bytes(),
        "intervals.csv",
        intervals.as_bytes(),
    )
}

fn error(lines: &str) -> String {
    read(METERS, &format!("{HEADER}{lines}"))
        .expect_err("refused")
        .to_string()
}

#[test]
fn the_village_is_whole() {
    let village = Dataset::village().expect("reads");
    assert_eq!((village.meters().len(), village.intervals()), (93, 672));
    assert_eq!(village.step(), SignedDuration::from_mins(15));
    assert_eq!(
        village
            .meters()
            .iter()
            .filter(|meter| meter.pv_kw > 0.0)
            .count(),
        8
    );
    let noon = village
        .index_of("2016-06-07T11:00:00Z".parse().expect("time"))
        .expect("there");
    assert_eq!(noon, 4 * 35);
    let energies = village.interval(noon).expect("there");
    assert_eq!(
        energies.iter().map(|energy| energy.import()).sum::<u64>(),
        9_383
    );
    assert_eq!(
        energies.iter().map(|energy| energy.export()).sum::<u64>(),
        6_322
    );
    assert_eq!(village.peak(45), (78, 4_283));
    assert_eq!(village.interval(672), None);
}

#[test]
fn a_folder_reads_as_its_files_do_and_a_missing_file_is_named() {
    let dir = tempfile::tempdir().expect("dir");
    std::fs::write(dir.path().join("meters.csv"), METERS).expect("written");
    let missing = Dataset::load(dir.path()).expect_err("refused").to_string();
    assert!(missing.contains("intervals.csv"), "{missing}");
    let lines = format!("{HEADER}2016-06-06T00:00:00Z,A,9,2\n2016-06-06T00:00:00Z,B,0,5\n");
    std::fs::write(dir.path().join("intervals.csv"), &lines).expect("written");
    assert_eq!(Dataset::load(dir.path()), read(METERS, &lines));
}

#[test]
fn missing_columns_are_named() {
    let refused = read(METERS, "interval_start,meter,generation_wh\n").expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "intervals.csv: missing column consumption_wh; the header is \"interval_start,meter,generation_wh\""
    );
    let refused = read("meter,node\n", HEADER).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "meters.csv: missing columns load_kw, pv_kw; the header is \"meter,node\""
    );
}

#[test]
fn each_bad_line_says_where_and_what() {
    let good = "2016-06-06T00:00:00Z,A,9,2\n2016-06-06T00:00:00Z,B,0,5\n";
    let next = "2016-06-06T00:15:00Z,A,9,2\n2016-06-06T00:15:00Z,B,0,5\n";
    for (lines, expected) in [
        (
            "2016-06-06T00:00:00Z,A,-9,2\n".to_owned(),
            "line 2: consumption_wh must not be negative, got -9",
        ),
        (
            "2016-06-06T00:00:00Z,A,9,?\n".to_owned(),
            "line 2: generation_wh must be a whole number of Wh, got \"?\"",
        ),
        (
            "2016-06-06T00:00:00Z,A,1099511627776,0\n".to_owned(),
            "line 2: consumption_wh must be below 2^40 Wh, got 1099511627776",
        ),
        (
            "now,A,9,2\n".to_owned(),
            "line 2: interval_start must be a time such as 2016-06-07T11:00:00Z, got \"now\"",
        ),
        (
            "2016-06-06T00:00:00Z,A\n".to_owned(),
            "line 2: expected at least 4 fields, got 2",
        ),
        (
            "2016-06-06T00:00:00Z,C,9,2\n".to_owned(),
            "line 2: unknown meter \"C\": meters.csv does not list it",
        ),
        (
            format!("{next}2016-06-06T00:00:00Z,A,1,1\n"),
            "line 4: times must not go back: 2016-06-06T00:00:00Z after 2016-06-06T00:15:00Z",
        ),
        (
            format!("{good}2016-06-06T00:00:00Z,A,1,1\n"),
            "line 4: meter A has a line for 2016-06-06T00:00:00Z already",
        ),
        (
            "2016-06-06T00:00:00Z,A,9,2\n2016-06-06T00:15:00Z,A,9,2\n".to_owned(),
            "line 3: meter B has no line for 2016-06-06T00:00:00Z",
        ),
        (
            format!("{good}{next}2016-06-06T00:45:00Z,A,9,2\n"),
            "line 6: intervals must follow each other every 15 minutes, this one comes after 30",
        ),
        (
            "2016-06-06T00:00:00Z,A,9,2\n".to_owned(),
            "at its end: meter B has no line for 2016-06-06T00:00:00Z",
        ),
    ] {
        assert_eq!(error(&lines), format!("intervals.csv, {expected}"));
    }
    assert_eq!(error(""), "intervals.csv has no lines below its header");
}

#[test]
fn meters_are_checked_too() {
    let refused = |line: &str| {
        read(&format!("meter,node,load_kw,pv_kw\n{line}"), HEADER)
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        refused("A,x,1,-2\n"),
        "meters.csv, line 2: pv_kw must be a number of kW, not negative, got \"-2\""
    );
    assert_eq!(
        refused("A,x,NaN,2\n"),
        "meters.csv, line 2: load_kw must be a number of kW, not negative, got \"NaN\""
    );
    assert_eq!(
        refused("A,x,1,2\nA,x,1,2\n"),
        "meters.csv, line 3: meter A is listed twice"
    );
    assert_eq!(
        refused("é,x,1,2\n"),
        "meters.csv, line 2: a meter's name must be 1 to 32 printable ASCII characters, got \"é\""
    );
    assert_eq!(refused(""), "meters.csv has no lines below its header");
}

#[test]
fn a_time_without_an_interval_is_refused() {
    let village = Dataset::village().expect("reads");
    let refused = village
        .index_of("2016-06-07T11:05:00Z".parse().expect("time"))
        .expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "the data has no interval that starts at 2016-06-07T11:05:00Z: its intervals start every 15 minutes from \
         2016-06-06T00:00:00Z to 2016-06-12T23:45:00Z"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(meters in proptest::collection::vec(any::<u8>(), 0..200), lines in proptest::collection::vec(any::<u8>(), 0..200)) {
        let whole = [HEADER.as_bytes(), &lines].concat();
        let _ = Dataset::read("m", METERS.as_bytes(), "i", whole.as_slice());
        let listed = ["meter,node,load_kw,pv_kw\n".as_bytes(), &meters].concat();
        let _ = Dataset::read("m", listed.as_slice(), "i", whole.as_slice());
    }
}
